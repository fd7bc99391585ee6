#include "check.h"

#include "base/checked.h"
#include "graph/graph.h"

static _Alignas(SNUG_ALIGN) unsigned char block[8 << 20];
static snug_arena arena;
static snug_graph graph;
static snug_error err;

static void start(void)
{
    snug_arena_init(&arena, "test", block, sizeof block);
    err = (snug_error){0};
    CHECK_OK(snug_graph_init(&graph, &arena, 64, 256, &err));
}

static snug_tensor_id parameter(const char *name, snug_shape shape)
{
    snug_tensor_id id = SNUG_TENSOR_NONE;
    CHECK_OK(
        snug_graph_parameter(&graph, name, shape, (snug_init){.kind = SNUG_INIT_ZERO}, &id, &err));
    return id;
}

static snug_tensor_id source(const char *name, snug_shape shape, int32_t stream)
{
    snug_tensor_id id = SNUG_TENSOR_NONE;
    CHECK_OK(snug_graph_source(&graph, name, SNUG_F32, shape, stream, &id, &err));
    return id;
}

static snug_tensor_id linear(const char *name, snug_tensor_id x, snug_tensor_id w)
{
    const snug_attrs attrs = {.conv1d = {.kernel = 1, .stride = 1}};
    snug_tensor_id out = SNUG_TENSOR_NONE;
    CHECK_OK(
        snug_graph_apply(&graph, "conv1d", name, &attrs, (snug_tensor_id[]){x, w}, 2, &out, &err));
    return out;
}

static snug_tensor_id loss(snug_tensor_id prediction, snug_tensor_id target)
{
    const snug_attrs attrs = {.regression_loss = {.weight_mse = 1.0f}};
    snug_tensor_id out = SNUG_TENSOR_NONE;
    CHECK_OK(snug_graph_apply(&graph, "regression_loss", "loss", &attrs,
                              (snug_tensor_id[]){prediction, target}, 2, &out, &err));
    return out;
}

static int64_t count_op(const char *op)
{
    int64_t count = 0;
    for (int64_t i = 0; i < graph.node_count; i++) {
        count += strcmp(graph.nodes[i].op->name, op) == 0 ? 1 : 0;
    }
    return count;
}

static void rows_have_unique_names_and_consistent_limits(void **state)
{
    (void)state;
    for (int64_t i = 0; i < snug_op_count(); i++) {
        const snug_op *op = snug_op_at(i);
        CHECK(snug_op_find(op->name) == op);
        CHECK(op->infer != NULL && op->cost != NULL);
        CHECK(op->input_min <= op->input_max && op->input_max <= SNUG_NODE_INPUTS_MAX);
        CHECK(op->output_max <= SNUG_NODE_OUTPUTS_MAX);
        CHECK(op->sample_group == 1 || op->sample_group == 64);
        CHECK((op->accumulates >> op->output_max) == 0);
        /* Whoever is not an end of the graph and not itself a gradient has one. */
        const uint32_t ends = SNUG_OP_SOURCE | SNUG_OP_SINK | SNUG_OP_GRADIENT_ONLY;
        CHECK((op->gradient != NULL) == ((op->flags & ends) == 0));
    }
    CHECK(snug_op_find("no such op") == NULL);
}

static void names_are_unique_and_found(void **state)
{
    (void)state;
    snug_tensor_id id = 77;
    start();
    const snug_tensor_id w = parameter("w", snug_shape_3(1, 2, 3));
    CHECK(snug_graph_find(&graph, "w") == w);
    CHECK(snug_graph_find(&graph, "v") == SNUG_TENSOR_NONE);
    CHECK_FAILS(snug_graph_parameter(&graph, "w", snug_shape_1(1),
                                     (snug_init){.kind = SNUG_INIT_ONE}, &id, &err),
                SNUG_CODE_USAGE);
    CHECK(id == 77 && graph.tensor_count == 1);
    CHECK(snug_graph_parameter_count(&graph, false) == 6);
    graph.tensors[w].trainable = false;
    CHECK(snug_graph_parameter_count(&graph, true) == 0);
}

