/* The graph of a BERT classifier, from the word table to the loss. */
#include "models/bert.h"

#include <math.h>

#include "base/text.h"

/** What the parts of the builder share. */
typedef struct bert_builder {
    snug_graph *graph;
    const snug_bert_options *options;
    char scope[SNUG_NAME_BYTES]; /* Before every name, with its dot; "" at the top. */
    int32_t stream;              /* Of the next dropout. */
    snug_tensor_id lengths;
} bert_builder;

static snug_status full_name(const bert_builder *b, const char *name, char out[SNUG_NAME_BYTES],
                             snug_error *err)
{
    snug_text text;
    snug_text_init(&text, out, SNUG_NAME_BYTES);
    snug_text_add(&text, "%s%s", b->scope, name);
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the name '%s%s' is too long", b->scope, name);
    }
    return SNUG_OK;
}

/** Names from here on begin with "bert.<part>"; an empty part is the top, without the prefix. */
static void enter(bert_builder *b, const char *part)
{
    snug_text text;
    snug_text_init(&text, b->scope, sizeof b->scope);
    if (part[0] != '\0') {
        snug_text_add(&text, "%s.%s", b->options->prefix, part);
    }
}

static void enter_layer(bert_builder *b, int64_t layer)
{
    char part[64];
    snug_text text;
    snug_text_init(&text, part, sizeof part);
    snug_text_add(&text, "encoder.layer.%lld.", (long long)layer);
    enter(b, part);
}

static snug_status parameter(bert_builder *b, const char *name, const char *suffix,
                             snug_shape shape, snug_init init, snug_tensor_id *out, snug_error *err)
{
    char full[SNUG_NAME_BYTES];
    char local[SNUG_NAME_BYTES];
    snug_text text;
    snug_text_init(&text, local, sizeof local);
    snug_text_add(&text, "%s%s", name, suffix);
    SNUG_TRY(full_name(b, local, full, err));
    return snug_graph_parameter(b->graph, full, shape, init, out, err);
}

static snug_init normal(const bert_builder *b)
{
    return (snug_init){.kind = SNUG_INIT_NORMAL, .bound = (float)b->options->init_range};
}

static snug_status apply(bert_builder *b, const char *op, const char *name, const snug_attrs *attrs,
                         const snug_tensor_id *inputs, int32_t count, snug_tensor_id *out,
                         snug_error *err)
{
    char full[SNUG_NAME_BYTES];
    SNUG_TRY(full_name(b, name, full, err));
    return snug_graph_apply(b->graph, op, full, attrs, inputs, count, out, err);
}

/** x W + b, with `relu` its positive part, under "<name>.weight", "<name>.bias"; the node is called
 * `node`. */
static snug_status linear_relu(bert_builder *b, const char *name, const char *node, int64_t inputs,
                               int64_t outputs, bool relu, snug_tensor_id x, snug_tensor_id *out,
                               snug_error *err)
{
    snug_tensor_id all[3] = {x, -1, -1};
    const snug_attrs attrs = {.conv1d = {.kernel = 1, .stride = 1, .relu = relu}};
    SNUG_TRY(
        parameter(b, name, ".weight", snug_shape_3(1, inputs, outputs), normal(b), &all[1], err));
    SNUG_TRY(parameter(b, name, ".bias", snug_shape_1(outputs), (snug_init){.kind = SNUG_INIT_ZERO},
                       &all[2], err));
    return apply(b, "conv1d", node, &attrs, all, 3, out, err);
}

static snug_status linear(bert_builder *b, const char *name, const char *node, int64_t inputs,
                          int64_t outputs, snug_tensor_id x, snug_tensor_id *out, snug_error *err)
{
    return linear_relu(b, name, node, inputs, outputs, false, x, out, err);
}

static snug_status layer_norm(bert_builder *b, const char *name, snug_tensor_id x,
                              snug_tensor_id *out, snug_error *err)
{
    const int64_t width = b->options->hidden;
    snug_tensor_id all[3] = {x, -1, -1};
    const snug_attrs attrs = {.layer_norm = {.eps = (float)b->options->norm_eps}};
    SNUG_TRY(parameter(b, name, ".weight", snug_shape_1(width), (snug_init){.kind = SNUG_INIT_ONE},
                       &all[1], err));
    SNUG_TRY(parameter(b, name, ".bias", snug_shape_1(width), (snug_init){.kind = SNUG_INIT_ZERO},
                       &all[2], err));
    return apply(b, "layer_norm", name, &attrs, all, 3, out, err);
}

