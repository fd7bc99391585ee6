/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/adafactor.h"
#include "ops/cpu/optimizer8.h"
#include "ops/ref/adafactor_ref.h"
#include "ops/ref/optimizer8_ref.h"

enum { COUNT = 70003, BLOCKS = (COUNT + SNUG_MOMENT_BLOCK - 1) / SNUG_MOMENT_BLOCK, STEPS = 5 };

static const snug_optimizer settings = {.learning_rate = 0.01,
                                        .weight_decay = 0.1,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .epsilon = 1e-8,
                                        .grad_scale = 0.37};

typedef struct state8 {
    float w[COUNT];
    uint8_t m[COUNT], v[COUNT];
    float m_scale[BLOCKS], v_scale[BLOCKS];
} state8;

static state8 first_state, other_state;
static float start[COUNT], gradient[COUNT];

static void open_numbers(uint64_t seed)
{
    test_random random = {seed};
    fill_random(&random, start, COUNT);
    fill_random(&random, gradient, COUNT);
    for (int64_t i = 0; i < COUNT; i++) {
        gradient[i] *= i % 7 == 0 ? 1e-3f : 1.0f; /* Sizes of several powers of ten in a block. */
    }
}

/* Signs change by step, so that moments do. */
static void turn_gradient(int64_t step)
{
    for (int64_t i = step % 3; i < COUNT; i += 3) {
        gradient[i] = -gradient[i];
    }
}

static void run_codes(state8 *s, snug_kernel_isa isa, int64_t steps, const snug_parallel *parallel)
{
    snug_optimizer o = settings;
    const snug_moment8 m = {s->m, s->m_scale};
    const snug_moment8 v = {s->v, s->v_scale};
    memset(s, 0, sizeof *s);
    open_numbers(31);
    memcpy(s->w, start, sizeof start);
    o.isa = isa;
    for (o.step = 1; o.step <= steps; o.step++) {
        snug_optimizer_adamw8(&o, COUNT, s->w, gradient, &m, &v, parallel);
        turn_gradient(o.step);
    }
}

static void codes_are_the_same_on_every_path(void **state)
{
    (void)state;
    run_codes(&first_state, SNUG_KERNEL_SCALAR, STEPS, &snug_parallel_serial);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        if (isa_runs_here((snug_kernel_isa)(run % 3))) {
            run_codes(&other_state, (snug_kernel_isa)(run % 3), STEPS, &runner);
            CHECK(memcmp(&first_state, &other_state, sizeof first_state) == 0);
        }
    }
}

/* One step from the same codes: the reference rounds to the nearest value by looking at all. */
static void a_step_agrees_with_the_reference(void **state)
{
    (void)state;
    enum { PART = 3 * SNUG_MOMENT_BLOCK + 17, SCALES = 4 };
    static double w[PART], g[PART], m_scale[SCALES], v_scale[SCALES];
    static uint8_t m_codes[PART], v_codes[PART];
    state8 *s = &first_state;
    int64_t apart = 0;
    run_codes(s, SNUG_KERNEL_SCALAR, 3, &snug_parallel_serial);
    for (int64_t i = 0; i < PART; i++) {
        w[i] = (double)s->w[i];
        g[i] = (double)gradient[i];
        m_codes[i] = s->m[i];
        v_codes[i] = s->v[i];
    }
    for (int64_t b = 0; b < SCALES; b++) {
        m_scale[b] = (double)s->m_scale[b];
        v_scale[b] = (double)s->v_scale[b];
    }
    snug_optimizer o = settings;
    o.step = 4;
    const snug_moment8 m = {s->m, s->m_scale};
    const snug_moment8 v = {s->v, s->v_scale};
    snug_optimizer_adamw8(&o, PART, s->w, gradient, &m, &v, &snug_parallel_serial);
    snug_ref_optimizer_adamw8(&o, PART, w, g, m_codes, m_scale, v_codes, v_scale);
    CHECK(array_distance(s->w, w, PART) < 2e-6);
    CHECK(array_distance(s->m_scale, m_scale, SCALES) < 1e-6);
    CHECK(array_distance(s->v_scale, v_scale, SCALES) < 1e-6);
    for (int64_t i = 0; i < PART; i++) {
        CHECK(abs((int)s->m[i] - (int)m_codes[i]) <= 1 && abs((int)s->v[i] - (int)v_codes[i]) <= 1);
        apart += (s->m[i] != m_codes[i]) + (s->v[i] != v_codes[i]);
    }
    CHECK(apart <= 2); /* Numbers that lie between two values. */
}

