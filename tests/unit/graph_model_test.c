/* The family as a graph: sizes that the requirement names, refusals, layouts, initial values. */
#include "check.h"

#include <math.h>

#include "base/checked.h"
#include "models/tds_lstm.h"
#include "optim/optim.h"
#include "optim/schedules.h"

static _Alignas(SNUG_ALIGN) unsigned char block[32 << 20];
static snug_arena arena;
static snug_graph graph;
static snug_error err;

static snug_tds_lstm_options build(const char *name, snug_model_purpose purpose)
{
    snug_tds_lstm_options options;
    err = (snug_error){0};
    snug_arena_init(&arena, "test", block, sizeof block);
    CHECK_OK(snug_graph_init(&graph, &arena, 512, 2048, &err));
    CHECK_OK(snug_tds_lstm_preset(name, &options, &err));
    options.purpose = purpose;
    CHECK_OK(snug_tds_lstm_build(&graph, &options, &err));
    return options;
}

static snug_shape shape_of(const char *name)
{
    const snug_tensor_id id = snug_graph_find(&graph, name);
    CHECK(id >= 0);
    return graph.tensors[id].shape;
}

static void regression_vemg2pose_has_its_published_sizes(void **state)
{
    (void)state;
    snug_tds_lstm_shapes shapes;
    const snug_tds_lstm_options options = build("regression_vemg2pose", SNUG_MODEL_TRAIN);
    CHECK_OK(snug_tds_lstm_resolve(&options, &shapes, &err));
    CHECK(shapes.left_context == 1790);
    CHECK(shapes.target_rows == 10000);
    CHECK(shapes.encoder_rows == 125);
    CHECK(shapes.rollout_steps == 250);
    CHECK(shapes.switch_step == 12);
    CHECK(shape_of("input").extent[0] == 11790 && shape_of("input").extent[1] == 16);
    const snug_shape prediction = shape_of(SNUG_MODEL_PREDICTION_NAME);
    CHECK(prediction.extent[0] == 10000 && prediction.extent[1] == 20);
    /* 5.98 M, to the parameter: strided convolutions, TDS blocks, cells, projection and head. */
    const int64_t convs = 16 * 256 * 11 + 256 * 256 * (5 + 17 + 9) + 4 * 3 * 256;
    const int64_t tds = 2 * 16 * 16 * (9 + 5) + 4 * (16 + 2 * (256 * 256 + 256) + 4 * 256);
    const int64_t cells = 2048 * (84 + 512 + 2) + 2048 * (512 + 512 + 2);
    const int64_t rest = 256 * 64 + 64 + 512 * 40 + 40;
    CHECK(snug_graph_parameter_count(&graph, true) == convs + tds + cells + rest);
    CHECK(snug_graph_parameter_count(&graph, true) / 10000 == 598);
    for (int64_t i = 0; i < graph.tensor_count; i++) {
        CHECK(snug_tensor_bytes(&graph.tensors[i]) > 0);
    }
}

static void every_preset_trains_evaluates_and_predicts(void **state)
{
    (void)state;
    for (int64_t i = 0; i < snug_tds_lstm_count(); i++) {
        int64_t parameters = 0;
        for (int purpose = SNUG_MODEL_TRAIN; purpose <= SNUG_MODEL_PREDICT; purpose++) {
            const snug_tds_lstm_options options =
                build(snug_tds_lstm_name(i), (snug_model_purpose)purpose);
            const int64_t count = snug_graph_parameter_count(&graph, false);
            CHECK(parameters == 0 || parameters == count);
            parameters = count;
            CHECK((graph.loss >= 0) == (purpose != SNUG_MODEL_PREDICT));
            CHECK((snug_graph_find(&graph, "target") >= 0) == (purpose != SNUG_MODEL_PREDICT));
            CHECK((snug_graph_find(&graph, "initial") >= 0) == options.has_initial_state);
            if (purpose != SNUG_MODEL_TRAIN) {
                const snug_node *last = &graph.nodes[graph.node_count - 1];
                assert_string_equal(last->op->name, "sink");
                assert_string_equal(graph.tensors[last->inputs[0]].name, "prediction");
            }
        }
    }
}

