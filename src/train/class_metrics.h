/* Metrics of classification from counts alone: the confusion of true and predicted classes. */
#ifndef SNUG_TRAIN_CLASS_METRICS_H
#define SNUG_TRAIN_CLASS_METRICS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct snug_class_metrics {
    int64_t classes;                 /* K */
    int64_t *confusion;              /* [K, K]: samples of true class i (row) taken for j. */
    double *precision, *recall, *f1; /* [K] each, of the last finish. */
} snug_class_metrics;

typedef struct snug_class_result {
    double accuracy;
    double macro_precision, macro_recall, macro_f1; /* Means over the classes that occur. */
} snug_class_result;

/** Bytes that the open takes. */
int64_t snug_class_metrics_bytes(int64_t classes);
SNUG_MUST_CHECK snug_status snug_class_metrics_open(int64_t classes, snug_arena *arena,
                                                    snug_class_metrics *out, snug_error *err);
void snug_class_metrics_reset(snug_class_metrics *metrics);
/** Adds one sample by its logits [K]; of equal ones the first counts. `label` < 0 adds nothing. */
void snug_class_metrics_add(snug_class_metrics *metrics, const float *logits, int32_t label);
/**
 * Precision, recall and F1 of each class, 0 where nothing was predicted or there was nothing, as
 * scikit-learn has them with zero_division 0. The macro means are over the classes that are among
 * the labels or the predictions.
 */
snug_class_result snug_class_metrics_finish(snug_class_metrics *metrics);

/** The largest of [count] numbers; of equal ones the first. */
int64_t snug_class_of(const float *logits, int64_t count);

#endif