static void shapes_that_do_not_fit_are_named(void **state)
{
    (void)state;
    const snug_attrs attrs = {.conv1d = {.kernel = 5, .stride = 2}};
    snug_tensor_id out = 77;
    start();
    const snug_tensor_id x = source("input", snug_shape_2(100, 16), 0);
    const snug_tensor_id w = parameter("w", snug_shape_3(5, 8, 32));
    const int64_t tensors = graph.tensor_count;
    CHECK_FAILS(snug_graph_apply(&graph, "conv1d", "enc.0", &attrs, (snug_tensor_id[]){x, w}, 2,
                                 &out, &err),
                SNUG_CODE_DATA);
    CHECK(strstr(err.message, "[100, 16]") != NULL && strstr(err.message, "[5, 8, 32]") != NULL);
    CHECK(strstr(err.message, "enc.0") != NULL);
    CHECK(out == 77 && graph.tensor_count == tensors && graph.node_count == 1);
    CHECK_FAILS(snug_graph_apply(&graph, "convolution", "a", &attrs, NULL, 0, &out, &err),
                SNUG_CODE_NOT_FOUND);
    CHECK_FAILS(
        snug_graph_apply(&graph, "conv1d", "a", &attrs, (snug_tensor_id[]){x}, 1, &out, &err),
        SNUG_CODE_USAGE);
    CHECK_FAILS(
        snug_graph_apply(&graph, "conv1d", "a", &attrs, (snug_tensor_id[]){x, 99}, 2, &out, &err),
        SNUG_CODE_USAGE);
}

static void an_accumulating_output_must_be_given(void **state)
{
    (void)state;
    const snug_attrs attrs = {.conv1d = {.kernel = 1, .stride = 1}};
    snug_node_id node = 77;
    start();
    const snug_tensor_id x = source("x", snug_shape_2(4, 2), 0);
    CHECK_FAILS(snug_graph_node(&graph, "conv1d_dw", "a", &attrs, (snug_tensor_id[]){x, x}, 2, NULL,
                                &node, &err),
                SNUG_CODE_USAGE);
    CHECK(node == 77 && graph.node_count == 1 && graph.tensor_count == 1);
}

static void backward_appends_what_is_needed_and_no_more(void **state)
{
    (void)state;
    start();
    const snug_tensor_id x = source("x", snug_shape_2(4, 2), 0);
    const snug_tensor_id t = source("t", snug_shape_2(4, 2), 1);
    const snug_tensor_id w0 = parameter("w0", snug_shape_3(1, 2, 2));
    const snug_tensor_id w1 = parameter("w1", snug_shape_3(1, 2, 2));
    const snug_tensor_id w2 = parameter("w2", snug_shape_3(1, 2, 2));
    graph.loss = loss(linear("c", linear("b", linear("a", x, w0), w1), w2), t);
    graph.tensors[w0].trainable = false;
    graph.tensors[w1].trainable = false;
    const int64_t forward = graph.node_count;
    CHECK_OK(snug_graph_backward(&graph, &err));
    /* Only the last layer trains: the gradient of the loss, and dw of that layer. */
    CHECK(graph.node_count == forward + 2);
    CHECK(count_op("conv1d_dw") == 1 && count_op("conv1d_dx") == 0);
    CHECK(graph.tensors[w2].gradient >= 0);
    CHECK(graph.tensors[w0].gradient < 0 && graph.tensors[w1].gradient < 0);
    for (int64_t i = forward; i < graph.node_count; i++) {
        CHECK(graph.nodes[i].phase == SNUG_PHASE_BACKWARD && graph.nodes[i].forward >= 0);
    }
}

