/* What the rows' shapes and attributes say to the plain functions. Private to ops/. */
#ifndef SNUG_OPS_UNPACK_H
#define SNUG_OPS_UNPACK_H

#include "ops/cpu/conv1d.h"
#include "ops/cpu/elementwise.h"
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

/** The numbers of this step; grad_scale is 1. */
snug_optimizer snug_unpack_optimizer(const snug_kernel_call *call);

snug_lstm_options snug_unpack_lstm(const snug_op_view *view, snug_kernel_isa isa);

#endif
