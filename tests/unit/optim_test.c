/* labels: fast */
#include "check.h"

#include "base/attr.h"
#include "optim/optim.h"

static _Alignas(SNUG_ALIGN) unsigned char block[1 << 20];
static snug_arena arena;
static snug_graph graph;
static snug_error err;

/* y = x w + b with a large w, normalised, against a target. */
static void build(void)
{
    const snug_init init = {.kind = SNUG_INIT_ONE};
    const snug_attrs linear = {.conv1d = {.kernel = 1, .stride = 1}};
    const snug_attrs loss = {.regression_loss = {.weight_mse = 1.0f}};
    const snug_attrs norm = {.layer_norm = {.eps = 1e-5f}};
    snug_tensor_id x = -1, t = -1, w = -1, b = -1, gamma = -1, beta = -1, y = -1;
    snug_arena_init(&arena, "test", block, sizeof block);
    CHECK_OK(snug_graph_init(&graph, &arena, 64, 128, &err));
    CHECK_OK(snug_graph_source(&graph, "x", SNUG_F32, snug_shape_2(4, 80), 0, &x, &err));
    CHECK_OK(snug_graph_source(&graph, "t", SNUG_F32, snug_shape_2(4, 60), 1, &t, &err));
    CHECK_OK(snug_graph_parameter(&graph, "w", snug_shape_3(1, 80, 60), init, &w, &err));
    CHECK_OK(snug_graph_parameter(&graph, "b", snug_shape_1(60), init, &b, &err));
    CHECK_OK(snug_graph_parameter(&graph, "norm.gamma", snug_shape_1(60), init, &gamma, &err));
    CHECK_OK(snug_graph_parameter(&graph, "norm.beta", snug_shape_1(60), init, &beta, &err));
    CHECK_OK(
        snug_graph_apply(&graph, "conv1d", "y", &linear, (snug_tensor_id[]){x, w, b}, 3, &y, &err));
    CHECK_OK(snug_graph_apply(&graph, "layer_norm", "n", &norm, (snug_tensor_id[]){y, gamma, beta},
                              3, &y, &err));
    CHECK_OK(snug_graph_apply(&graph, "regression_loss", "loss", &loss, (snug_tensor_id[]){y, t}, 2,
                              &graph.loss, &err));
    CHECK_OK(snug_graph_backward(&graph, &err));
}

static void attach(const char *name, bool keep_vectors)
{
    snug_optim_options options;
    build();
    CHECK_OK(snug_optim_defaults(name, &options, &err));
    options.keep_vectors = keep_vectors;
    options.clip_norm = 1.0;
    CHECK_OK(snug_optim_attach(&graph, &options, &err));
}

static void check_state(const char *name, snug_dtype dtype, snug_shape shape)
{
    const snug_tensor_id id = snug_graph_find(&graph, name);
    CHECK(id >= 0);
    CHECK(graph.tensors[id].kind == SNUG_TENSOR_STATE && graph.tensors[id].of >= 0);
    CHECK(graph.tensors[id].dtype == dtype && snug_shape_equal(&graph.tensors[id].shape, &shape));
}

static const snug_node *node_of(const char *name)
{
    for (int64_t i = 0; i < graph.node_count; i++) {
        if (strcmp(graph.nodes[i].name, name) == 0) {
            return &graph.nodes[i];
        }
    }
    fail();
    return NULL;
}

static void large_tensors_have_codes_and_small_ones_floats(void **state)
{
    SNUG_UNUSED(state);
    attach("adamw8", false);
    check_state("w.m", SNUG_U8, snug_shape_3(1, 80, 60));
    check_state("w.m.scale", SNUG_F32, snug_shape_1(19)); /* 4800 elements. */
    check_state("w.v", SNUG_U8, snug_shape_3(1, 80, 60));
    check_state("w.v.scale", SNUG_F32, snug_shape_1(19));
    check_state("b.m", SNUG_F32, snug_shape_1(60));
    CHECK(snug_graph_find(&graph, "b.m.scale") < 0);
    assert_string_equal(node_of("w.update")->op->name, "adamw8");
    assert_string_equal(node_of("b.update")->op->name, "adamw");
}

static void adafactor_keeps_rows_and_columns(void **state)
{
    SNUG_UNUSED(state);
    attach("adafactor", false);
    check_state("w.v.row", SNUG_F32, snug_shape_1(80));
    check_state("w.v.column", SNUG_F32, snug_shape_1(60));
    check_state("b.v", SNUG_F32, snug_shape_1(60));
    CHECK(snug_graph_find(&graph, "w.v") < 0);
    CHECK(node_of("w.update")->output_count == 3 && node_of("b.update")->output_count == 2);
}

static void biases_and_norms_may_keep_their_weight(void **state)
{
    SNUG_UNUSED(state);
    static const char *const names[] = {"adamw", "adam", "sgd", "adamw8", "adafactor"};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        attach(names[i], true);
        CHECK(!node_of("w.update")->attrs.optimizer.no_decay);
        CHECK(node_of("b.update")->attrs.optimizer.no_decay);
        CHECK(node_of("norm.gamma.update")->attrs.optimizer.no_decay);
        CHECK(node_of("norm.beta.update")->attrs.optimizer.no_decay);
        attach(names[i], false);
        CHECK(!node_of("b.update")->attrs.optimizer.no_decay);
    }
}

static void states_that_do_not_fit_are_named(void **state)
{
    SNUG_UNUSED(state);
    snug_node_id node = -1;
    snug_tensor_id short_scale = -1;
    attach("adamw8", false);
    const snug_node *update = node_of("w.update");
    snug_tensor_id inputs[7];
    snug_tensor_id outputs[5];
    memcpy(inputs, update->inputs, sizeof inputs);
    memcpy(outputs, update->outputs, sizeof outputs);
    CHECK_OK(snug_graph_state(&graph, "short", SNUG_F32, snug_shape_1(18), inputs[0], &short_scale,
                              &err));
    const int64_t nodes = graph.node_count;
    inputs[3] = short_scale;
    CHECK_FAILS(snug_graph_node(&graph, "adamw8", "again", NULL, inputs, 7, outputs, &node, &err),
                SNUG_CODE_DATA);
    CHECK(strstr(err.message, "[18]") != NULL && strstr(err.message, "[19]") != NULL);
    CHECK(node == -1 && graph.node_count == nodes);
    snug_optim_options options;
    CHECK_FAILS(snug_optim_defaults("adam8", &options, &err), SNUG_CODE_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_tensors_have_codes_and_small_ones_floats),
        cmocka_unit_test(adafactor_keeps_rows_and_columns),
        cmocka_unit_test(biases_and_norms_may_keep_their_weight),
        cmocka_unit_test(states_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
