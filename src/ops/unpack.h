/* What the rows' shapes and attributes say to the plain functions. Private to ops/. */
#ifndef SNUG_OPS_UNPACK_H
#define SNUG_OPS_UNPACK_H

#include "ops/cpu/activation.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/conv1d.h"
#include "ops/cpu/cross_entropy.h"
#include "ops/cpu/elementwise.h"
#include "ops/cpu/embed.h"
#include "ops/cpu/interpolate.h"
#include "ops/cpu/loss.h"
#include "ops/cpu/lstm.h"
#include "ops/cpu/optimizer.h"
#include "ops/cpu/tds_conv.h"
#include "ops/kernel.h"

/* The fast kernels and the reference kernels read a row in the same way: through these. */

/** `x` is the shape of the longer side: an input, or the gradient of one. */
snug_conv1d snug_unpack_conv1d(const snug_op_view *view, snug_kernel_isa isa, const snug_shape *x,
                               int64_t filters);
snug_tds_conv snug_unpack_tds_conv(const snug_op_view *view, snug_kernel_isa isa,
                                   const snug_shape *x);
/** The bias of a forward convolution, an optional third input: f32 or double as the call is. */
const void *snug_unpack_bias(const snug_kernel_call *call);

/** Elements of output 0 over the samples of the call. */
int64_t snug_unpack_count(const snug_kernel_call *call);
snug_crop_shape snug_unpack_crop(const snug_kernel_call *call);
snug_interpolate_shape snug_unpack_interpolate(const snug_kernel_call *call);

snug_loss snug_unpack_loss(const snug_op_view *view, snug_kernel_isa isa, int64_t samples,
                           double normaliser);
/** NULL: all rows count. */
const uint8_t *snug_unpack_loss_mask(const snug_kernel_call *call);

/** Rate 0 in an evaluation. */
snug_dropout snug_unpack_dropout(const snug_kernel_call *call);
/** Of the forward row and of its gradient. */
snug_embed snug_unpack_embed(const snug_kernel_call *call);
snug_cross_entropy snug_unpack_cross_entropy(const snug_kernel_call *call);

/** Of the forward row and of its gradient; dropout 0 in an evaluation. */
snug_attention snug_unpack_attention(const snug_kernel_call *call);
/** Where its operands lie, f32 or double as the call is; NULL: not given. */
typedef struct snug_attention_places {
    const void *q, *k, *v, *bias;
    const int32_t *lengths;
    void *dq, *dk, *dv; /* Of the gradient row. */
} snug_attention_places;
/** q is input `query`, the lengths are input `lengths`; an element has `element_bytes`. */
snug_attention_places snug_unpack_attention_places(const snug_kernel_call *call, int32_t query,
                                                   int32_t lengths, int64_t element_bytes);

/** The numbers of this step; grad_scale is 1. */
snug_optimizer snug_unpack_optimizer(const snug_kernel_call *call);

snug_lstm_options snug_unpack_lstm(const snug_op_view *view, snug_kernel_isa isa);

#endif
