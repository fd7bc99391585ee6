/* labels: fast thread */
#include "check.h"

#include <math.h>

#include "kernel_check.h"
#include "ops/cpu/gemm.h"
#include "ops/ref/gemm_ref.h"

/* A random call with operands of its own. */
typedef struct product {
    snug_gemm_call call;
    float *a;
    float *b;
    float *bias;
    float *start; /* What C holds before. */
    int64_t c_count;
} product;

/* What the header promises, written element by element. */
static void exact_gemm(const snug_gemm_call *call)
{
    const int64_t outputs = call->reduce ? 1 : call->batch;
    for (int64_t index = 0; index < outputs * call->rows * call->cols; index++) {
        const int64_t output = index / (call->rows * call->cols);
        const int64_t row = index / call->cols % call->rows;
        const int64_t col = index % call->cols;
        float *c = call->c + (call->reduce ? 0 : output * call->c_batch_stride) +
                   row * call->c_row_stride + col;
        float chain = call->mode == SNUG_GEMM_CHAIN ? *c : 0.0f;
        float total = *c;
        for (int64_t item = output; item < (call->reduce ? call->batch : output + 1); item++) {
            for (int64_t k = 0; k < call->depth; k++) {
                const float *a = call->a.data + item * call->a_batch_stride;
                const float *b = call->b.data + item * call->b_batch_stride;
                chain = fmaf(snug_ref_view_at(&call->a, a, row, k),
                             snug_ref_view_at(&call->b, b, k, col), chain);
                const bool block_ends = k % SNUG_GEMM_SUM_BLOCK == SNUG_GEMM_SUM_BLOCK - 1;
                if (call->mode == SNUG_GEMM_SUM && (block_ends || k == call->depth - 1)) {
                    total += chain;
                    chain = 0.0f;
                }
            }
        }
        float value = call->mode == SNUG_GEMM_SUM ? total : chain;
        value = call->bias == NULL ? value : value + call->bias[col];
        *c = call->relu && 0.0f > value ? 0.0f : value;
    }
}

/* Strides of a [rows, cols] operand in one of the forms that callers use. */
static snug_gemm_view random_view(test_random *random, int64_t rows, int64_t cols)
{
    const int64_t gap = random_between(random, 0, 3);
    switch (random_between(random, 0, 3)) {
    case 0: return (snug_gemm_view){.row_stride = cols + gap, .col_stride = 1};
    case 1: return (snug_gemm_view){.row_stride = 1, .col_stride = rows + gap};
    case 2: return (snug_gemm_view){.row_stride = 1 + gap, .col_stride = 1};
    default: return (snug_gemm_view){.row_stride = 2 * cols, .col_stride = 2};
    }
}

/* Where the view ends; with padding, both ends of the rows fall outside. */
static int64_t view_extent(test_random *random, snug_gemm_view *view, int64_t rows, int64_t cols)
{
    const int64_t extent = (rows > 0 ? rows - 1 : 0) * view->row_stride +
                           (cols > 0 ? cols - 1 : 0) * view->col_stride + 1;
    if (random_between(random, 0, 2) == 0) {
        const int64_t outside = random_between(random, 0, extent / 2);
        view->limit = extent - outside > 0 ? extent - outside : 1;
        view->first = -random_between(random, 0, outside);
    }
    return extent;
}

static product random_product(test_random *random, int64_t dim_max, int64_t depth_max)
{
    product p = {0};
    snug_gemm_call *call = &p.call;
    call->mode = (snug_gemm_mode)random_between(random, 0, 2);
    call->reduce = random_between(random, 0, 1) == 1;
    call->rows = random_between(random, 1, dim_max);
    call->cols = random_between(random, 1, dim_max);
    call->depth = random_between(random, 0, depth_max);
    call->batch = random_between(random, 1, 3);
    call->a = random_view(random, call->rows, call->depth);
    call->b = random_view(random, call->depth, call->cols);
    call->a_batch_stride = view_extent(random, &call->a, call->rows, call->depth);
    const int64_t b_extent = view_extent(random, &call->b, call->depth, call->cols);
    call->b_batch_stride = random_between(random, 0, 1) == 0 ? 0 : b_extent;
    call->c_row_stride = call->cols + random_between(random, 0, 4);
    call->c_batch_stride = call->rows * call->c_row_stride + 3;
    p.c_count = call->batch * call->c_batch_stride;
    p.a = test_floats(call->batch * call->a_batch_stride);
    p.b = test_floats(call->batch * b_extent);
    p.bias = test_floats(call->cols);
    p.start = test_floats(p.c_count);
    fill_random(random, p.a, call->batch * call->a_batch_stride);
    fill_random(random, p.b, call->batch * b_extent);
    fill_random(random, p.bias, call->cols);
    fill_random(random, p.start, p.c_count);
    call->a.data = p.a;
    call->b.data = p.b;
    if (call->mode != SNUG_GEMM_SUM) {
        call->bias = random_between(random, 0, 1) == 0 ? NULL : p.bias;
        call->relu = random_between(random, 0, 1) == 1;
    }
    return p;
}

