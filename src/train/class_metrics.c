#include "train/class_metrics.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

int64_t snug_class_metrics_bytes(int64_t classes)
{
    return snug_align_up(classes * classes * (int64_t)sizeof(int64_t), SNUG_ALIGN) +
           snug_align_up(3 * classes * (int64_t)sizeof(double), SNUG_ALIGN) + 2 * SNUG_ALIGN;
}

snug_status snug_class_metrics_open(int64_t classes, snug_arena *arena, snug_class_metrics *out,
                                    snug_error *err)
{
    void *confusion = NULL, *values = NULL;
    SNUG_ASSERT(classes > 0);
    SNUG_TRY(snug_arena_array(arena, classes * classes, sizeof(int64_t), &confusion, err));
    SNUG_TRY(snug_arena_array(arena, 3 * classes, sizeof(double), &values, err));
    double *each = values;
    *out = (snug_class_metrics){.classes = classes,
                                .confusion = confusion,
                                .precision = each,
                                .recall = each + classes,
                                .f1 = each + 2 * classes};
    snug_class_metrics_reset(out);
    return SNUG_OK;
}

void snug_class_metrics_reset(snug_class_metrics *metrics)
{
    memset(metrics->confusion, 0, (size_t)(metrics->classes * metrics->classes) * sizeof(int64_t));
}

int64_t snug_class_of(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t k = 1; k < count; k++) {
        best = logits[k] > logits[best] ? k : best;
    }
    return best;
}

void snug_class_metrics_add(snug_class_metrics *metrics, const float *logits, int32_t label)
{
    if (label >= 0) {
        SNUG_ASSERT(label < metrics->classes);
        metrics->confusion[label * metrics->classes + snug_class_of(logits, metrics->classes)]++;
    }
}

static double share(int64_t part, int64_t whole)
{
    return whole == 0 ? 0.0 : (double)part / (double)whole;
}

snug_class_result snug_class_metrics_finish(snug_class_metrics *metrics)
{
    const int64_t classes = metrics->classes;
    int64_t right = 0, all = 0, present = 0;
    snug_class_result result = {0};
    for (int64_t k = 0; k < classes; k++) {
        int64_t labelled = 0, predicted = 0;
        const int64_t hits = metrics->confusion[k * classes + k];
        for (int64_t j = 0; j < classes; j++) {
            labelled += metrics->confusion[k * classes + j];
            predicted += metrics->confusion[j * classes + k];
        }
        metrics->precision[k] = share(hits, predicted);
        metrics->recall[k] = share(hits, labelled);
        metrics->f1[k] = share(2 * hits, labelled + predicted);
        right += hits;
        all += labelled;
        present += labelled + predicted > 0;
        result.macro_precision += metrics->precision[k];
        result.macro_recall += metrics->recall[k];
        result.macro_f1 += metrics->f1[k];
    }
    const double count = present > 0 ? (double)present : 1.0;
    result.accuracy = share(right, all);
    result.macro_precision /= count;
    result.macro_recall /= count;
    result.macro_f1 /= count;
    return result;
}
