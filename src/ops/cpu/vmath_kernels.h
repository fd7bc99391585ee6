/* The inner loops of the element-wise, norm, loss, optimizer and LSTM kernels, by instruction set.
 */
#ifndef SNUG_OPS_CPU_VMATH_KERNELS_H
#define SNUG_OPS_CPU_VMATH_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/kernel_isa.h"

/** One stretch of the sum behind a product: rows of A, `depth` floats each, `row_stride` apart. */
typedef struct snug_lstm_operand {
    const float *data;
    int64_t row_stride;
    int64_t depth;
} snug_lstm_operand;

/** Rows and units of one cell update; row strides in floats, pointers at the first unit. */
typedef struct snug_lstm_cell {
    int64_t rows;
    int64_t units;  /* Of this part. */
    int64_t hidden; /* H: the distance between gates in a row, and the row stride of c and h. */
    float slope;
    float *gates;        /* [rows, 4, H] at the first unit: pre-activations in, activations out. */
    const float *bias;   /* [4, H] at the first unit. */
    const float *c_prev; /* [rows, H]; may be c. */
    float *c;
    float *h;     /* NULL: not wanted. */
    float *leaky; /* Leaky ReLU of h, or NULL. */
} snug_lstm_cell;

/** Gradient of a cell update: activations in `gates` become gradients of the pre-activations. */
typedef struct snug_lstm_cell_grad {
    int64_t rows;
    int64_t units;
    int64_t hidden;
    float *gates;         /* [rows, 4, H] at the first unit. */
    const float *c_prev;  /* [rows, H]. */
    const float *c;       /* [rows, H]. */
    const float *d_above; /* [rows, H] at the first unit: from the layer above. */
    const float *d_recur; /* [rows, H]: from the next step. */
    float *dc;            /* [rows, H]: of c at the next step in, at this step out. */
} snug_lstm_cell_grad;

/** The numbers of one optimizer update, rounded to f32 once. */
typedef struct snug_adam_numbers {
    float grad_scale;
    float decay_keep; /* AdamW: 1 - lr * decay. Adam: 1. */
    float decay_grad; /* Adam: weight decay added to the gradient. AdamW: 0. */
    float beta1, beta1_rest;
    float beta2, beta2_rest;
    float root_correction; /* sqrt(1 - beta2^step). */
    float epsilon;
    float rate; /* lr / (1 - beta1^step). */
} snug_adam_numbers;

enum { SNUG_DYNAMIC_DECADES = 7 };

/**
 * The 8-bit numbers of an optimizer state: 0, 1 and, for each power of ten 10^d from 10^-6 to 1,
 * cells that divide [0.1, 1] x 10^d evenly, each with its middle as its value. Codes are in the
 * order of their values.
 */
typedef struct snug_dynamic_map {
    bool is_signed;                     /* The same values below zero as well, but not -1. */
    float value[256];                   /* By code. */
    float decade[SNUG_DYNAMIC_DECADES]; /* The least size that is nearest to its cells. */
    float cells[SNUG_DYNAMIC_DECADES];  /* Their number. */
    float cells_per_unit[SNUG_DYNAMIC_DECADES]; /* One over their width. */
    float one;                                  /* The least size that is nearest to 1. */
} snug_dynamic_map;