static void every_parameter_gets_a_gradient_and_an_update(void **state)
{
    (void)state;
    snug_optim_options optim;
    (void)build("tracking_vemg2pose", SNUG_MODEL_TRAIN);
    const int64_t forward = graph.tensor_count;
    CHECK_OK(snug_graph_backward(&graph, &err));
    CHECK_OK(snug_optim_defaults("adamw", &optim, &err));
    optim.clip_norm = 1.0;
    CHECK_OK(snug_optim_attach(&graph, &optim, &err));
    int64_t parameters = 0;
    int64_t updates = 0;
    int64_t norms = 0;
    int64_t totals = 0;
    bool updating = false;
    for (int64_t i = 0; i < forward; i++) {
        if (graph.tensors[i].kind == SNUG_TENSOR_PARAMETER) {
            CHECK(graph.tensors[i].gradient >= 0);
            parameters++;
        }
    }
    for (int64_t i = 0; i < graph.node_count; i++) {
        const snug_node *node = &graph.nodes[i];
        const bool update = strcmp(node->op->name, "adamw") == 0;
        updates += update ? 1 : 0;
        norms += strcmp(node->op->name, "square_norm") == 0 ? 1 : 0;
        totals += strcmp(node->op->name, "norm_total") == 0 ? 1 : 0;
        /* No update before the total of all gradients is known. */
        CHECK(!updating || update);
        CHECK(!update || (norms == parameters && totals == 1));
        CHECK(snug_graph_measures(&graph, node) == (node->phase == SNUG_PHASE_UPDATE && !update));
        updating = updating || update;
        /* The first convolution reads the data: nobody wants the gradient of that. */
        CHECK(strcmp(node->name, "encoder.0.conv.dx") != 0);
        for (int32_t k = 0; update && k < node->output_count; k++) {
            CHECK(node->outputs[k] == node->inputs[k == 0 ? 0 : k + 1]);
        }
    }
    CHECK(parameters > 40 && updates == parameters && norms == parameters);
}

static void an_unclipped_update_waits_for_its_own_gradient_alone(void **state)
{
    (void)state;
    snug_optim_options optim;
    (void)build("tracking_vemg2pose", SNUG_MODEL_TRAIN);
    CHECK_OK(snug_graph_backward(&graph, &err));
    const int64_t first = graph.node_count;
    CHECK_OK(snug_optim_defaults("adamw", &optim, &err));
    CHECK_OK(snug_optim_attach(&graph, &optim, &err));
    const snug_tensor_id total = snug_graph_find(&graph, SNUG_OPTIM_TOTAL_NAME);
    const snug_tensor_id norms = snug_graph_find(&graph, SNUG_OPTIM_NORMS_NAME);
    const int64_t last_node = graph.node_count - 1;
    int64_t before = 0;
    bool taken[256] = {false};
    CHECK(total >= 0 && norms >= 0 && (last_node - first) % 2 == 0 && last_node - first > 80);
    CHECK(graph.nodes[last_node].inputs[0] == norms && graph.nodes[last_node].outputs[0] == total);
    CHECK(snug_shape_count(&graph.tensors[norms].shape) == (last_node - first) / 2);
    for (int64_t i = first; i < last_node; i += 2) {
        const snug_node *norm = &graph.nodes[i];
        const snug_node *update = &graph.nodes[i + 1];
        assert_string_equal(norm->op->name, "square_norm");
        assert_string_equal(update->op->name, "adamw");
        CHECK(norm->inputs[0] == update->inputs[1] && norm->outputs[0] == norms);
        const int64_t slot = norm->attrs.square_norm.slot;
        CHECK(slot >= 0 && slot < (last_node - first) / 2 && !taken[slot]);
        taken[slot] = true;
        CHECK(graph.tensors[update->inputs[0]].gradient == update->inputs[1]);
        CHECK(update->inputs[4] == SNUG_TENSOR_NONE);
        /* In the order in which the backward pass completes them. */
        int64_t last = -1;
        for (int64_t n = 0; n < first; n++) {
            for (int32_t o = 0; o < graph.nodes[n].output_count; o++) {
                last = graph.nodes[n].outputs[o] == update->inputs[1] ? n : last;
            }
        }
        CHECK(last >= before);
        before = last;
    }
}

