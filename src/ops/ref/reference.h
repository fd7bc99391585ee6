/* The reference kernels behind the rows, over doubles: the definition of right. Private to ops/. */
#ifndef SNUG_OPS_REF_REFERENCE_H
#define SNUG_OPS_REF_REFERENCE_H

#include "ops/kernel.h"

void snug_reference_conv1d(const snug_kernel_call *call);
void snug_reference_conv1d_dx(const snug_kernel_call *call);
void snug_reference_conv1d_dw(const snug_kernel_call *call);
void snug_reference_tds_conv(const snug_kernel_call *call);
void snug_reference_tds_conv_dx(const snug_kernel_call *call);
void snug_reference_tds_conv_dw(const snug_kernel_call *call);
void snug_reference_relu_grad(const snug_kernel_call *call);
void snug_reference_add(const snug_kernel_call *call);
void snug_reference_add_tail(const snug_kernel_call *call);
void snug_reference_add_tail_grad(const snug_kernel_call *call);
void snug_reference_layer_norm(const snug_kernel_call *call);
void snug_reference_layer_norm_grad(const snug_kernel_call *call);
void snug_reference_interpolate(const snug_kernel_call *call);
void snug_reference_interpolate_grad(const snug_kernel_call *call);
void snug_reference_lstm_decoder(const snug_kernel_call *call);
void snug_reference_lstm_decoder_grad(const snug_kernel_call *call);
void snug_reference_regression_loss(const snug_kernel_call *call);
void snug_reference_regression_loss_grad(const snug_kernel_call *call);
void snug_reference_square_norm(const snug_kernel_call *call);
void snug_reference_adamw(const snug_kernel_call *call);
void snug_reference_sgd(const snug_kernel_call *call);

/** Bytes of scratch of snug_reference_lstm_decoder() and its gradient. */
int64_t snug_reference_lstm_scratch_bytes(const snug_op_view *view);

#endif
