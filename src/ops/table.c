/* Which kernels a row of the op table has. */
#include <string.h>

#include "base/attr.h"
#include "ops/adapt.h"
#include "ops/ref/reference.h"

/* How a node runs whose tensors are bf16 in part. */
typedef enum narrow_way {
    BY_SAMPLES, /* Widened and rounded around the fast kernel, some samples at a time. */
    BY_ROWS,    /* The same, some rows at a time: a row needs but its own row of the inputs. */
    BY_ITSELF   /* The fast kernel reads and writes bf16. */
} narrow_way;

static const struct {
    const char *name;
    snug_kernel fast, reference;
    narrow_way narrow;
} kernels[] = {
    {"conv1d", snug_adapt_conv1d, snug_reference_conv1d, BY_ITSELF},
    {"conv1d_dx", snug_adapt_conv1d_dx, snug_reference_conv1d_dx, BY_SAMPLES},
    {"conv1d_dw", snug_adapt_conv1d_dw, snug_reference_conv1d_dw, BY_ITSELF},
    {"tds_conv", snug_adapt_tds_conv, snug_reference_tds_conv, BY_SAMPLES},
    {"tds_conv_dx", snug_adapt_tds_conv_dx, snug_reference_tds_conv_dx, BY_SAMPLES},
    {"tds_conv_dw", snug_adapt_tds_conv_dw, snug_reference_tds_conv_dw, BY_SAMPLES},
    {"relu_grad", snug_adapt_relu_grad, snug_reference_relu_grad, BY_ROWS},
    {"add", snug_adapt_add, snug_reference_add, BY_ROWS},
    {"add_tail", snug_adapt_add_tail, snug_reference_add_tail, BY_SAMPLES},
    {"add_tail_grad", snug_adapt_add_tail_grad, snug_reference_add_tail_grad, BY_SAMPLES},
    {"layer_norm", snug_adapt_layer_norm, snug_reference_layer_norm, BY_ROWS},
    {"layer_norm_grad", snug_adapt_layer_norm_grad, snug_reference_layer_norm_grad, BY_SAMPLES},
    {"interpolate", snug_adapt_interpolate, snug_reference_interpolate, BY_SAMPLES},
    {"interpolate_grad", snug_adapt_interpolate_grad, snug_reference_interpolate_grad, BY_SAMPLES},
    {"lstm_decoder", snug_adapt_lstm_decoder, snug_reference_lstm_decoder, BY_SAMPLES},
    {"lstm_decoder_grad", snug_adapt_lstm_decoder_grad, snug_reference_lstm_decoder_grad,
     BY_SAMPLES},
    {"regression_loss", snug_adapt_regression_loss, snug_reference_regression_loss, BY_SAMPLES},
    {"regression_loss_grad", snug_adapt_regression_loss_grad, snug_reference_regression_loss_grad,
     BY_SAMPLES},
    {"embed", snug_adapt_embed, snug_reference_embed, BY_SAMPLES},
    {"embed_dw", snug_adapt_embed_dw, snug_reference_embed_dw, BY_SAMPLES},
    {"embed_rows", snug_adapt_embed_rows, snug_reference_embed_rows, BY_SAMPLES},
    {"take_row", snug_adapt_take_row, snug_reference_take_row, BY_SAMPLES},
    {"take_row_grad", snug_adapt_take_row_grad, snug_reference_take_row_grad, BY_SAMPLES},
    {"gelu", snug_adapt_gelu, snug_reference_gelu, BY_ROWS},
    {"gelu_grad", snug_adapt_gelu_grad, snug_reference_gelu_grad, BY_ROWS},
    {"tanh", snug_adapt_tanh, snug_reference_tanh, BY_ROWS},
    {"tanh_grad", snug_adapt_tanh_grad, snug_reference_tanh_grad, BY_ROWS},
    {"dropout", snug_adapt_dropout, snug_reference_dropout, BY_ITSELF},
    {"cross_entropy", snug_adapt_cross_entropy, snug_reference_cross_entropy, BY_SAMPLES},
    {"cross_entropy_grad", snug_adapt_cross_entropy_grad, snug_reference_cross_entropy_grad,
     BY_SAMPLES},
    {"attention", snug_adapt_attention, snug_reference_attention, BY_SAMPLES},
    {"attention_grad", snug_adapt_attention_grad, snug_reference_attention_grad, BY_SAMPLES},
    {"square_norm", snug_adapt_square_norm, snug_reference_square_norm, BY_SAMPLES},
    {"norm_total", snug_adapt_norm_total, snug_reference_norm_total, BY_SAMPLES},
    {"adamw", snug_adapt_adamw, snug_reference_adamw, BY_SAMPLES},
    {"sgd", snug_adapt_sgd, snug_reference_sgd, BY_SAMPLES},
    {"adamw8", snug_adapt_adamw8, snug_reference_adamw8, BY_SAMPLES},
    {"adafactor", snug_adapt_adafactor, snug_reference_adafactor, BY_SAMPLES},
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

snug_kernel snug_kernel_of(const snug_op_view *view)
{
    const int64_t i = find(view->node->op);
    if (i < 0 || (view->narrow_inputs == 0 && view->narrow_outputs == 0)) {
        return i < 0 ? NULL : kernels[i].fast;
    }
    switch (kernels[i].narrow) {
    case BY_ITSELF:
        return kernels[i].fast;
    case BY_ROWS:
        return snug_adapt_narrow_rows;
    case BY_SAMPLES:
        break;
    }
    return snug_adapt_narrow_samples;
}

void snug_kernel_reference_round(const snug_kernel_call *call)
{
    for (int32_t o = 0; o < call->view->output_count; o++) {
        double *y = call->outputs[o];
        if (y == NULL || (call->view->narrow_outputs >> o & 1U) == 0) {
            continue;
        }
        const int64_t count = call->count * snug_shape_count(&call->view->output[o]);
        for (int64_t i = 0; i < count; i++) {
            y[i] = snug_reference_round(y[i]);
        }
    }
}

int64_t snug_kernel_reference_scratch(const snug_op_view *view)
{
    const snug_kernel kernel = snug_kernel_reference(view->node->op);
    const bool decoder =
        kernel == snug_reference_lstm_decoder || kernel == snug_reference_lstm_decoder_grad;
    return decoder ? snug_reference_lstm_scratch_bytes(view)
                   : snug_reference_rows_scratch_bytes(view);
}