static void the_small_configuration_has_its_context(void **state)
{
    (void)state;
    snug_tds_lstm_shapes shapes;
    snug_tds_lstm_options options = build("tds_lstm", SNUG_MODEL_TRAIN);
    CHECK_OK(snug_tds_lstm_resolve(&options, &shapes, &err));
    CHECK(shapes.left_context == 4 + 2 * 20 + 2 * 4 + 4 * 10);
    CHECK(shapes.target_rows == 1000 - 92 && shapes.rollout_steps == shapes.encoder_rows);
    CHECK(shapes.stream[SNUG_TDS_LSTM_STREAM_INPUT] == 0);
    CHECK(shapes.stream[SNUG_TDS_LSTM_STREAM_TARGET] == 1);
    CHECK(shapes.stream[SNUG_TDS_LSTM_STREAM_MASK] == -1);
    options.has_mask = true;
    options.has_initial_state = true;
    CHECK_OK(snug_tds_lstm_resolve(&options, &shapes, &err));
    CHECK(shapes.stream[SNUG_TDS_LSTM_STREAM_MASK] == 2);
    CHECK(shapes.stream[SNUG_TDS_LSTM_STREAM_INITIAL] == 3);
}

static void options_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    snug_tds_lstm_options options;
    snug_tds_lstm_options good;
    snug_tds_lstm_shapes shapes;
    memset(&shapes, 0x5A, sizeof shapes);
    const snug_tds_lstm_shapes untouched = shapes;
    CHECK_FAILS(snug_tds_lstm_preset("tds_lstn", &options, &err), SNUG_CODE_CONFIG);
    CHECK(strstr(err.message, "tds_lstm") != NULL);
    CHECK_OK(snug_tds_lstm_preset("tds_lstm", &good, &err));
    options = good;
    options.window = 92;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    CHECK(strstr(err.message, "92") != NULL);
    options = good;
    options.stages[1].width = 7;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    options = good;
    options.layers = 5;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    options = good;
    options.slope = NAN;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    options = good;
    options.weight_mse = 0.0;
    options.weight_mae = 0.0;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    options = good;
    options.mode = SNUG_DECODER_PLAIN;
    options.has_initial_state = true;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    options = good;
    options.rollout_rate = 0.5;
    CHECK_FAILS(snug_tds_lstm_resolve(&options, &shapes, &err), SNUG_CODE_CONFIG);
    CHECK(memcmp(&shapes, &untouched, sizeof shapes) == 0);
    /* A graph that has no room is left empty. */
    snug_arena_init(&arena, "test", block, sizeof block);
    CHECK_OK(snug_graph_init(&graph, &arena, 512, 20, &err));
    CHECK_FAILS(snug_tds_lstm_build(&graph, &good, &err), SNUG_CODE_LIMIT);
    CHECK(graph.tensor_count == 0 && graph.node_count == 0);
}

