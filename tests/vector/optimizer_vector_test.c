/* The optimizers with small states against transformers and bitsandbytes. */
#include "check.h"

#include <math.h>

#include "ops/cpu/adafactor.h"
#include "ops/cpu/optimizer8.h"
#include "ops/ref/adafactor_ref.h"
#include "ops/ref/optimizer8_ref.h"
#include "vector_file.h"

static _Alignas(SNUG_ALIGN) unsigned char block[1 << 20];
static vector_file vectors;

static float *zeros(int64_t count)
{
    float *data = test_floats(count);
    for (int64_t i = 0; i < count; i++) {
        data[i] = 0.0f;
    }
    return data;
}

static void adafactor_follows_transformers(void **state)
{
    (void)state;
    enum { ROWS = 23, COLS = 37, VECTOR = 61 };
    int64_t count = 0;
    int64_t total = 0;
    void *scratch = test_memory(snug_adafactor_factored_scratch_bytes(ROWS, COLS));
    float *w = vector_read(&vectors, "factored.start", SNUG_F32, &count);
    float *g = vector_read(&vectors, "factored.gradients", SNUG_F32, &total);
    float *row = zeros(ROWS);
    float *column = zeros(COLS);
    float *u = vector_read(&vectors, "plain.start", SNUG_F32, &count);
    float *h = vector_read(&vectors, "plain.gradients", SNUG_F32, &count);
    float *v = zeros(VECTOR);
    snug_optimizer o = {
        .learning_rate = (double)0.01f, .weight_decay = (double)0.1f, .grad_scale = 1.0};
    for (o.step = 1; o.step <= total / (ROWS * COLS); o.step++) {
        snug_adafactor_factored(&o, ROWS, COLS, w, g + (o.step - 1) * ROWS * COLS, row, column,
                                scratch, &snug_parallel_serial);
        snug_adafactor_plain(&o, VECTOR, u, h + (o.step - 1) * VECTOR, v, scratch,
                             &snug_parallel_serial);
    }
    CHECK(o.step == 6);
    vector_compare(&vectors, "factored.end", w, 1e-6);
    vector_compare(&vectors, "factored.exp_avg_sq_row", row, 1e-6);
    vector_compare(&vectors, "factored.exp_avg_sq_col", column, 1e-6);
    vector_compare(&vectors, "plain.end", u, 1e-6);
    vector_compare(&vectors, "plain.exp_avg_sq", v, 1e-6);
    void *const all[] = {scratch, w, g, row, column, u, h, v};
    for (int i = 0; i < 8; i++) {
        free(all[i]);
    }
}

/* Its table was made in f32; ours is rounded once. */
static void maps_are_those_of_bitsandbytes(void **state)
{
    (void)state;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        snug_dynamic_map map;
        int64_t count = 0;
        float *want =
            vector_read(&vectors, is_signed == 1 ? "map.signed" : "map.unsigned", SNUG_F32, &count);
        CHECK(count == 256);
        snug_dynamic_map_init(is_signed == 1, &map);
        for (int code = 0; code < 256; code++) {
            const double exact = snug_ref_dynamic_value(is_signed == 1, code);
            CHECK(fabs((double)map.value[code] - exact) <= 6e-8 * fabs(exact));
            CHECK(fabs((double)want[code] - exact) <= 1e-6 * fabs(exact));
            CHECK(code == 0 || map.value[code] > map.value[code - 1]);
        }
        free(want);
    }
}

/* A number that lies between two values may round to either. */
static int64_t codes_apart(const uint8_t *have, const char *name)
{
    int64_t count = 0;
    int64_t apart = 0;
    uint8_t *want = vector_read(&vectors, name, SNUG_U8, &count);
    for (int64_t i = 0; i < count; i++) {
        apart += have[i] != want[i];
    }
    print_message("%s: %lld of %lld codes differ\n", name, (long long)apart, (long long)count);
    free(want);
    return apart;
}

static void adamw8_follows_bitsandbytes(void **state)
{
    (void)state;
    enum { COUNT = 4097, BLOCKS = 17 };
    int64_t count = 0;
    float *w = vector_read(&vectors, "adamw8.start", SNUG_F32, &count);
    float *g = vector_read(&vectors, "adamw8.gradients", SNUG_F32, &count);
    uint8_t codes[2][COUNT] = {{0}};
    float scales[2][BLOCKS] = {{0}};
    const snug_moment8 m = {codes[0], scales[0]};
    const snug_moment8 v = {codes[1], scales[1]};
    snug_optimizer o = {
        .learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .grad_scale = 1.0};
    for (o.step = 1; o.step <= count / COUNT; o.step++) {
        snug_optimizer_adamw8(&o, COUNT, w, g + (o.step - 1) * COUNT, &m, &v,
                              &snug_parallel_serial);
    }
    CHECK(o.step == 5);
    CHECK(codes_apart(codes[0], "adamw8.m") <= 4);
    CHECK(codes_apart(codes[1], "adamw8.v") <= 4);
    vector_compare(&vectors, "adamw8.m.scale", scales[0], 1e-5);
    vector_compare(&vectors, "adamw8.v.scale", scales[1], 1e-5);
    vector_compare(&vectors, "adamw8.end", w, 1e-5);
    free(w);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adafactor_follows_transformers),
        cmocka_unit_test(maps_are_those_of_bitsandbytes),
        cmocka_unit_test(adamw8_follows_bitsandbytes),
    };
    vector_file_open(&vectors, "optimizers.safetensors", block, sizeof block);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snug_safetensors_close(&vectors.index);
    return failed;
}
