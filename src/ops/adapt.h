/* The fast kernels behind the rows: each unpacks a call for plain C functions. Private to ops/. */
#ifndef SNUG_OPS_ADAPT_H
#define SNUG_OPS_ADAPT_H

#include "ops/kernel.h"

void snug_adapt_conv1d(const snug_kernel_call *call);
void snug_adapt_conv1d_dx(const snug_kernel_call *call);
void snug_adapt_conv1d_dw(const snug_kernel_call *call);
void snug_adapt_tds_conv(const snug_kernel_call *call);
void snug_adapt_tds_conv_dx(const snug_kernel_call *call);
void snug_adapt_tds_conv_dw(const snug_kernel_call *call);
void snug_adapt_relu_grad(const snug_kernel_call *call);
void snug_adapt_add(const snug_kernel_call *call);
void snug_adapt_add_tail(const snug_kernel_call *call);
void snug_adapt_add_tail_grad(const snug_kernel_call *call);
void snug_adapt_layer_norm(const snug_kernel_call *call);
void snug_adapt_layer_norm_grad(const snug_kernel_call *call);
void snug_adapt_interpolate(const snug_kernel_call *call);
void snug_adapt_interpolate_grad(const snug_kernel_call *call);
void snug_adapt_lstm_decoder(const snug_kernel_call *call);
void snug_adapt_lstm_decoder_grad(const snug_kernel_call *call);
void snug_adapt_regression_loss(const snug_kernel_call *call);
void snug_adapt_regression_loss_grad(const snug_kernel_call *call);
void snug_adapt_square_norm(const snug_kernel_call *call);
void snug_adapt_adamw(const snug_kernel_call *call);
void snug_adapt_sgd(const snug_kernel_call *call);

#endif
