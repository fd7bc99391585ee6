/* BERT and RoBERTa classifiers against transformers: logits, loss, gradients, 20 steps of AdamW. */
#include "check.h"

#include <math.h>

#include "base/checked.h"
#include "models/bert.h"
#include "op/interpreter.inc"
#include "op/tolerance.h"
#include "optim/optim.h"
#include "optim/schedules.h"
#include "sys/cpu.h"
#include "vector_file.h"

enum { BATCH = 8, LENGTH = 16, LONGER = 24, CLASSES = 3, STEPS = 20, PARAMETERS = 41 };

static _Alignas(SNUG_ALIGN) unsigned char graph_block[4 << 20];
static _Alignas(SNUG_ALIGN) unsigned char vector_block[1 << 20];
static _Alignas(SNUG_ALIGN) unsigned char weight_block[1 << 20];
static _Alignas(SNUG_ALIGN) unsigned char narrow_block[1 << 18];
static snug_error err;

/** What make_bert_vectors.py wrote of one model. */
typedef struct model_case {
    const char *name; /* Of the folder, and before the encoder's names. */
    int64_t offset, types, padding;
    snug_bert_head head;
    double eps;
    vector_file vectors, weights, narrow;
} model_case;

static model_case model_cases[] = {
    {.name = "bert", .types = 2, .head = SNUG_BERT_POOLER, .eps = 1e-12},
    {.name = "roberta",
     .offset = 2,
     .types = 1,
     .padding = 1,
     .head = SNUG_BERT_DENSE,
     .eps = 1e-5},
};

static const snug_schedule schedule = {
    .kind = SNUG_SCHEDULE_LINEAR, .peak = 2e-3, .warmup_steps = 4, .total_steps = STEPS};

static bool is_narrow; /* Activations are stored as bf16. */

static snug_bert_options options_of(const model_case *c, int64_t length)
{
    return (snug_bert_options){.purpose = SNUG_MODEL_TRAIN,
                               .prefix = c->name,
                               .vocabulary = 60,
                               .positions = LONGER + c->offset,
                               .position_offset = c->offset,
                               .types = c->types,
                               .padding_id = c->padding,
                               .hidden = 32,
                               .layers = 2,
                               .heads = 4,
                               .intermediate = 48,
                               .classes = CLASSES,
                               .length = length,
                               .activation = SNUG_BERT_GELU,
                               .head = c->head,
                               .norm_eps = c->eps,
                               .init_range = 0.02,
                               .narrow_activations = is_narrow};
}

static int set_up(void **state)
{
    (void)state;
    snug_arena vectors, weights, narrow;
    snug_arena_init(&narrow, "narrow", narrow_block, sizeof narrow_block);
    snug_arena_init(&vectors, "vectors", vector_block, sizeof vector_block);
    snug_arena_init(&weights, "weights", weight_block, sizeof weight_block);
    for (int64_t i = 0; i < SNUG_COUNT(model_cases); i++) {
        model_case *c = &model_cases[i];
        char name[64];
        void *block = NULL;
        CHECK_OK(snug_arena_alloc(&vectors, sizeof vector_block / 4, &block, &err));
        (void)snprintf(name, sizeof name, "%s/vectors.safetensors", c->name);
        vector_file_open(&c->vectors, name, block, sizeof vector_block / 4);
        CHECK_OK(snug_arena_alloc(&weights, sizeof weight_block / 4, &block, &err));
        (void)snprintf(name, sizeof name, "%s/model.safetensors", c->name);
        vector_file_open(&c->weights, name, block, sizeof weight_block / 4);
        CHECK_OK(snug_arena_alloc(&narrow, sizeof narrow_block / 4, &block, &err));
        (void)snprintf(name, sizeof name, "%s/narrow.safetensors", c->name);
        vector_file_open(&c->narrow, name, block, sizeof narrow_block / 4);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(model_cases); i++) {
        snug_safetensors_close(&model_cases[i].vectors.index);
        snug_safetensors_close(&model_cases[i].weights.index);
        snug_safetensors_close(&model_cases[i].narrow.index);
    }
    return 0;
}