static void contributions_are_added_last_consumer_first(void **state)
{
    (void)state;
    start();
    snug_tensor_id sum = SNUG_TENSOR_NONE;
    const snug_tensor_id x = source("x", snug_shape_2(4, 2), 0);
    const snug_tensor_id t = source("t", snug_shape_2(4, 2), 1);
    const snug_tensor_id w = parameter("w", snug_shape_3(1, 2, 2));
    const snug_tensor_id a = linear("a", x, w);
    const snug_tensor_id b = linear("b", a, w);
    CHECK_OK(snug_graph_apply(&graph, "add", "s", NULL, (snug_tensor_id[]){a, b}, 2, &sum, &err));
    graph.loss = loss(sum, t);
    CHECK_OK(snug_graph_backward(&graph, &err));
    CHECK(count_op("add") == 2);
    /* The tied parameter has two contributions to one gradient tensor. */
    CHECK(count_op("conv1d_dw") == 2 && count_op("conv1d_dx") == 1);
    for (int64_t i = 0; i < graph.node_count; i++) {
        const snug_node *node = &graph.nodes[i];
        if (strcmp(node->name, "a.grad") == 0) {
            CHECK(strcmp(graph.tensors[node->inputs[0]].name, "loss.dx") == 0);
            CHECK(strcmp(graph.tensors[node->inputs[1]].name, "b.dx") == 0);
        }
        if (strcmp(node->op->name, "conv1d_dw") == 0) {
            CHECK(node->outputs[0] == graph.tensors[w].gradient);
            CHECK(node->outputs[1] == SNUG_TENSOR_NONE);
        }
    }
}

static void a_failed_backward_leaves_the_graph_as_it_was(void **state)
{
    (void)state;
    snug_tensor_id s = SNUG_TENSOR_NONE;
    start();
    CHECK_FAILS(snug_graph_backward(&graph, &err), SNUG_CODE_USAGE);
    const snug_tensor_id x = source("x", snug_shape_2(4, 2), 0);
    const snug_tensor_id w = parameter("w", snug_shape_3(1, 2, 2));
    const snug_tensor_id a = linear("a", x, w);
    s = linear("b", a, w);
    /* The target depends on a parameter: that has no gradient. */
    graph.loss = loss(s, a);
    const int64_t nodes = graph.node_count;
    const int64_t tensors = graph.tensor_count;
    const int64_t used = arena.used_bytes;
    CHECK_FAILS(snug_graph_backward(&graph, &err), SNUG_CODE_UNSUPPORTED);
    CHECK(graph.node_count == nodes && graph.tensor_count == tensors);
    CHECK(graph.tensors[w].gradient < 0 && arena.used_bytes == used);
    /* Too little room, at every number of free tensors. */
    graph.loss = SNUG_TENSOR_NONE;
    const snug_tensor_id t = source("t", snug_shape_2(4, 2), 1);
    const snug_attrs attrs = {.regression_loss = {.weight_mse = 1.0f}};
    CHECK_OK(snug_graph_apply(&graph, "regression_loss", "loss2", &attrs, (snug_tensor_id[]){s, t},
                              2, &graph.loss, &err));
    const int64_t have = graph.tensor_count;
    for (int64_t room = 0; room < 3; room++) {
        graph.tensor_capacity = have + room;
        CHECK_FAILS(snug_graph_backward(&graph, &err), SNUG_CODE_LIMIT);
        CHECK(graph.tensor_count == have && graph.tensors[w].gradient < 0);
        CHECK(graph.forward == -1);
    }
    graph.tensor_capacity = 256;
    CHECK_OK(snug_graph_backward(&graph, &err));
}

static void relu_is_undone_once_and_printed(void **state)
{
    (void)state;
    static char lines[8192];
    snug_text text;
    snug_tensor_id y = SNUG_TENSOR_NONE;
    const snug_attrs attrs = {.conv1d = {.kernel = 3, .stride = 2, .relu = true}};
    start();
    const snug_tensor_id x = source("x", snug_shape_2(9, 2), 0);
    const snug_tensor_id t = source("t", snug_shape_2(4, 5), 1);
    const snug_tensor_id w = parameter("w", snug_shape_3(3, 2, 5));
    const snug_tensor_id b = parameter("b", snug_shape_1(5));
    CHECK_OK(snug_graph_apply(&graph, "conv1d", "conv", &attrs, (snug_tensor_id[]){x, w, b}, 3, &y,
                              &err));
    graph.loss = loss(y, t);
    CHECK_OK(snug_graph_backward(&graph, &err));
    CHECK(count_op("relu_grad") == 1 && count_op("conv1d_dw") == 1 && count_op("conv1d_dx") == 0);
    snug_text_init(&text, lines, sizeof lines);
    snug_graph_print(&graph, &text);
    CHECK(!text.truncated);
    CHECK(strstr(lines, "2 forward conv1d 'conv': x N x [9, 2], w [3, 2, 5], b [5] -> "
                        "conv N x [4, 5]\n") != NULL);
    CHECK(strstr(lines, "backward conv1d_dw 'conv.dw': x N x [9, 2], conv.dz N x [4, 5] -> "
                        "+= w.grad [3, 2, 5], += b.grad [5]\n") != NULL);
}