static void free_product(product *p)
{
    free(p->a);
    free(p->b);
    free(p->bias);
    free(p->start);
}

static void run_into(const snug_gemm_call *call, const product *p, float *c,
                     const snug_parallel *parallel)
{
    snug_gemm_call to = *call;
    to.c = c;
    memcpy(c, p->start, (size_t)p->c_count * sizeof(float));
    const int64_t bytes = snug_gemm_scratch_bytes(&to, parallel->threads);
    unsigned char *scratch = test_memory(bytes + SNUG_ALIGN);
    memset(scratch, 0xff, (size_t)bytes + SNUG_ALIGN); /* NaN, should scratch leak into a result. */
    snug_gemm(&to, parallel, scratch);
    for (int64_t i = 0; i < SNUG_ALIGN; i++) {
        CHECK(scratch[bytes + i] == 0xff);
    }
    free(scratch);
}

static void check_same(const product *p, const float *got, const float *expected, const char *what)
{
    if (memcmp(got, expected, (size_t)p->c_count * sizeof(float)) == 0) {
        return;
    }
    for (int64_t i = 0; i < p->c_count; i++) {
        if (memcmp(&got[i], &expected[i], sizeof(float)) != 0) {
            print_error("%s: element %lld is %a, expected %a (m %lld n %lld k %lld mode %d)\n",
                        what, (long long)i, (double)got[i], (double)expected[i],
                        (long long)p->call.rows, (long long)p->call.cols,
                        (long long)p->call.depth, (int)p->call.mode);
            fail();
        }
    }
}

/* Every instruction set, runner and form of B gives the bits of the written definition. */
static void check_product(const product *p)
{
    float *expected = test_floats(p->c_count);
    float *got = test_floats(p->c_count);
    snug_gemm_call exact = p->call;
    exact.c = expected;
    memcpy(expected, p->start, (size_t)p->c_count * sizeof(float));
    exact_gemm(&exact);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        snug_gemm_call call = p->call;
        call.isa = (snug_kernel_isa)isa;
        /* The plain C kernels are slow: the largest products go through them once. */
        const double work = (double)call.rows * (double)call.cols * (double)call.depth;
        const int64_t runners = call.isa == SNUG_KERNEL_SCALAR && work > 4e6 ? 1 : TEST_RUNNERS;
        for (int64_t runner = 0; runner < runners; runner++) {
            const snug_parallel parallel = test_runner(runner);
            run_into(&call, p, got, &parallel);
            check_same(p, got, expected, "plain");
            if (call.b_batch_stride != 0) {
                continue;
            }
            float *packed = test_memory(snug_gemm_pack_b_bytes(call.isa, call.depth, call.cols));
            snug_gemm_pack_b(call.isa, call.depth, call.cols, &call.b, packed, &parallel);
            snug_gemm_call with_packed = call;
            with_packed.b_packed = true;
            with_packed.b = (snug_gemm_view){.data = packed};
            run_into(&with_packed, p, got, &parallel);
            check_same(p, got, expected, "packed");
            free(packed);
        }
    }
    free(expected);
    free(got);
}

static void bits_are_those_of_the_chain(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 20240601};
    for (int round = 0; round < 250; round++) {
        product p = random_product(&random, 40, round % 8 == 0 ? 600 : 40);
        check_product(&p);
        free_product(&p);
    }
    for (int round = 0; round < 6; round++) {
        product p = random_product(&random, 300, 300);
        check_product(&p);
        free_product(&p);
    }
}

/* More blocks of rows and columns than fit one block of the driver, on more than one thread. */
static void large_products_keep_the_bits(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 7};
    int checked = 0;
    while (checked < 3) {
        product p = random_product(&random, 1200, 530);
        if (p.call.rows > 900 && p.call.cols < 200 && p.call.depth > 256 && p.call.batch < 3) {
            check_product(&p);
            checked++;
        }
        free_product(&p);
    }
}

/* Rows [0, cut) and [cut, rows) in two calls are the rows of one call. */
static void rows_do_not_know_their_neighbours(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 99};
    for (int round = 0; round < 40; round++) {
        product p = random_product(&random, 70, 300);
        float *whole = test_floats(p.c_count);
        float *split = test_floats(p.c_count);
        for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
            if (!isa_runs_here((snug_kernel_isa)isa)) {
                continue;
            }
            p.call.isa = (snug_kernel_isa)isa;
            run_into(&p.call, &p, whole, &snug_parallel_serial);
            memcpy(split, p.start, (size_t)p.c_count * sizeof(float));
            for (int64_t row = 0; row < p.call.rows;) {
                snug_gemm_call part = p.call;
                part.rows = random_between(&random, 1, p.call.rows - row);
                part.a.first += row * part.a.row_stride;
                part.c = split + row * part.c_row_stride;
                CHECK(snug_gemm_scratch_bytes(&part, 1) <= snug_gemm_scratch_bytes(&p.call, 1));
                void *scratch = test_memory(snug_gemm_scratch_bytes(&part, 1));
                snug_gemm(&part, &snug_parallel_serial, scratch);
                free(scratch);
                row += part.rows;
            }
            check_same(&p, split, whole, "split rows");
        }
        free(whole);
        free(split);
        free_product(&p);
    }
}

