/* The family against PyTorch: prediction, loss, every gradient, and five steps of AdamW. */
#include "check.h"

#include <math.h>

#include "base/checked.h"
#include "data/tensor_file/safetensors.h"
#include "models/tds_lstm.h"
#include "op/tolerance.h"
#include "optim/optim.h"
#include "optim/schedules.h"
#include "sys/cpu.h"

#include "op/interpreter.inc"

enum { BATCH = 3, STEPS = 5 };

static _Alignas(SNUG_ALIGN) unsigned char block[32 << 20];
static _Alignas(SNUG_ALIGN) unsigned char buffer[256 << 10];
static snug_error err;

typedef struct vector_case {
    const char *file;
    snug_decoder_mode mode;
    bool initial, masked;
    float weight_mse, weight_mae;
} vector_case;

static const vector_case vector_cases[] = {
    {"plain", SNUG_DECODER_PLAIN, false, false, 1.0f, 0.5f},
    {"position", SNUG_DECODER_POSITION, false, true, 1.0f, 0.5f},
    {"velocity", SNUG_DECODER_VELOCITY, true, false, 0.0f, 1.0f},
    {"position_then_velocity", SNUG_DECODER_POSITION_THEN_VELOCITY, false, true, 1.0f, 0.0f},
};

/* The options that make_tds_lstm_vectors.py writes out. */
static snug_tds_lstm_options options_of(const vector_case *c)
{
    return (snug_tds_lstm_options){.name = "vectors",
                                   .inputs = 4,
                                   .targets = 3,
                                   .window = 70,
                                   .sample_rate = 100.0,
                                   .stage_count = 2,
                                   .stages = {{.features = 12,
                                               .conv_kernel = 5,
                                               .conv_stride = 2,
                                               .blocks = 1,
                                               .channels = 3,
                                               .width = 4,
                                               .kernel = 5},
                                              {.features = 8,
                                               .conv_kernel = 3,
                                               .conv_stride = 2,
                                               .blocks = 2,
                                               .channels = 4,
                                               .width = 2,
                                               .kernel = 3}},
                                   .projection = 6,
                                   .rollout_rate = 25.0,
                                   .hidden = 16,
                                   .layers = 2,
                                   .mode = c->mode,
                                   .has_initial_state = c->initial,
                                   .position_seconds = 0.08,
                                   .slope = 0.01,
                                   .scale = 0.5,
                                   .norm_eps = 1e-5,
                                   .weight_mse = (double)c->weight_mse,
                                   .weight_mae = (double)c->weight_mae,
                                   .has_mask = c->masked};
}

static const snug_schedule schedule = {
    .kind = SNUG_SCHEDULE_COSINE, .peak = 2e-3, .warmup_steps = 2, .total_steps = 7};

/* A tensor of the file in its own order; the caller frees it. */
static float *read_tensor(const snug_safetensors *file, const char *name, int64_t *out_count,
                          snug_shape *out_shape)
{
    const snug_safetensors_entry *entry = snug_safetensors_find(file, name);
    if (entry == NULL) {
        print_error("the file has no '%s'\n", name);
        fail();
        return NULL;
    }
    const snug_tensor_layout layout = snug_tensor_layout_plain(&entry->shape);
    *out_count = snug_shape_count(&entry->shape);
    if (out_shape != NULL) {
        *out_shape = entry->shape;
    }
    float *data = calloc((size_t)*out_count, sizeof(float));
    assert_non_null(data);
    CHECK_OK(snug_safetensors_read_f32(file, entry, &layout, data, buffer, sizeof buffer, &err));
    return data;
}

static void compare(const char *what, const char *name, const float *have, const float *want,
                    int64_t count)
{
    double scale = 0.0;
    for (int64_t i = 0; i < count; i++) {
        scale = fmax(scale, fabs((double)want[i]));
    }
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs((double)have[i] - (double)want[i]);
        if (!(difference <= TOLERANCE_MODEL * scale + 1e-9)) {
            print_error("%s '%s'[%lld]: %.9g, PyTorch has %.9g\n", what, name, (long long)i,
                        (double)have[i], (double)want[i]);
            fail();
        }
    }
}

/* Every parameter's tensor `kind` ("gradient of it" or itself) against "<prefix><name>". */
static void compare_parameters(const snug_interpreter *in, const snug_safetensors *file,
                               const char *prefix, bool gradients)
{
    int64_t compared = 0;
    for (snug_tensor_id t = 0; t < in->graph->tensor_count; t++) {
        const snug_tensor *tensor = &in->graph->tensors[t];
        char name[SNUG_NAME_BYTES + 16];
        int64_t count = 0;
        if (tensor->kind != SNUG_TENSOR_PARAMETER) {
            continue;
        }
        (void)snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
        float *want = read_tensor(file, name, &count, NULL);
        float *have = calloc((size_t)count, sizeof(float));
        assert_non_null(have);
        CHECK(snug_interpreter_count(in, t) == count);
        snug_model_to_file(in->graph, t, snug_interpreter_f32(in, gradients ? tensor->gradient : t),
                           0, count, have);
        compare(prefix, tensor->name, have, want, count);
        compared++;
        free(have);
        free(want);
    }
    CHECK(compared == 50);
}

