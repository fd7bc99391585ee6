/* The definition of embeddings and of the rows taken from a sequence, in double. */
#ifndef SNUG_OPS_REF_EMBED_REF_H
#define SNUG_OPS_REF_EMBED_REF_H

#include "ops/cpu/embed.h"

/** As snug_embed_tables, in double. */
typedef struct snug_ref_embed_tables {
    const double *words, *positions, *types;
} snug_ref_embed_tables;

/** As snug_embed_forward(). */
void snug_ref_embed_forward(const snug_embed *embed, const snug_ref_embed_tables *tables,
                            const int32_t *ids, const int32_t *kinds, double *y);
/** As snug_embed_backward(); the gradients of words, positions and types, each or NULL. */
void snug_ref_embed_backward(const snug_embed *embed, const double *dy, const int32_t *ids,
                             const int32_t *kinds, double *const gradients[3]);

#endif
