/* The rows of the op table and the few helpers they share; private to graph/. */
#ifndef SNUG_GRAPH_OP_ROWS_H
#define SNUG_GRAPH_OP_ROWS_H

#include "graph/graph.h"
#include "graph/op.h"

extern const snug_op snug_op_source, snug_op_sink;
extern const snug_op snug_op_conv1d, snug_op_conv1d_dx, snug_op_conv1d_dw;
extern const snug_op snug_op_tds_conv, snug_op_tds_conv_dx, snug_op_tds_conv_dw;
extern const snug_op snug_op_relu_grad, snug_op_add, snug_op_add_tail, snug_op_add_tail_grad;
extern const snug_op snug_op_layer_norm, snug_op_layer_norm_grad;
extern const snug_op snug_op_interpolate, snug_op_interpolate_grad;
extern const snug_op snug_op_lstm_decoder, snug_op_lstm_decoder_grad;
extern const snug_op snug_op_regression_loss, snug_op_regression_loss_grad;
extern const snug_op snug_op_embed, snug_op_embed_dw, snug_op_embed_rows;
extern const snug_op snug_op_take_row, snug_op_take_row_grad;
extern const snug_op snug_op_gelu, snug_op_gelu_grad, snug_op_tanh, snug_op_tanh_grad;
extern const snug_op snug_op_dropout;
extern const snug_op snug_op_cross_entropy, snug_op_cross_entropy_grad;
extern const snug_op snug_op_attention, snug_op_attention_grad;
extern const snug_op snug_op_square_norm, snug_op_norm_total, snug_op_adamw, snug_op_sgd;
extern const snug_op snug_op_adamw8, snug_op_adafactor;

/* Defined beside the kernels, in ops/adapt_*.c: only they know what they need. */
int64_t snug_scratch_conv1d(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_conv1d_dx(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_conv1d_dw(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_tds_conv(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_tds_conv_dx(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_tds_conv_dw(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_layer_norm(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_layer_norm_grad(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_lstm_decoder(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_lstm_decoder_grad(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_regression_loss(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_embed_dw(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_attention(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_attention_grad(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_adafactor(const snug_op_view *view, int64_t samples, int32_t threads);
/* Of updates that need none but for a gradient that comes as rows. */
int64_t snug_scratch_rows(const snug_op_view *view, int64_t samples, int32_t threads);
int64_t snug_scratch_square_norm(const snug_op_view *view, int64_t samples, int32_t threads);
/* Of a node with bf16 tensors, the row's own scratch included. */
int64_t snug_scratch_narrow(const snug_op_view *view, int64_t samples, int32_t threads);

/* Also there: f32 elements a sample of the decoder's cache, and how many variants it has. */
int64_t snug_cache_lstm_decoder(const snug_op_view *view);
int32_t snug_variants_lstm_decoder(const snug_op_view *view);
/* Forward passes that the gradient runs again for the view's variant: 0, or 1 and less. */
double snug_recompute_lstm_decoder(const snug_op_view *view);
/* The shorten functions of the decoder's rows: fewer steps. */
double snug_shorten_lstm_decoder(snug_op_view *view, snug_attrs *attrs, double share);
double snug_shorten_lstm_decoder_grad(snug_op_view *view, snug_attrs *attrs, double share);

/* The shorten function of attention's rows: nothing is left out, lengths are. */
double snug_shorten_attention(snug_op_view *view, snug_attrs *attrs, double share);

/** Input `i` is there, has that rank, and is batched or not as said; SNUG_CODE_DATA otherwise. */
SNUG_MUST_CHECK snug_status snug_rows_expect(const snug_op_view *view, int32_t i, int32_t rank,
                                             bool batched, snug_error *err);

/** The same, and that very shape. */
SNUG_MUST_CHECK snug_status snug_rows_expect_shape(const snug_op_view *view, int32_t i,
                                                   bool batched, snug_shape shape, snug_error *err);

/** SNUG_CODE_DATA: the shapes of inputs i and j do not fit together, for the reason `why`. */
snug_status snug_rows_mismatch(const snug_op_view *view, int32_t i, int32_t j, const char *why,
                               snug_error *err);

/** Whether input `i` was given. */
bool snug_rows_given(const snug_op_view *view, int32_t i);

/** Shape of a GRADIENT output that follows input shape; f32, shared. */
snug_output_info snug_rows_shared(snug_shape shape);
/** f32, batched. */
snug_output_info snug_rows_batched(snug_shape shape);

/** The gradient tensor of input `i` of `node` when `need` says so, else SNUG_TENSOR_NONE. */
SNUG_MUST_CHECK snug_status snug_rows_gradient_of(snug_graph *graph, snug_node_id node, int32_t i,
                                                  const bool *need, snug_tensor_id *out,
                                                  snug_error *err);

/** "<forward's name><suffix>"; SNUG_CODE_LIMIT when it is too long. */
SNUG_MUST_CHECK snug_status snug_rows_name(const snug_graph *graph, snug_node_id forward,
                                           const char *suffix, char out[SNUG_NAME_BYTES],
                                           snug_error *err);

/** Appends a gradient node named "<forward's name><suffix>". `first` may be NULL. */
SNUG_MUST_CHECK snug_status snug_rows_append(snug_graph *graph, const char *op_name,
                                             const char *suffix, snug_node_id forward,
                                             const snug_attrs *attrs, const snug_tensor_id *inputs,
                                             int32_t input_count, const snug_tensor_id *outputs,
                                             snug_tensor_id *first, snug_error *err);

/** Elements of a shape as a double, for costs. */
double snug_rows_count(const snug_shape *shape);

/** Cost of a pass that does `flops_each` operations an element of output 0 and reads all inputs. */
snug_cost snug_rows_pass_cost(const snug_op_view *view, int64_t samples, double flops_each);

/** Always output 0 over input 0. */
int32_t snug_rows_inplace_first(const snug_op_view *view, int32_t output);

#endif