static void layouts_are_pytorch_s_and_go_both_ways(void **state)
{
    (void)state;
    static float ours[600];
    static float file[600];
    static float back[600];
    snug_model_layout layout;
    (void)build("regression_vemg2pose", SNUG_MODEL_TRAIN);
    const struct {
        const char *name;
        snug_shape shape;
    } want[] = {
        {"encoder.0.conv.weight", snug_shape_3(256, 16, 11)},
        {"encoder.3.conv.weight", {.rank = 4, .extent = {16, 16, 1, 9}}},
        {"encoder.3.linear1.weight", snug_shape_2(256, 256)},
        {"projection.weight", snug_shape_2(64, 256)},
        {"encoder.3.norm1.bias", snug_shape_1(256)},
        {"decoder.cells.0.weight_ih", snug_shape_2(2048, 84)},
        {"decoder.head.weight", snug_shape_2(40, 512)},
    };
    for (int64_t i = 0; i < SNUG_COUNT(want); i++) {
        const snug_tensor_id id = snug_graph_find(&graph, want[i].name);
        CHECK(id >= 0);
        snug_model_file_layout(&graph, id, &layout);
        CHECK(snug_shape_equal(&layout.file_shape, &want[i].shape));
        CHECK(snug_shape_count(&layout.file_shape) == snug_shape_count(&graph.tensors[id].shape));
    }
    /* A small one in full: ours [k 3, in 5, out 4], the file's [out, in, k]. */
    snug_tensor_id x = SNUG_TENSOR_NONE;
    snug_tensor_id w = SNUG_TENSOR_NONE;
    snug_tensor_id y = SNUG_TENSOR_NONE;
    const snug_attrs attrs = {.conv1d = {.kernel = 3, .stride = 1}};
    CHECK_OK(snug_graph_source(&graph, "x", SNUG_F32, snug_shape_2(9, 5), 0, &x, &err));
    CHECK_OK(snug_graph_parameter(&graph, "a.conv.weight", snug_shape_3(3, 5, 4),
                                  (snug_init){.kind = SNUG_INIT_ZERO}, &w, &err));
    CHECK_OK(
        snug_graph_apply(&graph, "conv1d", "a", &attrs, (snug_tensor_id[]){x, w}, 2, &y, &err));
    for (int i = 0; i < 60; i++) {
        ours[i] = (float)i;
    }
    snug_model_to_file(&graph, w, ours, 0, 60, file);
    for (int o = 0; o < 4; o++) {
        for (int c = 0; c < 5; c++) {
            for (int k = 0; k < 3; k++) {
                CHECK(file[(o * 5 + c) * 3 + k] == ours[(k * 5 + c) * 4 + o]);
            }
        }
    }
    for (int first = 0; first < 60; first += 7) {
        snug_model_from_file(&graph, w, file + first, first, snug_min_i64(7, 60 - first), back);
    }
    assert_memory_equal(back, ours, 60 * sizeof(float));
}

static void initial_values_are_addressed_and_in_their_bounds(void **state)
{
    (void)state;
    static float all[4096];
    static float part[4096];
    (void)build("tds_lstm", SNUG_MODEL_TRAIN);
    const snug_tensor_id w = snug_graph_find(&graph, "encoder.0.conv.weight");
    const snug_tensor_id b = snug_graph_find(&graph, "encoder.0.conv.bias");
    const snug_tensor_id gamma = snug_graph_find(&graph, "encoder.0.norm.weight");
    const snug_tensor_id cell = snug_graph_find(&graph, "decoder.cells.1.bias_hh");
    const float bound = (float)(1.0 / sqrt(5.0 * 8.0));
    const int64_t count = 5 * 8 * 32;
    double sum = 0.0;
    double squares = 0.0;
    snug_model_init_values(&graph, w, 42, 0, count, all);
    for (int64_t i = 0; i < count; i++) {
        CHECK(all[i] >= -bound && all[i] < bound);
        sum += (double)all[i];
        squares += (double)all[i] * (double)all[i];
    }
    /* Uniform: mean 0, variance bound^2 / 3; four standard errors. */
    CHECK(fabs(sum / (double)count) < 4.0 * (double)bound / sqrt(3.0 * (double)count));
    CHECK(fabs(squares / (double)count / ((double)bound * (double)bound / 3.0) - 1.0) < 0.1);
    for (int64_t first = 0; first < count; first += 37) {
        snug_model_init_values(&graph, w, 42, first, snug_min_i64(37, count - first), part + first);
    }
    assert_memory_equal(all, part, (size_t)count * sizeof(float));
    snug_model_init_values(&graph, w, 43, 0, 8, part);
    assert_memory_not_equal(all, part, 8 * sizeof(float));
    snug_model_init_values(&graph, b, 42, 0, 8, part);
    assert_memory_not_equal(all, part, 8 * sizeof(float));
    snug_model_init_values(&graph, gamma, 42, 0, 1, part);
    CHECK(part[0] == 1.0f);
    CHECK(graph.tensors[cell].init.bound == (float)(1.0 / sqrt(128.0)));
}