/* What rounding the moments costs: a noisy descent ends where AdamW's ends. */
static void descent_follows_adamw(void **state)
{
    (void)state;
    enum { SIZE = 8192, DESCENT = 300 };
    static float w[2][SIZE], m[SIZE], v[SIZE], g[SIZE];
    static uint8_t codes[2][SIZE];
    static float scales[2][SIZE / SNUG_MOMENT_BLOCK];
    const snug_moment8 moments[2] = {{codes[0], scales[0]}, {codes[1], scales[1]}};
    test_random random = {17};
    double loss[2] = {0.0, 0.0};
    double begin = 0.0;
    fill_random(&random, w[0], SIZE);
    memcpy(w[1], w[0], sizeof w[0]);
    for (int64_t i = 0; i < SIZE; i++) {
        begin += (double)w[0][i] * (double)w[0][i];
    }
    snug_optimizer o = settings;
    o.weight_decay = 0.0;
    o.grad_scale = 1.0;
    for (o.step = 1; o.step <= DESCENT; o.step++) {
        o.learning_rate = 0.02 * (1.0 - (double)(o.step - 1) / DESCENT);
        for (int which = 0; which < 2; which++) {
            test_random noise = {(uint64_t)o.step};
            for (int64_t i = 0; i < SIZE; i++) {
                /* Curvatures over two powers of ten, noise as large as the gradient. */
                const float curvature = 0.01f + (float)(i % 100) * 0.01f;
                g[i] = curvature * (w[which][i] + 0.3f * random_float(&noise));
            }
            if (which == 0) {
                snug_optimizer_adamw(&o, SIZE, w[0], g, m, v, &snug_parallel_serial);
            } else {
                snug_optimizer_adamw8(&o, SIZE, w[1], g, &moments[0], &moments[1],
                                      &snug_parallel_serial);
            }
        }
    }
    for (int which = 0; which < 2; which++) {
        for (int64_t i = 0; i < SIZE; i++) {
            loss[which] += (double)w[which][i] * (double)w[which][i];
        }
    }
    double difference = 0.0;
    for (int64_t i = 0; i < SIZE; i++) {
        difference += pow((double)w[0][i] - (double)w[1][i], 2.0);
    }
    print_message("sum of squares %.4g -> %.4g (f32 moments), %.4g (8 bits), apart %.4g\n", begin,
                  loss[0], loss[1], difference);
    CHECK(loss[0] < 0.01 * begin && loss[1] < 1.25 * loss[0]);
    /* Stated bound: the weights are apart by less than a hundredth of the way they went. */
    CHECK(sqrt(difference) < 0.01 * sqrt(begin));
}

typedef struct factors {
    float *w, *row, *column, *plain;
} factors;

static void run_adafactor(snug_kernel_isa isa, int64_t rows, int64_t cols, const factors *f,
                          const snug_parallel *parallel)
{
    snug_optimizer o = settings;
    void *scratch = test_memory(snug_adafactor_factored_scratch_bytes(rows, cols) +
                                snug_adafactor_plain_scratch_bytes(rows * cols));
    open_numbers(5);
    memcpy(f->w, start, (size_t)(2 * rows * cols) * sizeof(float));
    memset(f->row, 0, (size_t)rows * sizeof(float));
    memset(f->column, 0, (size_t)cols * sizeof(float));
    memset(f->plain, 0, (size_t)(rows * cols) * sizeof(float));
    o.isa = isa;
    for (o.step = 1; o.step <= STEPS; o.step++) {
        snug_adafactor_factored(&o, rows, cols, f->w, gradient, f->row, f->column, scratch,
                                parallel);
        snug_adafactor_plain(&o, rows * cols, f->w + rows * cols, gradient, f->plain, scratch,
                             parallel);
        turn_gradient(o.step);
    }
    free(scratch);
}

