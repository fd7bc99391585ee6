/* The reference kernels behind the rows, over doubles: the definition of right. Private to ops/. */
#ifndef SNUG_OPS_REF_REFERENCE_H
#define SNUG_OPS_REF_REFERENCE_H

#include "ops/kernel.h"

/** Scratch of an update whose gradient comes as rows; else 0. */
int64_t snug_reference_rows_scratch_bytes(const snug_op_view *view);

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
void snug_reference_embed(const snug_kernel_call *call);
void snug_reference_embed_dw(const snug_kernel_call *call);
void snug_reference_embed_rows(const snug_kernel_call *call);
void snug_reference_take_row(const snug_kernel_call *call);
void snug_reference_take_row_grad(const snug_kernel_call *call);
void snug_reference_gelu(const snug_kernel_call *call);
void snug_reference_gelu_grad(const snug_kernel_call *call);
void snug_reference_tanh(const snug_kernel_call *call);
void snug_reference_tanh_grad(const snug_kernel_call *call);
void snug_reference_dropout(const snug_kernel_call *call);
void snug_reference_cross_entropy(const snug_kernel_call *call);
void snug_reference_cross_entropy_grad(const snug_kernel_call *call);
void snug_reference_attention(const snug_kernel_call *call);
void snug_reference_attention_grad(const snug_kernel_call *call);
void snug_reference_square_norm(const snug_kernel_call *call);
void snug_reference_norm_total(const snug_kernel_call *call);
void snug_reference_adamw(const snug_kernel_call *call);
void snug_reference_sgd(const snug_kernel_call *call);
void snug_reference_adamw8(const snug_kernel_call *call);
void snug_reference_adafactor(const snug_kernel_call *call);

/** The bf16 next to a double, as a double; ties to even. */
double snug_reference_round(double value);

/** Bytes of scratch of snug_reference_lstm_decoder() and its gradient. */
int64_t snug_reference_lstm_scratch_bytes(const snug_op_view *view);

#endif