static void load_weights(const snug_interpreter *in, const model_case *c)
{
    for (snug_tensor_id t = 0; t < in->graph->tensor_count; t++) {
        const snug_tensor *tensor = &in->graph->tensors[t];
        int64_t count = 0;
        if (tensor->kind == SNUG_TENSOR_PARAMETER) {
            float *values = vector_read(&c->weights, tensor->name, SNUG_F32, &count);
            CHECK(count == snug_interpreter_count(in, t));
            snug_model_from_file(in->graph, t, values, 0, count, snug_interpreter_f32(in, t));
            free(values);
        }
    }
}

/** Fills the sources from the file, padded from its length to the graph's. */
static void load_batch(const snug_interpreter *in, const model_case *c, int64_t length)
{
    static const char *const names[] = {"ids", "types", "length", "label"};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        int64_t count = 0;
        const int64_t padding = i == 0 ? c->padding : 0;
        const snug_tensor_id t = snug_graph_find(in->graph, names[i]);
        int32_t *to = (int32_t *)(void *)in->buffers[t];
        int32_t *values = vector_read(&c->vectors, names[i], SNUG_I32, &count);
        const int64_t from_row = count / BATCH;
        const int64_t to_row = snug_interpreter_count(in, t) / BATCH;
        CHECK(from_row == (i < 2 ? LENGTH : 1) && to_row == (i < 2 ? length : 1));
        for (int64_t k = 0; k < to_row * BATCH; k++) {
            const int64_t column = k % to_row;
            to[k] = column < from_row ? values[k / to_row * from_row + column] : (int32_t)padding;
        }
        free(values);
    }
}

static void open_model(const model_case *c, int64_t length, snug_kernel_isa isa, snug_graph *graph,
                       snug_interpreter *in)
{
    static snug_arena arena;
    const snug_bert_options options = options_of(c, length);
    snug_optim_options optim;
    snug_arena_init(&arena, "test", graph_block + (length == LONGER ? sizeof graph_block / 2 : 0),
                    sizeof graph_block / 2);
    CHECK_OK(snug_graph_init(graph, &arena, 1024, 2048, &err));
    CHECK_OK(snug_bert_build(graph, &options, &err));
    CHECK_OK(snug_graph_backward(graph, &err));
    CHECK_OK(snug_optim_defaults("adamw", &optim, &err));
    optim.clip_norm = 1.0;
    CHECK_OK(snug_optim_attach(graph, &optim, &err));
    snug_interpreter_open(in, graph, false, isa, BATCH, 1);
    in->step = (snug_step_context){.batch = BATCH,
                                   .normaliser = BATCH,
                                   .step = 1,
                                   .learning_rate = snug_schedule_rate(&schedule, 1),
                                   .weight_decay = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.999,
                                   .epsilon = 1e-8,
                                   .clip_norm = 1.0};
    load_weights(in, c);
    load_batch(in, c, length);
}

static double largest(const float *values, int64_t count)
{
    double most = 0.0;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)values[i]));
    }
    return most;
}

/**
 * The scale that a gradient's rounding is measured by: its own largest element. A key's bias moves
 * every score of a row alike and softmax takes that out, so its gradient is 0 but for rounding;
 * what was rounded is as large as the gradient of the query's bias.
 */
static double scale_of(const model_case *c, const char *name, const float *want, int64_t count)
{
    const char *const key = strstr(name, ".key.bias");
    if (key == NULL) {
        return largest(want, count);
    }
    char other[SNUG_NAME_BYTES];
    (void)snprintf(other, sizeof other, "%.*s.query.bias", (int)(key - name), name);
    float *query = vector_read(&c->vectors, other, SNUG_F32, &count);
    const double scale = largest(query, count);
    free(query);
    return scale;
}