/* A decoder of one layer over 40 steps, with its weights, its loss and its gradient. */
static snug_node_id decoder(void)
{
    const snug_attrs attrs = {.lstm_decoder = {.layers = 1,
                                               .hidden = 16,
                                               .features = 3,
                                               .state = 2,
                                               .outputs = 2,
                                               .steps = 40,
                                               .mode = SNUG_DECODER_VELOCITY,
                                               .scale = 1.0f}};
    snug_node_id node = -1;
    const snug_tensor_id x = source("x", snug_shape_2(40, 3), 0);
    const snug_tensor_id t = source("t", snug_shape_2(40, 2), 1);
    const snug_tensor_id inputs[8] = {x,
                                      SNUG_TENSOR_NONE,
                                      parameter("w_ih", snug_shape_2(64, 5)),
                                      parameter("w_hh", snug_shape_2(64, 16)),
                                      parameter("b_ih", snug_shape_1(64)),
                                      parameter("b_hh", snug_shape_1(64)),
                                      parameter("head.w", snug_shape_2(2, 16)),
                                      parameter("head.b", snug_shape_1(2))};
    CHECK_OK(snug_graph_node(&graph, "lstm_decoder", "lstm", &attrs, inputs, 8, NULL, &node, &err));
    CHECK(snug_graph_sample_group(&graph, node) == 1);
    graph.loss = loss(graph.nodes[node].outputs[0], t);
    CHECK_OK(snug_graph_backward(&graph, &err));
    CHECK(snug_graph_sample_group(&graph, node) == 64);
    return node;
}

static void a_variant_changes_the_cache_of_both_directions(void **state)
{
    (void)state;
    snug_op_view view;
    start();
    const snug_node_id node = decoder();
    const snug_tensor_id cache = graph.nodes[node].outputs[1];
    snug_node_id backward = -1;
    for (int64_t i = 0; i < graph.node_count; i++) {
        backward = graph.nodes[i].forward == node ? (snug_node_id)i : backward;
    }
    snug_graph_view(&graph, node, &view);
    const int32_t variants = view.node->op->variants(&view);
    CHECK(variants > 2);
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int32_t v = 0; v < variants; v++) {
        CHECK_OK(snug_graph_set_variant(&graph, node, v, &err));
        CHECK(graph.nodes[backward].variant == v);
        snug_graph_view(&graph, backward, &view);
        CHECK(snug_shape_equal(&view.input[4], &graph.tensors[cache].shape));
        least = snug_min_i64(least, snug_tensor_bytes(&graph.tensors[cache]));
        most = snug_max_i64(most, snug_tensor_bytes(&graph.tensors[cache]));
    }
    CHECK(least < most);
    CHECK_FAILS(snug_graph_set_variant(&graph, node, variants, &err), SNUG_CODE_USAGE);
    CHECK_FAILS(snug_graph_set_variant(&graph, backward, 0, &err), SNUG_CODE_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_unique_names_and_consistent_limits),
        cmocka_unit_test(names_are_unique_and_found),
        cmocka_unit_test(shapes_that_do_not_fit_are_named),
        cmocka_unit_test(an_accumulating_output_must_be_given),
        cmocka_unit_test(backward_appends_what_is_needed_and_no_more),
        cmocka_unit_test(contributions_are_added_last_consumer_first),
        cmocka_unit_test(a_failed_backward_leaves_the_graph_as_it_was),
        cmocka_unit_test(relu_is_undone_once_and_printed),
        cmocka_unit_test(a_variant_changes_the_cache_of_both_directions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
