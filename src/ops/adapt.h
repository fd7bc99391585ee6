/* The fast kernels behind the rows: each unpacks a call for plain C functions. Private to ops/. */
#ifndef SNUG_OPS_ADAPT_H
#define SNUG_OPS_ADAPT_H

#include "ops/cpu/optimizer.h"
#include "ops/kernel.h"

/** The numbers of this step with the clip scale that follows from the total of all gradients;
 * graphs that never clip have none. `rows` is memory for a gradient that comes as rows. */
snug_optimizer snug_adapt_optimizer(const snug_kernel_call *call, const double *square_norm,
                                    snug_gradient_rows *rows);

/** Nodes with bf16 tensors around their rows' f32 kernels, some samples or some rows at a time. */
void snug_adapt_narrow_samples(const snug_kernel_call *call);
void snug_adapt_narrow_rows(const snug_kernel_call *call);

/**
 * The rows that the gradient, input `gradient`, comes as, sorted by the words of a table of so many
 * in `scratch`; NULL where it comes dense.
 */
const snug_gradient_rows *snug_adapt_rows(const snug_kernel_call *call, int32_t gradient,
                                          int64_t words, void *scratch, snug_gradient_rows *out);
/** What that takes; 0 for a dense one. */
int64_t snug_adapt_rows_scratch(const snug_op_view *view, int32_t gradient, int64_t words,
                                int64_t samples, int32_t threads);

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
void snug_adapt_embed(const snug_kernel_call *call);
void snug_adapt_embed_dw(const snug_kernel_call *call);
void snug_adapt_embed_rows(const snug_kernel_call *call);
void snug_adapt_take_row(const snug_kernel_call *call);
void snug_adapt_take_row_grad(const snug_kernel_call *call);
void snug_adapt_gelu(const snug_kernel_call *call);
void snug_adapt_gelu_grad(const snug_kernel_call *call);
void snug_adapt_tanh(const snug_kernel_call *call);
void snug_adapt_tanh_grad(const snug_kernel_call *call);
void snug_adapt_dropout(const snug_kernel_call *call);
void snug_adapt_cross_entropy(const snug_kernel_call *call);
void snug_adapt_cross_entropy_grad(const snug_kernel_call *call);
void snug_adapt_attention(const snug_kernel_call *call);
void snug_adapt_attention_grad(const snug_kernel_call *call);
void snug_adapt_square_norm(const snug_kernel_call *call);
void snug_adapt_norm_total(const snug_kernel_call *call);
void snug_adapt_adamw(const snug_kernel_call *call);
void snug_adapt_sgd(const snug_kernel_call *call);
void snug_adapt_adamw8(const snug_kernel_call *call);
void snug_adapt_adafactor(const snug_kernel_call *call);

#endif