static void check_adafactor(int64_t rows, int64_t cols)
{
    const int64_t count = rows * cols;
    factors runs[2];
    for (int i = 0; i < 2; i++) {
        runs[i] = (factors){test_floats(2 * count), test_floats(rows), test_floats(cols),
                            test_floats(count)};
    }
    run_adafactor(SNUG_KERNEL_SCALAR, rows, cols, &runs[0], &snug_parallel_serial);
    double *w = to_doubles(start, 2 * count);
    double *row = to_doubles(gradient, rows);
    double *column = to_doubles(gradient, cols);
    double *plain = to_doubles(gradient, count);
    memset(row, 0, (size_t)rows * sizeof(double));
    memset(column, 0, (size_t)cols * sizeof(double));
    memset(plain, 0, (size_t)count * sizeof(double));
    snug_optimizer o = settings;
    open_numbers(5);
    for (o.step = 1; o.step <= STEPS; o.step++) {
        double *g = to_doubles(gradient, count);
        snug_ref_adafactor_factored(&o, rows, cols, w, g, row, column);
        snug_ref_adafactor_plain(&o, count, w + count, g, plain);
        turn_gradient(o.step);
        free(g);
    }
    CHECK(array_distance(runs[0].w, w, 2 * count) < 2e-6);
    CHECK(array_distance(runs[0].row, row, rows) < 1e-6);
    CHECK(array_distance(runs[0].column, column, cols) < 1e-6);
    CHECK(array_distance(runs[0].plain, plain, count) < 1e-6);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        if (!isa_runs_here((snug_kernel_isa)(run % 3))) {
            continue;
        }
        run_adafactor((snug_kernel_isa)(run % 3), rows, cols, &runs[1], &runner);
        CHECK(same_bytes(runs[0].w, runs[1].w, 2 * count, sizeof(float)));
        CHECK(same_bytes(runs[0].row, runs[1].row, rows, sizeof(float)));
        CHECK(same_bytes(runs[0].column, runs[1].column, cols, sizeof(float)));
        CHECK(same_bytes(runs[0].plain, runs[1].plain, count, sizeof(float)));
    }
    for (int i = 0; i < 2; i++) {
        float *const all[] = {runs[i].w, runs[i].row, runs[i].column, runs[i].plain};
        for (int k = 0; k < 4; k++) {
            free(all[k]);
        }
    }
    double *const doubles[] = {w, row, column, plain};
    for (int k = 0; k < 4; k++) {
        free(doubles[k]);
    }
}

static void adafactor_agrees_with_reference_and_itself(void **state)
{
    (void)state;
    check_adafactor(70, 133);
    check_adafactor(1, 40);
    check_adafactor(301, 3);
}

/* Without a gradient nothing moves but the decay, and nothing becomes infinite. */
static void zeros_stay_zeros(void **state)
{
    (void)state;
    enum { ROWS = 3, COLS = 20 };
    float w[ROWS * COLS] = {0}, g[ROWS * COLS] = {0}, row[ROWS] = {0}, column[COLS] = {0};
    float scales[2] = {0};
    uint8_t codes[2][ROWS * COLS] = {{0}};
    const snug_moment8 m = {codes[0], &scales[0]};
    const snug_moment8 v = {codes[1], &scales[1]};
    void *scratch = test_memory(snug_adafactor_factored_scratch_bytes(ROWS, COLS));
    snug_optimizer o = settings;
    for (o.step = 1; o.step <= 3; o.step++) {
        snug_adafactor_factored(&o, ROWS, COLS, w, g, row, column, scratch, &snug_parallel_serial);
        snug_optimizer_adamw8(&o, ROWS * COLS, w, g, &m, &v, &snug_parallel_serial);
    }
    for (int i = 0; i < ROWS * COLS; i++) {
        CHECK(w[i] == 0.0f && codes[0][i] == 127 && codes[1][i] == 0);
    }
    CHECK(scales[0] == 0.0f && scales[1] == 0.0f);
    free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_the_same_on_every_path),
        cmocka_unit_test(a_step_agrees_with_the_reference),
        cmocka_unit_test(descent_follows_adamw),
        cmocka_unit_test(adafactor_agrees_with_reference_and_itself),
        cmocka_unit_test(zeros_stay_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