typedef struct snug_lane_kernels {
    int32_t panel_width; /* Columns of a packed panel of `product`. */
    int32_t tile_rows;   /* Rows that `product` takes at once; others are for free beside them. */

    void (*exp)(int64_t count, const float *x, float *y);
    void (*sigmoid)(int64_t count, const float *x, float *y);
    void (*tanh)(int64_t count, const float *x, float *y);
    void (*add)(int64_t count, const float *a, const float *b, float *y);
    void (*axpy)(int64_t count, float factor, const float *x,
                 float *y); /* y = fma(factor, x, y). */
    void (*blend)(int64_t count, float wa, const float *a, float wb, const float *b, float *y);
    void (*relu_grad)(int64_t count, const float *y, const float *dy, float *dx);
    void (*normal)(int64_t count, const float *x, float *y);
    /** y = x scale where the element's number is below the threshold, else x 0; `words` are those
     * of the groups from the first element's on. */
    void (*drop)(int64_t count, const uint32_t *words, float threshold, float scale, const float *x,
                 float *y);
    void (*gelu)(int64_t count, bool approximate, const float *x, float *y);
    void (*gelu_grad)(int64_t count, bool approximate, const float *x, const float *dy, float *dx);
    void (*tanh_grad)(int64_t count, const float *y, const float *dy, float *dx);
    void (*leaky)(int64_t count, float slope, const float *x, float *y);
    void (*leaky_grad)(int64_t count, float slope, const float *x, const float *dy, float *dx);
    /** out0[c] += sum and out1[c] += sum, sum the chain of x[r, c] over r ascending from 0. */
    void (*column_sums)(int64_t rows, int64_t cols, int64_t row_stride, const float *x, float *out0,
                        float *out1);
    double (*square_sum)(int64_t count, const float *x);

    void (*norm_forward)(int64_t rows, int64_t cols, const float *x, const float *gamma,
                         const float *beta, float eps, float *y, float *mean, float *rstd);
    void (*norm_backward)(int64_t rows, int64_t cols, const float *x, const float *gamma,
                          const float *mean, const float *rstd, const float *dy, float *dx);
    /** One block of rows: dgamma[c] += chain of dy * xhat, dbeta[c] += chain of dy, c < count. */
    void (*norm_gradients)(int64_t rows, int64_t count, int64_t cols, const float *x,
                           const float *mean, const float *rstd, const float *dy, float *dgamma,
                           float *dbeta);

    /** Sums of squared and absolute errors of one block of rows. */
    void (*loss_sums)(int64_t rows, int64_t cols, const float *prediction, const float *target,
                      const uint8_t *mask, double *out_square, double *out_absolute);
    void (*loss_grad)(int64_t rows, int64_t cols, const float *prediction, const float *target,
                      const uint8_t *mask, float square_factor, float absolute_factor,
                      float *d_prediction);

    /** Of one row: its largest element, and the sums of e^(x - largest) and of x. */
    void (*softmax_sums)(int64_t cols, const float *x, float *out_largest, double *out_exp,
                         double *out_x);
    /** dx = e^(x - largest) * factor - rest; may be x. */
    void (*softmax_grad)(int64_t cols, const float *x, float largest, float factor, float rest,
                         float *dx);

    void (*adam)(int64_t count, const snug_adam_numbers *numbers, float *w, const float *g,
                 float *m, float *v);
    /** One block of at most 256 elements with 8-bit moments: read, updated, written as codes. */
    void (*adam8)(int64_t count, const snug_adam_numbers *numbers, const snug_dynamic_map *m_map,
                  const snug_dynamic_map *v_map, float *w, const float *g, uint8_t *m,
                  float *m_scale, uint8_t *v, float *v_scale);
    void (*sgd)(int64_t count, float grad_scale, float decay, float momentum, float rate, float *w,
                const float *g, float *buffer);

    /** sums[c] = the sum over r ascending of x[r, c]^2, in double. */
    void (*column_squares)(int64_t rows, int64_t cols, int64_t row_stride, const float *x,
                           double *sums);
    /** The sum of (a b)^2 in sixteen lanes of double and the fixed tree. */
    double (*product_squares)(int64_t count, const float *a, const float *b);
    /** w = keep w - factor (c g). */
    void (*factored_step)(int64_t count, float keep, float factor, const float *c, const float *g,
                          float *w);
    /** v = beta v + rest ((scale g)^2 + eps); answers the sum of (scale g)^2 / v. */
    double (*moment_squares)(int64_t count, float beta, float rest, float scale, float eps,
                             const float *g, float *v);
    /** w = keep w - factor g / sqrt v. */
    void (*moment_step)(int64_t count, float keep, float factor, const float *g, const float *v,
                        float *w);

    /**
     * C = A B for up to panel_width columns: each element is one chain of fused multiply-adds over
     * the operands in order, k ascending, from +0; the same chain as snug_gemm() with SET, then
     * CHAIN. `panel` is [sum of depths, panel_width], columns past `cols` zero.
     */
    void (*product)(int64_t rows, int64_t cols, int32_t operand_count,
                    const snug_lstm_operand *operands, const float *panel, float *c,
                    int64_t c_row_stride);
    void (*lstm_cell)(const snug_lstm_cell *cell);
    void (*lstm_cell_grad)(const snug_lstm_cell_grad *cell);
} snug_lane_kernels;

extern const snug_lane_kernels snug_lane_kernels_scalar;
extern const snug_lane_kernels snug_lane_kernels_avx2;
extern const snug_lane_kernels snug_lane_kernels_avx512;

struct snug_optimizer;
/** What an update of AdamW (decoupled decay) or Adam takes from the options, in
 * ops/cpu/optimizer.c. */
snug_adam_numbers snug_optimizer_adam_numbers(const struct snug_optimizer *optimizer,
                                              bool decoupled);

/** The table of an instruction set. */
const snug_lane_kernels *snug_lane_kernels_of(snug_kernel_isa isa);

#endif
