#include "ops/ref/embed_ref.h"

#include <stdbool.h>
#include <stddef.h>

void snug_ref_embed_forward(const snug_embed *embed, const snug_ref_embed_tables *tables,
                            const int32_t *ids, const int32_t *kinds, double *y)
{
    const int64_t width = embed->width;
    for (int64_t r = 0; r < embed->samples * embed->length; r++) {
        const int64_t position = r % embed->length + embed->position_offset;
        const int64_t kind = kinds == NULL ? 0 : kinds[r];
        for (int64_t c = 0; c < width; c++) {
            double sum = tables->words[ids[r] * width + c];
            sum += tables->positions == NULL ? 0.0 : tables->positions[position * width + c];
            sum += tables->types == NULL ? 0.0 : tables->types[kind * width + c];
            y[r * width + c] = sum;
        }
    }
}

void snug_ref_embed_backward(const snug_embed *embed, const double *dy, const int32_t *ids,
                             const int32_t *kinds, double *const gradients[3])
{
    const int64_t width = embed->width;
    for (int64_t r = 0; r < embed->samples * embed->length; r++) {
        const int64_t rows[3] = {ids[r], r % embed->length + embed->position_offset,
                                 kinds == NULL ? 0 : kinds[r]};
        for (int t = 0; t < 3; t++) {
            const bool padding = t == 0 && ids[r] == embed->padding_index;
            for (int64_t c = 0; c < width && gradients[t] != NULL && !padding; c++) {
                gradients[t][rows[t] * width + c] += dy[r * width + c];
            }
        }
    }
}