/** Without a rate there is no node; the stream is counted all the same. */
static snug_status dropout(bert_builder *b, const char *name, double rate, snug_tensor_id x,
                           snug_tensor_id *out, snug_error *err)
{
    const int32_t stream = b->stream++;
    *out = x;
    if (rate <= 0.0) {
        return SNUG_OK;
    }
    const snug_attrs attrs = {.dropout = {.rate = (float)rate, .stream = stream}};
    return apply(b, "dropout", name, &attrs, &x, 1, out, err);
}

static snug_status embeddings(bert_builder *b, snug_tensor_id ids, snug_tensor_id types,
                              snug_tensor_id *out, snug_error *err)
{
    const snug_bert_options *o = b->options;
    snug_tensor_id all[5] = {ids, types, -1, -1, -1};
    snug_tensor_id sum = -1, norm = -1;
    const snug_attrs attrs = {.embed = {.length = o->length,
                                        .width = o->hidden,
                                        .position_offset = o->position_offset,
                                        .padding_index = o->padding_id}};
    enter(b, "embeddings.");
    SNUG_TRY(parameter(b, "word_embeddings", ".weight", snug_shape_2(o->vocabulary, o->hidden),
                       normal(b), &all[2], err));
    SNUG_TRY(parameter(b, "position_embeddings", ".weight", snug_shape_2(o->positions, o->hidden),
                       normal(b), &all[3], err));
    SNUG_TRY(parameter(b, "token_type_embeddings", ".weight", snug_shape_2(o->types, o->hidden),
                       normal(b), &all[4], err));
    SNUG_TRY(apply(b, "embed", "sum", &attrs, all, 5, &sum, err));
    SNUG_TRY(layer_norm(b, "LayerNorm", sum, &norm, err));
    return dropout(b, "dropout", o->dropout, norm, out, err);
}

/** dropout(dense(x)) + residual, normalised. */
static snug_status closing(bert_builder *b, const char *dense, const char *norm, int64_t inputs,
                           snug_tensor_id x, snug_tensor_id residual, snug_tensor_id *out,
                           snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    snug_tensor_id pair[2] = {-1, residual};
    snug_tensor_id product = -1, sum = -1;
    snug_text text;
    SNUG_TRY(linear(b, dense, dense, inputs, b->options->hidden, x, &product, err));
    snug_text_init(&text, name, sizeof name);
    snug_text_add(&text, "%s.dropout", dense);
    SNUG_TRY(dropout(b, name, b->options->dropout, product, &pair[0], err));
    snug_text_init(&text, name, sizeof name);
    snug_text_add(&text, "%s.residual", dense);
    SNUG_TRY(apply(b, "add", name, NULL, pair, 2, &sum, err));
    return layer_norm(b, norm, sum, out, err);
}

static snug_status encoder_layer(bert_builder *b, int64_t layer, snug_tensor_id x,
                                 snug_tensor_id *out, snug_error *err)
{
    static const char *const names[3] = {"attention.self.query", "attention.self.key",
                                         "attention.self.value"};
    const snug_bert_options *o = b->options;
    snug_tensor_id parts[4] = {-1, -1, -1, b->lengths};
    snug_tensor_id mixed = -1, middle = -1, wide = -1, active = -1;
    const snug_attrs attention = {
        .attention = {.length = o->length,
                      .length_k = o->length,
                      .heads = o->heads,
                      .width = o->hidden,
                      .scale = (float)(1.0 / sqrt((double)(o->hidden / o->heads))),
                      .dropout = (float)o->attention_dropout,
                      .stream = b->stream++}};
    const snug_attrs gelu = {.gelu = {.approximate = o->activation == SNUG_BERT_GELU_TANH}};
    enter_layer(b, layer);
    for (int32_t i = 0; i < 3; i++) {
        SNUG_TRY(linear(b, names[i], names[i], o->hidden, o->hidden, x, &parts[i], err));
    }
    SNUG_TRY(apply(b, "attention", "attention.self", &attention, parts, 4, &mixed, err));
    SNUG_TRY(closing(b, "attention.output.dense", "attention.output.LayerNorm", o->hidden, mixed, x,
                     &middle, err));
    const bool relu = o->activation == SNUG_BERT_RELU;
    SNUG_TRY(linear_relu(b, "intermediate.dense", "intermediate.dense", o->hidden, o->intermediate,
                         relu, middle, &wide, err));
    active = wide;
    if (!relu) {
        SNUG_TRY(apply(b, "gelu", "intermediate.gelu", &gelu, &wide, 1, &active, err));
    }
    return closing(b, "output.dense", "output.LayerNorm", o->intermediate, active, middle, out,
                   err);
}

