#include "check.h"

#include <math.h>

#include "../op/lstm_case.h"

/* Files of tools/vectors/make_lstm_vectors.py, which says how they are laid out. */
enum { FILE_BYTES_MAX = 65536 };

typedef struct vector_header {
    char magic[8];
    int64_t numbers[9]; /* mode, N, S, F, K, H, layers, switch step, whether s0 is there. */
    float slope;
    float scale;
} vector_header;

/** A case over the file's arrays and, in `out_expected`, what PyTorch made of it. */
static lstm_case read_case(const char *name, unsigned char *bytes, lstm_result *out_expected)
{
    char path[1024];
    vector_header header;
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/vectors/%s", SNUG_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    const size_t size = fread(bytes, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    CHECK(size > sizeof header);
    memcpy(&header, bytes, sizeof header);
    CHECK(memcmp(header.magic, "SNUGLSTM", 8) == 0);
    const int64_t *n = header.numbers;
    const snug_lstm_options options = {.mode = (snug_lstm_mode)n[0],
                                       .segment_blocks = 1,
                                       .steps = n[2],
                                       .features = n[3],
                                       .targets = n[4],
                                       .hidden = n[5],
                                       .layers = (int32_t)n[6],
                                       .switch_step = n[7],
                                       .slope = header.slope,
                                       .scale = header.scale};
    lstm_case c = {.options = options,
                   .samples = n[1],
                   .with_s0 = n[8] != 0,
                   .x_count = n[1] * n[2] * n[3],
                   .y_count = n[1] * n[2] * n[4],
                   .s0_count = n[1] * n[4]};
    int64_t sizes[CASE_ARRAYS];
    const int arrays = case_sizes(&options, sizes);
    for (int i = 0; i < arrays; i++) {
        c.parameter_count += sizes[i];
    }
    const int64_t floats = 2 * (c.parameter_count + c.x_count + c.y_count + c.s0_count);
    CHECK(size == sizeof header + (size_t)floats * sizeof(float));
    c.parameters = (float *)(void *)(bytes + sizeof header);
    c.x = c.parameters + c.parameter_count;
    c.s0 = c.x + c.x_count;
    c.dy = c.s0 + c.s0_count;
    *out_expected = (lstm_result){.y = c.dy + c.y_count};
    out_expected->dx = out_expected->y + c.y_count;
    out_expected->ds0 = out_expected->dx + c.x_count;
    out_expected->gradients = out_expected->ds0 + c.s0_count;
    return c;
}

/** The largest |a - b| over the largest |b|; a NaN counts as an error. */
static double distance(const float *a, const float *b, int64_t count)
{
    double error = 0.0;
    double size = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - (double)b[i]);
        error = difference <= error ? error : difference;
        size = fabs((double)b[i]) > size ? fabs((double)b[i]) : size;
    }
    return error / size;
}

/* PyTorch computed in float64; f32 over 19 steps of 2 small layers differs by a few 1e-7. */
static void check_file(const char *name)
{
    static _Alignas(16) unsigned char bytes[FILE_BYTES_MAX];
    lstm_result expected;
    lstm_case c = read_case(name, bytes, &expected);
    int64_t sizes[CASE_ARRAYS];
    const int arrays = case_sizes(&c.options, sizes);
    for (int run = 0; run < 9; run++) {
        snug_lstm_options options = c.options;
        options.isa = (snug_kernel_isa)(run % 3);
        options.variant = (snug_lstm_variant)(run / 3);
        if (!isa_runs_here(options.isa)) {
            continue;
        }
        lstm_result r = result_open(&c);
        CHECK(case_run(&c, &options, 0, c.samples, &snug_parallel_serial, &r));
        CHECK(distance(r.y, expected.y, c.y_count) < 2e-6);
        CHECK(distance(r.dx, expected.dx, c.x_count) < 1e-5);
        CHECK(!c.with_s0 || distance(r.ds0, expected.ds0, c.s0_count) < 1e-5);
        for (int64_t i = 0, at = 0; i < arrays; at += sizes[i], i++) {
            CHECK(distance(r.gradients + at, expected.gradients + at, sizes[i]) < 1e-5);
        }
        free(r.all);
    }
}

static void every_mode_agrees_with_pytorch(void **state)
{
    (void)state;
    check_file("lstm_plain.bin");
    check_file("lstm_position.bin");
    check_file("lstm_velocity.bin");
    check_file("lstm_position_then_velocity.bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mode_agrees_with_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