static void compare_gradients(const snug_interpreter *in, const model_case *c)
{
    int64_t compared = 0;
    double worst = 0.0;
    for (snug_tensor_id t = 0; t < in->graph->tensor_count; t++) {
        const snug_tensor *tensor = &in->graph->tensors[t];
        char name[SNUG_NAME_BYTES + 16];
        int64_t count = 0;
        if (tensor->kind != SNUG_TENSOR_PARAMETER) {
            continue;
        }
        (void)snprintf(name, sizeof name, "grad.%s", tensor->name);
        float *want = vector_read(&c->vectors, name, SNUG_F32, &count);
        float *have = calloc((size_t)count, sizeof(float));
        assert_non_null(have);
        snug_model_to_file(in->graph, t, snug_interpreter_f32(in, tensor->gradient), 0, count,
                           have);
        const double scale = scale_of(c, name, want, count);
        CHECK(scale > 0.0);
        for (int64_t i = 0; i < count; i++) {
            const double apart = fabs((double)have[i] - (double)want[i]) / scale;
            worst = fmax(worst, apart);
            if (!(apart <= TOLERANCE_MODEL)) {
                print_error("'%s'[%lld]: %.9g, PyTorch has %.9g\n", name, (long long)i,
                            (double)have[i], (double)want[i]);
                fail();
            }
        }
        compared++;
        free(have);
        free(want);
    }
    CHECK(compared == PARAMETERS);
    print_message("  gradients: %.2g of their largest apart at most\n", worst);
}

static void run_steps(snug_interpreter *in, const model_case *c)
{
    int64_t count = 0;
    double worst = 0.0;
    double largest_norm = 0.0;
    float *losses = vector_read(&c->vectors, "losses", SNUG_F32, &count);
    const snug_tensor_id total = snug_graph_find(in->graph, SNUG_OPTIM_TOTAL_NAME);
    CHECK(count == STEPS);
    for (int64_t step = 1; step <= STEPS; step++) {
        in->step.step = step;
        in->step.learning_rate = snug_schedule_rate(&schedule, step);
        snug_interpreter_run(in, SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD);
        if (step == 1) {
            const snug_tensor_id t = snug_graph_find(in->graph, SNUG_MODEL_PREDICTION_NAME);
            CHECK(snug_interpreter_count(in, t) == BATCH * CLASSES);
            vector_compare(&c->vectors, "logits", snug_interpreter_f32(in, t), TOLERANCE_MODEL);
            compare_gradients(in, c);
        }
        const double want = (double)losses[step - 1];
        const double apart = fabs(snug_interpreter_loss(in) - want) / want;
        worst = fmax(worst, apart);
        if (!(apart <= (step == 1 ? TOLERANCE_MODEL : TOLERANCE_LOOP))) {
            print_error("step %lld: loss %.9g, PyTorch has %.9g\n", (long long)step,
                        snug_interpreter_loss(in), want);
            fail();
        }
        snug_interpreter_run(in, SNUG_PHASE_UPDATE, SNUG_PHASE_UPDATE);
        largest_norm = fmax(largest_norm, sqrt(snug_interpreter_f64(in, total)[0]));
    }
    print_message("  losses of %d steps: %.2g apart at most\n", STEPS, worst);
    /* The clip must have bound, or the vectors say nothing about it. */
    CHECK(largest_norm > 1.2);
    free(losses);
}

static snug_kernel_isa best_isa(void)
{
    const snug_cpu_features f = snug_cpu_features_read();
    return f.avx512 ? SNUG_KERNEL_AVX512 : f.avx2 && f.fma ? SNUG_KERNEL_AVX2 : SNUG_KERNEL_SCALAR;
}

static void the_models_agree_with_transformers(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(model_cases); i++) {
        for (int isa = 0; isa <= (int)best_isa(); isa++) {
            snug_graph graph;
            snug_interpreter in;
            print_message("%s, instruction set %d\n", model_cases[i].name, isa);
            open_model(&model_cases[i], LENGTH, (snug_kernel_isa)isa, &graph, &in);
            run_steps(&in, &model_cases[i]);
            snug_interpreter_close(&in);
        }
    }
}

