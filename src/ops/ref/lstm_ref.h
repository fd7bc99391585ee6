/* The recurrent decoder in plain C over doubles: the definition of right. */
#ifndef SNUG_OPS_REF_LSTM_REF_H
#define SNUG_OPS_REF_LSTM_REF_H

#include <stdint.h>

#include "ops/cpu/lstm.h"

/** Parameters, as snug_lstm_weights but of doubles. */
typedef struct snug_lstm_ref_weights {
    const double *w_ih[SNUG_LSTM_LAYERS_MAX];
    const double *w_hh[SNUG_LSTM_LAYERS_MAX];
    const double *b_ih[SNUG_LSTM_LAYERS_MAX];
    const double *b_hh[SNUG_LSTM_LAYERS_MAX];
    const double *head_w;
    const double *head_b;
} snug_lstm_ref_weights;

/** Gradients that are added to, as snug_lstm_gradients but of doubles; NULL is not wanted. */
typedef struct snug_lstm_ref_gradients {
    double *w_ih[SNUG_LSTM_LAYERS_MAX];
    double *w_hh[SNUG_LSTM_LAYERS_MAX];
    double *b_ih[SNUG_LSTM_LAYERS_MAX];
    double *b_hh[SNUG_LSTM_LAYERS_MAX];
    double *head_w;
    double *head_b;
} snug_lstm_ref_gradients;

/** Bytes of scratch of both functions; isa and variant are not read. */
int64_t snug_ref_lstm_scratch_bytes(const snug_lstm_options *options);

/**
 * Forward, sample by sample; shapes and meaning as snug_lstm_forward().
 *
 * @param[out] y        [N, S, K].
 * @param      scratch  snug_ref_lstm_scratch_bytes(), aligned for doubles.
 * @mem     Allocates nothing.
 * @threads Reentrant.
 */
void snug_ref_lstm_forward(const snug_lstm_options *options, const snug_lstm_ref_weights *weights,
                           int64_t samples, const double *x, const double *s0, double *y,
                           void *scratch);

/** Backward, forward run again inside; dx, ds0 may be NULL, gradients are added to. */
void snug_ref_lstm_backward(const snug_lstm_options *options, const snug_lstm_ref_weights *weights,
                            int64_t samples, const double *x, const double *s0, const double *dy,
                            double *dx, double *ds0, const snug_lstm_ref_gradients *gradients,
                            void *scratch);

#endif
