/* Which kernels a row of the op table has. */
#include <string.h>

#include "base/attr.h"
#include "ops/adapt.h"
#include "ops/ref/reference.h"

static const struct {
    const char *name;
    snug_kernel fast, reference;
} kernels[] = {
    {"conv1d", snug_adapt_conv1d, snug_reference_conv1d},
    {"conv1d_dx", snug_adapt_conv1d_dx, snug_reference_conv1d_dx},
    {"conv1d_dw", snug_adapt_conv1d_dw, snug_reference_conv1d_dw},
    {"tds_conv", snug_adapt_tds_conv, snug_reference_tds_conv},
    {"tds_conv_dx", snug_adapt_tds_conv_dx, snug_reference_tds_conv_dx},
    {"tds_conv_dw", snug_adapt_tds_conv_dw, snug_reference_tds_conv_dw},
    {"relu_grad", snug_adapt_relu_grad, snug_reference_relu_grad},
    {"add", snug_adapt_add, snug_reference_add},
    {"add_tail", snug_adapt_add_tail, snug_reference_add_tail},
    {"add_tail_grad", snug_adapt_add_tail_grad, snug_reference_add_tail_grad},
    {"layer_norm", snug_adapt_layer_norm, snug_reference_layer_norm},
    {"layer_norm_grad", snug_adapt_layer_norm_grad, snug_reference_layer_norm_grad},
    {"interpolate", snug_adapt_interpolate, snug_reference_interpolate},
    {"interpolate_grad", snug_adapt_interpolate_grad, snug_reference_interpolate_grad},
    {"lstm_decoder", snug_adapt_lstm_decoder, snug_reference_lstm_decoder},
    {"lstm_decoder_grad", snug_adapt_lstm_decoder_grad, snug_reference_lstm_decoder_grad},
    {"regression_loss", snug_adapt_regression_loss, snug_reference_regression_loss},
    {"regression_loss_grad", snug_adapt_regression_loss_grad, snug_reference_regression_loss_grad},
    {"embed", snug_adapt_embed, snug_reference_embed},
    {"embed_dw", snug_adapt_embed_dw, snug_reference_embed_dw},
    {"take_row", snug_adapt_take_row, snug_reference_take_row},
    {"take_row_grad", snug_adapt_take_row_grad, snug_reference_take_row_grad},
    {"gelu", snug_adapt_gelu, snug_reference_gelu},
    {"gelu_grad", snug_adapt_gelu_grad, snug_reference_gelu_grad},
    {"tanh", snug_adapt_tanh, snug_reference_tanh},
    {"tanh_grad", snug_adapt_tanh_grad, snug_reference_tanh_grad},
    {"dropout", snug_adapt_dropout, snug_reference_dropout},
    {"cross_entropy", snug_adapt_cross_entropy, snug_reference_cross_entropy},
    {"cross_entropy_grad", snug_adapt_cross_entropy_grad, snug_reference_cross_entropy_grad},
    {"attention", snug_adapt_attention, snug_reference_attention},
    {"attention_grad", snug_adapt_attention_grad, snug_reference_attention_grad},
    {"square_norm", snug_adapt_square_norm, snug_reference_square_norm},
    {"adamw", snug_adapt_adamw, snug_reference_adamw},
    {"sgd", snug_adapt_sgd, snug_reference_sgd},
    {"adamw8", snug_adapt_adamw8, snug_reference_adamw8},
    {"adafactor", snug_adapt_adafactor, snug_reference_adafactor},
};

static int64_t find(const snug_op *op)
{
    for (int64_t i = 0; i < SNUG_COUNT(kernels); i++) {
        if (strcmp(kernels[i].name, op->name) == 0) {
            return i;
        }
    }
    return -1;
}

snug_kernel snug_kernel_find(const snug_op *op)
{
    const int64_t i = find(op);
    return i < 0 ? NULL : kernels[i].fast;
}

snug_kernel snug_kernel_reference(const snug_op *op)
{
    const int64_t i = find(op);
    return i < 0 ? NULL : kernels[i].reference;
}

int64_t snug_kernel_reference_scratch(const snug_op_view *view)
{
    const snug_kernel kernel = snug_kernel_reference(view->node->op);
    const bool decoder =
        kernel == snug_reference_lstm_decoder || kernel == snug_reference_lstm_decoder_grad;
    return decoder ? snug_reference_lstm_scratch_bytes(view) : 0;
}