static void schedules_start_peak_and_end_where_they_should(void **state)
{
    (void)state;
    snug_schedule s = {.peak = 1.0, .end = 0.1, .power = 2.0, .warmup_steps = 4, .total_steps = 14};
    snug_schedule_kind kind = SNUG_SCHEDULE_LINEAR;
    CHECK_OK(snug_schedule_find("cosine", &kind, &err));
    CHECK(kind == SNUG_SCHEDULE_COSINE);
    CHECK_FAILS(snug_schedule_find("cosin", &kind, &err), SNUG_CODE_CONFIG);
    CHECK(strstr(err.message, "cosine") != NULL && kind == SNUG_SCHEDULE_COSINE);
    for (int k = SNUG_SCHEDULE_CONSTANT; k <= SNUG_SCHEDULE_POLYNOMIAL; k++) {
        s.kind = (snug_schedule_kind)k;
        CHECK(snug_schedule_name(s.kind)[0] != '\0');
        CHECK(snug_schedule_rate(&s, 1) == 0.25);
        CHECK(snug_schedule_rate(&s, 4) == 1.0);
        CHECK(snug_schedule_rate(&s, 5) == 1.0);
        const double end = k == SNUG_SCHEDULE_CONSTANT ? 1.0 : 0.1;
        CHECK(fabs(snug_schedule_rate(&s, 15) - end) < 1e-15);
        CHECK(fabs(snug_schedule_rate(&s, 1000) - end) < 1e-15);
        for (int64_t step = 5; step < 15; step++) {
            CHECK(snug_schedule_rate(&s, step + 1) <= snug_schedule_rate(&s, step));
        }
    }
    s.kind = SNUG_SCHEDULE_COSINE;
    CHECK(fabs(snug_schedule_rate(&s, 10) - 0.55) < 1e-15);
    s.kind = SNUG_SCHEDULE_LINEAR;
    CHECK(fabs(snug_schedule_rate(&s, 10) - 0.55) < 1e-15);
    s.kind = SNUG_SCHEDULE_POLYNOMIAL;
    CHECK(fabs(snug_schedule_rate(&s, 10) - 0.325) < 1e-15);
    /* Nothing to decay over: the end at once, and no division by zero. */
    s.total_steps = 4;
    CHECK(snug_schedule_rate(&s, 5) == 0.1);
}

static void optimizers_are_checked(void **state)
{
    (void)state;
    snug_optim_options o;
    CHECK_FAILS(snug_optim_defaults("adamv", &o, &err), SNUG_CODE_CONFIG);
    CHECK(strstr(err.message, "adam") != NULL);
    CHECK_OK(snug_optim_defaults("sgd", &o, &err));
    CHECK(o.weight_decay == 0.0);
    o.momentum = 1.0;
    CHECK_FAILS(snug_optim_check(&o, &err), SNUG_CODE_CONFIG);
    CHECK(strstr(err.message, "momentum") != NULL);
    o.momentum = 0.0;
    o.learning_rate = NAN;
    CHECK_FAILS(snug_optim_check(&o, &err), SNUG_CODE_CONFIG);
    o.learning_rate = 0.1;
    (void)build("tds_lstm", SNUG_MODEL_TRAIN);
    const int64_t tensors = graph.tensor_count;
    const int64_t nodes = graph.node_count;
    /* Without a gradient there is nothing to update. */
    CHECK_FAILS(snug_optim_attach(&graph, &o, &err), SNUG_CODE_USAGE);
    CHECK(graph.tensor_count == tensors && graph.node_count == nodes);
    CHECK_OK(snug_graph_backward(&graph, &err));
    CHECK_OK(snug_optim_attach(&graph, &o, &err));
    /* No momentum: no state but the norms and their total. */
    int64_t states = 0;
    for (int64_t i = 0; i < graph.tensor_count; i++) {
        states += graph.tensors[i].kind == SNUG_TENSOR_STATE ? 1 : 0;
    }
    CHECK(states == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regression_vemg2pose_has_its_published_sizes),
        cmocka_unit_test(every_preset_trains_evaluates_and_predicts),
        cmocka_unit_test(every_parameter_gets_a_gradient_and_an_update),
        cmocka_unit_test(an_unclipped_update_waits_for_its_own_gradient_alone),
        cmocka_unit_test(the_small_configuration_has_its_context),
        cmocka_unit_test(options_that_do_not_fit_are_refused),
        cmocka_unit_test(layouts_are_pytorch_s_and_go_both_ways),
        cmocka_unit_test(initial_values_are_addressed_and_in_their_bounds),
        cmocka_unit_test(schedules_start_peak_and_end_where_they_should),
        cmocka_unit_test(optimizers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