/* Losses of all steps; the weights move on. */
static void take_losses(const model_case *c, snug_kernel_isa isa, bool narrow, double out[STEPS])
{
    snug_graph graph;
    snug_interpreter in;
    is_narrow = narrow;
    open_model(c, LENGTH, isa, &graph, &in);
    for (int64_t step = 1; step <= STEPS; step++) {
        in.step.step = step;
        in.step.learning_rate = snug_schedule_rate(&schedule, step);
        snug_interpreter_run(&in, SNUG_PHASE_FORWARD, SNUG_PHASE_UPDATE);
        out[step - 1] = snug_interpreter_loss(&in);
    }
    snug_interpreter_close(&in);
    is_narrow = false;
}

/*
 * The same roundings at the same places as PyTorch in double: what is left is the odd element whose
 * f32 value lies on the other side of a tie. Against fp32 the losses are as far as bf16 moves them.
 */
static void narrow_losses_are_those_of_pytorch_with_the_same_roundings(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(model_cases); i++) {
        const model_case *c = &model_cases[i];
        double first[STEPS], have[STEPS], wide[STEPS];
        int64_t count = 0;
        double apart = 0.0, moved = 0.0;
        float *want = vector_read(&c->narrow, "losses", SNUG_F32, &count);
        CHECK(count == STEPS);
        take_losses(c, best_isa(), true, first);
        take_losses(c, best_isa(), false, wide);
        for (int isa = 0; isa < (int)best_isa(); isa++) {
            take_losses(c, (snug_kernel_isa)isa, true, have);
            assert_memory_equal(first, have, sizeof have);
        }
        for (int64_t s = 0; s < STEPS; s++) {
            const double off = fabs(first[s] - (double)want[s]) / (double)want[s];
            CHECK(off <= (s == 0 ? TOLERANCE_NARROW_STEP : TOLERANCE_NARROW));
            apart = fmax(apart, off);
            moved = fmax(moved, fabs(first[s] - wide[s]) / wide[s]);
        }
        print_message("%s: %.2g (first step %.2g) from PyTorch with the same roundings, %.2g from "
                      "fp32\n",
                      c->name, apart, fabs(first[0] - (double)want[0]) / (double)want[0], moved);
        CHECK(apart < moved && moved <= TOLERANCE_BF16);
        free(want);
    }
}

static bool equal_bytes(const snug_interpreter *a, const snug_interpreter *b, snug_tensor_id ta,
                        snug_tensor_id tb)
{
    const snug_tensor *tensor = &a->graph->tensors[ta];
    const int64_t count = snug_interpreter_count(a, ta);
    CHECK(count == snug_interpreter_count(b, tb));
    return memcmp(a->buffers[ta], b->buffers[tb],
                  (size_t)(count * snug_dtype_bytes(tensor->dtype))) == 0;
}

/** In how long a bucket a batch lies changes no bit of the logits, the losses or a gradient. */
static void padding_does_not_matter(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(model_cases); i++) {
        for (int isa = 0; isa <= (int)best_isa(); isa++) {
            snug_graph short_graph, long_graph;
            snug_interpreter a, b;
            open_model(&model_cases[i], LENGTH, (snug_kernel_isa)isa, &short_graph, &a);
            open_model(&model_cases[i], LONGER, (snug_kernel_isa)isa, &long_graph, &b);
            CHECK(short_graph.tensor_count == long_graph.tensor_count);
            snug_interpreter_run(&a, SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD);
            snug_interpreter_run(&b, SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD);
            for (snug_tensor_id t = 0; t < short_graph.tensor_count; t++) {
                const snug_tensor *tensor = &short_graph.tensors[t];
                const bool shown =
                    t == short_graph.loss || strcmp(tensor->name, SNUG_MODEL_PREDICTION_NAME) == 0;
                const bool learnt = tensor->kind == SNUG_TENSOR_PARAMETER;
                const snug_tensor_id of = learnt ? tensor->gradient : t;
                if ((learnt || shown) && !equal_bytes(&a, &b, of, of)) {
                    print_error("%s, instruction set %d: '%s' differs\n", model_cases[i].name, isa,
                                short_graph.tensors[of].name);
                    fail();
                }
            }
            snug_interpreter_close(&a);
            snug_interpreter_close(&b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_models_agree_with_transformers),
        cmocka_unit_test(narrow_losses_are_those_of_pytorch_with_the_same_roundings),
        cmocka_unit_test(padding_does_not_matter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