/* Items of a reduced batch, one call each with CHAIN or SUM, are the sum of one call. */
static void batch_items_join_in_order(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 5};
    int checked = 0;
    while (checked < 20) {
        product p = random_product(&random, 40, 300);
        snug_gemm_call *call = &p.call;
        call->isa = SNUG_KERNEL_SCALAR;
        if (call->reduce && call->mode != SNUG_GEMM_SET && call->batch > 1) {
            call->relu = false;
            call->bias = NULL;
            float *whole = test_floats(p.c_count);
            float *split = test_floats(p.c_count);
            run_into(call, &p, whole, &snug_parallel_serial);
            memcpy(split, p.start, (size_t)p.c_count * sizeof(float));
            for (int64_t item = 0; item < call->batch; item++) {
                snug_gemm_call one = *call;
                one.batch = 1;
                one.a.data += item * call->a_batch_stride;
                one.b.data += item * call->b_batch_stride;
                one.c = split;
                void *scratch = test_memory(snug_gemm_scratch_bytes(&one, 1));
                snug_gemm(&one, &snug_parallel_serial, scratch);
                free(scratch);
            }
            check_same(&p, split, whole, "items");
            free(whole);
            free(split);
            checked++;
        }
        free_product(&p);
    }
}

/*
 * Against sums in double: a chain of n roundings of numbers in [-1, 1] is off by at most
 * n * 2^-24 * (sum of magnitudes <= n + 2).
 */
static void near_the_reference_in_double(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 31};
    for (int round = 0; round < 40; round++) {
        product p = random_product(&random, 50, 200);
        float *expected = test_floats(p.c_count);
        float *got = test_floats(p.c_count);
        memcpy(expected, p.start, (size_t)p.c_count * sizeof(float));
        snug_gemm_call reference = p.call;
        reference.c = expected;
        snug_ref_gemm(&reference);
        p.call.isa = isa_runs_here(SNUG_KERNEL_AVX2) ? SNUG_KERNEL_AVX2 : SNUG_KERNEL_SCALAR;
        run_into(&p.call, &p, got, &snug_parallel_serial);
        const double terms = (double)(p.call.depth * p.call.batch + 2);
        const double tolerance = terms * terms * ldexp(1.0, -24);
        for (int64_t i = 0; i < p.c_count; i++) {
            CHECK(fabs((double)got[i] - (double)expected[i]) <= tolerance);
        }
        free(expected);
        free(got);
        free_product(&p);
    }
}

/* A NaN shows in its row (or column) and nowhere else, through bias and relu. */
static void nan_is_seen(void **state)
{
    SNUG_UNUSED(state);
    enum { ROWS = 30, COLS = 37, DEPTH = 19 };
    static float a[ROWS * DEPTH], b[DEPTH * COLS], bias[COLS], c[ROWS * COLS];
    test_random random = {.state = 3};
    fill_random(&random, a, ROWS * DEPTH);
    fill_random(&random, b, DEPTH * COLS);
    fill_random(&random, bias, COLS);
    a[7 * DEPTH + 3] = NAN;
    b[5 * COLS + 36] = NAN;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        const snug_gemm_call call = {
            .isa = (snug_kernel_isa)isa,
            .relu = true,
            .rows = ROWS,
            .cols = COLS,
            .depth = DEPTH,
            .batch = 1,
            .a = {.data = a, .row_stride = DEPTH, .col_stride = 1},
            .b = {.data = b, .row_stride = COLS, .col_stride = 1},
            .c = c,
            .c_row_stride = COLS,
            .bias = bias,
        };
        void *scratch = test_memory(snug_gemm_scratch_bytes(&call, 1));
        snug_gemm(&call, &snug_parallel_serial, scratch);
        free(scratch);
        for (int64_t i = 0; i < ROWS * COLS; i++) {
            CHECK((isnan(c[i]) != 0) == (i / COLS == 7 || i % COLS == 36));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_chain),
        cmocka_unit_test(large_products_keep_the_bits),
        cmocka_unit_test(rows_do_not_know_their_neighbours),
        cmocka_unit_test(batch_items_join_in_order),
        cmocka_unit_test(near_the_reference_in_double),
        cmocka_unit_test(nan_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