/** All that grows with the text's length, and so all that is worth storing narrow. */
static snug_status encoder(bert_builder *b, snug_tensor_id ids, snug_tensor_id types,
                           snug_tensor_id *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_tensor_id x = -1;
    b->graph->narrow = b->options->narrow_activations;
    SNUG_TRY_DONE(embeddings(b, ids, types, &x, err));
    for (int64_t layer = 0; layer < b->options->layers; layer++) {
        SNUG_TRY_DONE(encoder_layer(b, layer, x, &x, err));
    }
    *out = x;

done:
    b->graph->narrow = false;
    return status;
}

/** The first token's row to logits, as the model's head says. */
static snug_status classifier(bert_builder *b, snug_tensor_id x, snug_tensor_id *out,
                              snug_error *err)
{
    const snug_bert_options *o = b->options;
    const bool pooler = o->head == SNUG_BERT_POOLER;
    const snug_attrs first = {.take_row = {.row = 0, .length = o->length}};
    snug_tensor_id row = -1, dropped = -1, pooled = -1, active = -1;
    enter(b, "");
    SNUG_TRY(apply(b, "take_row", "first_token", &first, &x, 1, &row, err));
    SNUG_TRY(dropout(b, "first_token.dropout", pooler ? 0.0 : o->classifier_dropout, row, &dropped,
                     err));
    if (pooler) {
        enter(b, "pooler.");
    }
    SNUG_TRY(linear(b, pooler ? "dense" : "classifier.dense", pooler ? "dense" : "classifier.dense",
                    o->hidden, o->hidden, dropped, &pooled, err));
    SNUG_TRY(apply(b, "tanh", "pooled", NULL, &pooled, 1, &active, err));
    enter(b, "");
    SNUG_TRY(dropout(b, "pooled.dropout", o->classifier_dropout, active, &dropped, err));
    return linear(b, pooler ? "classifier" : "classifier.out_proj", SNUG_MODEL_PREDICTION_NAME,
                  o->hidden, o->classes, dropped, out, err);
}

static snug_status finish(bert_builder *b, snug_tensor_id logits, snug_error *err)
{
    const snug_bert_options *o = b->options;
    snug_tensor_id shown[3] = {logits, -1, -1};
    int32_t count = 1;
    if (o->purpose != SNUG_MODEL_PREDICT) {
        const snug_attrs attrs = {
            .cross_entropy = {.classes = o->classes, .smoothing = (float)o->smoothing}};
        SNUG_TRY(snug_graph_source(b->graph, "label", SNUG_I32, snug_shape_1(1),
                                   SNUG_BERT_STREAM_LABEL, &shown[1], err));
        SNUG_TRY(apply(b, "cross_entropy", "loss", &attrs, shown, 2, &shown[2], err));
        b->graph->loss = shown[2];
        count = 3;
    }
    if (o->purpose != SNUG_MODEL_TRAIN) {
        snug_node_id sink = -1;
        SNUG_TRY(snug_graph_node(b->graph, "sink", "shown", NULL, shown, count, NULL, &sink, err));
    }
    return SNUG_OK;
}

static snug_status check(const snug_bert_options *o, snug_error *err)
{
    if (o->heads < 1 || o->hidden < 1 || o->hidden % o->heads != 0) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%lld heads do not divide a width of %lld",
                         (long long)o->heads, (long long)o->hidden);
    }
    if (o->length < 1 || o->length + o->position_offset > o->positions) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "a length of %lld tokens: the model has positions for 1 to %lld",
                         (long long)o->length, (long long)(o->positions - o->position_offset));
    }
    if (o->classes < 1 || o->layers < 1 || o->intermediate < 1 || o->types < 1) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "a model needs classes, layers, an intermediate width and token types");
    }
    return SNUG_OK;
}

snug_status snug_bert_build(snug_graph *graph, const snug_bert_options *options, snug_error *err)
{
    bert_builder b = {.graph = graph, .options = options};
    snug_tensor_id ids = -1, types = -1, x = -1, logits = -1;
    const snug_shape tokens = snug_shape_1(options->length);
    SNUG_TRY(check(options, err));
    SNUG_TRY(snug_graph_source(graph, "ids", SNUG_I32, tokens, SNUG_BERT_STREAM_IDS, &ids, err));
    SNUG_TRY(
        snug_graph_source(graph, "types", SNUG_I32, tokens, SNUG_BERT_STREAM_TYPES, &types, err));
    SNUG_TRY(snug_graph_source(graph, "length", SNUG_I32, snug_shape_1(1), SNUG_BERT_STREAM_LENGTH,
                               &b.lengths, err));
    SNUG_TRY(encoder(&b, ids, types, &x, err));
    SNUG_TRY(classifier(&b, x, &logits, err));
    return finish(&b, logits, err);
}
