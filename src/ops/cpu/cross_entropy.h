/* Cross-entropy of small numbers of classes: the loss of a sample and the gradient of logits. */
#ifndef SNUG_OPS_CPU_CROSS_ENTROPY_H
#define SNUG_OPS_CPU_CROSS_ENTROPY_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

typedef struct snug_cross_entropy {
    snug_kernel_isa isa;
    int64_t samples;   /* N >= 0. */
    int64_t rows;      /* T >= 1, of one sample. */
    int64_t classes;   /* C >= 1. */
    double smoothing;  /* In [0, 1): the target is 1 - smoothing at the label + smoothing / C. */
    double normaliser; /* > 0: labelled rows of the global batch. */
} snug_cross_entropy;

/**
 * The share of each sample in the loss of the global batch: the sum over its rows, in order, of
 *
 *     (1 - smoothing) (s - x[label]) + smoothing (s - mean x),  s = log sum e^x
 *
 * over the normaliser. A row's sums go over sixteen lanes of double and the fixed tree.
 *
 * @param[in]  logits      [N, T, C] f32; rows whose label is negative are not read.
 * @param[in]  labels      [N, T] i32 below C; negative: the row does not count.
 * @param[out] sample_loss [N] f64.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides samples. Bits depend neither on threads nor on isa.
 * @source  torch.nn.functional.cross_entropy(ignore_index, label_smoothing).
 */
void snug_cross_entropy_forward(const snug_cross_entropy *loss, const float *logits,
                                const int32_t *labels, double *sample_loss,
                                const snug_parallel *parallel);

/** d_logits [N, T, C] f32: the gradient of the global loss; 0 in rows without a label. May be
 * `logits` itself. */
void snug_cross_entropy_backward(const snug_cross_entropy *loss, const float *logits,
                                 const int32_t *labels, float *d_logits,
                                 const snug_parallel *parallel);

#endif