static void load_weights(const snug_interpreter *in, const snug_safetensors *file)
{
    for (snug_tensor_id t = 0; t < in->graph->tensor_count; t++) {
        const snug_tensor *tensor = &in->graph->tensors[t];
        char name[SNUG_NAME_BYTES + 16];
        int64_t count = 0;
        snug_shape shape;
        snug_model_layout layout;
        if (tensor->kind != SNUG_TENSOR_PARAMETER) {
            continue;
        }
        (void)snprintf(name, sizeof name, "weights.%s", tensor->name);
        float *values = read_tensor(file, name, &count, &shape);
        snug_model_file_layout(in->graph, t, &layout);
        CHECK(snug_shape_equal(&shape, &layout.file_shape));
        /* In two pieces, as a small buffer would. */
        float *ours = snug_interpreter_f32(in, t);
        snug_model_from_file(in->graph, t, values, 0, count / 3, ours);
        snug_model_from_file(in->graph, t, values + count / 3, count / 3, count - count / 3, ours);
        free(values);
    }
}

/* Fills the sources of batch `b` and answers the number of valid elements. */
static double load_batch(const snug_interpreter *in, const snug_safetensors *file, int64_t b)
{
    static const char *const sources[] = {"input", "target", "mask", "initial"};
    double valid = 0.0;
    for (int64_t i = 0; i < SNUG_COUNT(sources); i++) {
        char name[32];
        int64_t count = 0;
        const snug_tensor_id t = snug_graph_find(in->graph, sources[i]);
        (void)snprintf(name, sizeof name, "%s.%lld", sources[i], (long long)b);
        if (snug_safetensors_find(file, name) == NULL) {
            CHECK(t < 0);
            continue;
        }
        float *values = read_tensor(file, name, &count, NULL);
        for (int64_t k = 0; i == 2 && k < count; k++) {
            valid += (double)values[k] * 3.0;
        }
        for (int64_t k = 0; t >= 0 && k < count; k++) {
            if (in->graph->tensors[t].dtype == SNUG_U8) {
                in->buffers[t][k] = (unsigned char)values[k];
            } else {
                snug_interpreter_set(in, t, k, (double)values[k]);
            }
        }
        free(values);
    }
    return valid;
}

static void run_steps(snug_interpreter *in, const snug_safetensors *file)
{
    int64_t count = 0;
    float *losses = read_tensor(file, "losses", &count, NULL);
    CHECK(count == STEPS);
    for (int64_t step = 1; step <= STEPS; step++) {
        const double normaliser = load_batch(in, file, (step - 1) % 2);
        in->step = (snug_step_context){.batch = BATCH,
                                       .normaliser = normaliser,
                                       .step = step,
                                       .learning_rate = snug_schedule_rate(&schedule, step),
                                       .weight_decay = 0.01,
                                       .beta1 = 0.9,
                                       .beta2 = 0.999,
                                       .epsilon = 1e-6,
                                       .clip_norm = 0.01};
        snug_interpreter_run(in, SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD);
        if (step == 1) {
            float *want = read_tensor(file, "prediction", &count, NULL);
            const snug_tensor_id t = snug_graph_find(in->graph, SNUG_MODEL_PREDICTION_NAME);
            CHECK(snug_interpreter_count(in, t) == count);
            compare("forward", "prediction", snug_interpreter_f32(in, t), want, count);
            free(want);
            compare_parameters(in, file, "grad.", true);
        }
        const float loss = (float)snug_interpreter_loss(in);
        compare("step", "loss", &loss, &losses[step - 1], 1);
        snug_interpreter_run(in, SNUG_PHASE_UPDATE, SNUG_PHASE_UPDATE);
        /* The clip must have bound, or the vectors say nothing about it. */
        const snug_tensor_id total = snug_graph_find(in->graph, SNUG_OPTIM_TOTAL_NAME);
        CHECK(sqrt(snug_interpreter_f64(in, total)[0]) > 0.01);
    }
    compare_parameters(in, file, "after.", false);
    free(losses);
}

static void the_model_agrees_with_pytorch(void **state)
{
    (void)state;
    const snug_cpu_features f = snug_cpu_features_read();
    const snug_kernel_isa best = f.avx512          ? SNUG_KERNEL_AVX512
                                 : f.avx2 && f.fma ? SNUG_KERNEL_AVX2
                                                   : SNUG_KERNEL_SCALAR;
    for (int64_t i = 0; i < SNUG_COUNT(vector_cases); i++) {
        const vector_case *c = &vector_cases[i];
        const snug_tds_lstm_options options = options_of(c);
        char path[512];
        snug_arena arena;
        snug_graph graph;
        snug_safetensors file;
        snug_interpreter in;
        snug_optim_options optim;
        snug_arena_init(&arena, "test", block, sizeof block);
        (void)snprintf(path, sizeof path, "%s/tests/fixtures/vectors/tds_lstm_%s.safetensors",
                       SNUG_SOURCE_DIR, c->file);
        print_message("%s\n", c->file);
        CHECK_OK(snug_safetensors_open(path, &arena, &file, &err));
        CHECK_OK(snug_graph_init(&graph, &arena, 256, 1024, &err));
        CHECK_OK(snug_tds_lstm_build(&graph, &options, &err));
        CHECK_OK(snug_graph_backward(&graph, &err));
        CHECK_OK(snug_optim_defaults("adamw", &optim, &err));
        optim.clip_norm = 0.01; /* Of run_steps(). */
        CHECK_OK(snug_optim_attach(&graph, &optim, &err));
        for (int isa = 0; isa <= (int)best; isa++) {
            snug_interpreter_open(&in, &graph, false, (snug_kernel_isa)isa, BATCH, 1);
            load_weights(&in, &file);
            run_steps(&in, &file);
            snug_interpreter_close(&in);
        }
        snug_safetensors_close(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_agrees_with_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
