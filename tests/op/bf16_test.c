/* The conversions, over every bf16 number and around every rounding boundary. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "ops/cpu/bf16.h"
#include "ops/cpu/gemm.h"
#include "ops/ref/reference.h"
#include "sys/cpu.h"
#include "tensor/half.h"

enum { ALL = 1 << 16, AROUND = 9 };

static uint16_t halves[ALL];
static float wides[ALL + 64];
static float between[ALL * AROUND];
static uint16_t rounded[ALL * AROUND + 64];

static int isa_count(void)
{
    const snug_cpu_features f = snug_cpu_features_read();
    return f.avx512 ? 3 : f.avx2 && f.fma ? 2 : 1;
}

static void every_number_is_widened_and_comes_back(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ALL; i++) {
        halves[i] = (uint16_t)i;
    }
    for (int isa = 0; isa < isa_count(); isa++) {
        memset(wides, 0xA5, sizeof wides);
        snug_bf16_widen((snug_kernel_isa)isa, ALL, halves, wides, &snug_parallel_serial);
        snug_bf16_narrow((snug_kernel_isa)isa, ALL, wides, rounded, &snug_parallel_serial);
        for (int32_t i = 0; i < ALL; i++) {
            const uint32_t bits = snug_f32_bits(wides[i]);
            CHECK(bits == (uint32_t)i << 16);
            const bool signals = isnan(wides[i]) && (i & 0x40) == 0;
            CHECK(rounded[i] == (signals ? i | 0x40 : i));
        }
    }
}

/* Next to each number: itself, its neighbours in f32, the tie above it and the tie's neighbours. */
static void fill_between(void)
{
    static const uint32_t steps[AROUND] = {0,      1,      0x3fff, 0x7fff, 0x8000,
                                           0x8001, 0xc000, 0xfffe, 0xffff};
    for (int32_t i = 0; i < ALL; i++) {
        for (int32_t k = 0; k < AROUND; k++) {
            between[i * AROUND + k] = snug_f32_from_bits(((uint32_t)i << 16) + steps[k]);
        }
    }
}

static void rounding_is_to_the_nearest_and_ties_go_to_even(void **state)
{
    (void)state;
    fill_between();
    for (int isa = 0; isa < isa_count(); isa++) {
        memset(rounded, 0, sizeof rounded);
        snug_bf16_narrow((snug_kernel_isa)isa, SNUG_COUNT(between), between, rounded,
                         &snug_parallel_serial);
        for (int64_t i = 0; i < SNUG_COUNT(between); i++) {
            const float have = snug_bf16_to_f32(rounded[i]);
            const double right = snug_reference_round((double)between[i]);
            if (isnan(between[i])) {
                CHECK(isnan(have) && signbit(have) == signbit(between[i]));
                continue;
            }
            if ((double)have != right || signbit(have) != signbit(between[i])) {
                print_error("%a becomes %a, not %a\n", (double)between[i], (double)have, right);
                fail();
            }
        }
    }
}

static void numbers_known_by_hand(void **state)
{
    (void)state;
    static const struct {
        float value;
        uint16_t half;
    } known[] = {{1.0f, 0x3f80},
                 {1.00390625f, 0x3f80}, /* 1 + 2^-8: a tie, down to even. */
                 {1.01171875f, 0x3f82}, /* 1 + 3 * 2^-8: a tie, up to even. */
                 {1.00390637f, 0x3f81}, /* Just above the tie. */
                 {-0.0f, 0x8000},
                 {0x1p-149f, 0},
                 {0x1p-134f, 0},            /* Half of the smallest: down to even. */
                 {0x1.8p-133f, 2},          /* A tie between 1 and 2 of the smallest. */
                 {0x1.fep127f, 0x7f7f},     /* The largest. */
                 {0x1.fffffep127f, 0x7f80}, /* FLT_MAX rounds to infinity. */
                 {INFINITY, 0x7f80},
                 {-INFINITY, 0xff80}};
    for (int isa = 0; isa < isa_count(); isa++) {
        for (int64_t i = 0; i < SNUG_COUNT(known); i++) {
            /* Sixteen of it and one more: the vector and the rest. */
            float x[17];
            uint16_t y[17];
            for (int32_t k = 0; k < 17; k++) {
                x[k] = known[i].value;
            }
            snug_bf16_narrow((snug_kernel_isa)isa, 17, x, y, &snug_parallel_serial);
            for (int32_t k = 0; k < 17; k++) {
                CHECK(y[k] == known[i].half);
            }
        }
    }
}

/* Rows with strides: nothing between them is touched, whatever the rest of a row. */
static void rows_keep_to_their_columns(void **state)
{
    (void)state;
    enum { ROWS = 3, STRIDE = 80 };
    for (int isa = 0; isa < isa_count(); isa++) {
        const snug_bf16_kernels *kernels = snug_bf16_kernels_of((snug_kernel_isa)isa);
        for (int64_t cols = 0; cols <= 70; cols++) {
            float x[ROWS * STRIDE], back[ROWS * STRIDE];
            uint16_t y[ROWS * STRIDE];
            for (int32_t i = 0; i < ROWS * STRIDE; i++) {
                x[i] = (float)(i + 1) * 0.37f;
                y[i] = 0x1234;
                back[i] = -7.0f;
            }
            kernels->narrow(ROWS, cols, x, STRIDE, y, STRIDE);
            kernels->widen(ROWS, cols, y, STRIDE, back, STRIDE);
            for (int32_t i = 0; i < ROWS * STRIDE; i++) {
                const bool inside = i % STRIDE < cols;
                CHECK(y[i] == (inside ? snug_bf16_from_f32(x[i]) : 0x1234));
                CHECK(back[i] == (inside ? snug_bf16_to_f32(y[i]) : -7.0f));
            }
        }
    }
}

/* "Threads" in one: parts run backwards, each with the scratch of another. */
static void run_backwards(const snug_parallel *self, int64_t parts, snug_parallel_work work,
                          void *context)
{
    for (int64_t part = parts - 1; part >= 0; part--) {
        work(context, part, (int32_t)(part % self->threads));
    }
}

enum { ROWS_MOST = 700, COLS_MOST = 100, DEPTH_MOST = 300, SCRATCH_MOST = 24 << 20 };

static float product_a[ROWS_MOST * DEPTH_MOST], product_b[DEPTH_MOST * COLS_MOST];
static float product_c[ROWS_MOST * COLS_MOST];
static uint16_t product_half[ROWS_MOST * DEPTH_MOST], product_rounded[ROWS_MOST * COLS_MOST];
static _Alignas(SNUG_ALIGN) unsigned char product_scratch[SCRATCH_MOST];

/* A product of bf16 into bf16 is the f32 product of the widened A, rounded, in the scratch asked
 * for, on any number of threads. */
static void check_product(int isa, int64_t rows, int64_t cols, int64_t depth, bool turned)
{
    snug_gemm_call call = {
        .isa = (snug_kernel_isa)isa,
        .mode = SNUG_GEMM_SET,
        .rows = rows,
        .cols = cols,
        .depth = depth,
        .batch = 1,
        .a = {.data = product_a, .row_stride = turned ? 1 : depth, .col_stride = turned ? rows : 1},
        .b = {.data = product_b, .row_stride = cols, .col_stride = 1},
        .c = product_c,
        .c_row_stride = cols};
    for (int64_t i = 0; i < rows * depth; i++) {
        product_half[i] = snug_bf16_from_f32((float)((i * 37) % 199 - 99) * 0.013f);
        product_a[i] = snug_bf16_to_f32(product_half[i]);
    }
    for (int64_t i = 0; i < depth * cols; i++) {
        product_b[i] = (float)((i * 53) % 211 - 105) * 0.007f;
    }
    CHECK(snug_gemm_scratch_bytes(&call, 1) < SCRATCH_MOST);
    snug_gemm(&call, &snug_parallel_serial, product_scratch);
    call.a_is_bf16 = true;
    call.a_bf16 = product_half;
    call.c_is_bf16 = true;
    call.c_bf16 = product_rounded;
    for (int32_t threads = 1; threads <= 40; threads += threads < 9 ? 1 : 31) {
        const snug_parallel parallel = {.threads = threads, .run = run_backwards};
        const int64_t bytes = snug_gemm_scratch_bytes(&call, threads);
        CHECK(bytes < SCRATCH_MOST);
        memset(product_scratch, 0xFF, (size_t)bytes);
        memset(product_scratch + bytes, 0xA5, 64);
        memset(product_rounded, 0xFF, sizeof product_rounded);
        snug_gemm(&call, &parallel, product_scratch);
        for (int64_t i = 0; i < rows * cols; i++) {
            CHECK(product_rounded[i] == snug_bf16_from_f32(product_c[i]));
        }
        for (int64_t i = 0; i < 64; i++) {
            CHECK(product_scratch[bytes + i] == 0xA5);
        }
        /* Fewer threads than were planned for find their scratch, too. */
        CHECK(threads == 1 || snug_gemm_scratch_bytes(&call, threads - 1) <= bytes);
    }
}

static void products_widen_and_round(void **state)
{
    (void)state;
    for (int isa = 0; isa < isa_count(); isa++) {
        check_product(isa, 1, 1, 1, false);
        check_product(isa, 5, 33, 257, false);
        check_product(isa, 130, 100, 300, false);
        check_product(isa, ROWS_MOST, 40, 20, true);
        check_product(isa, 450, 70, 290, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_widened_and_comes_back),
        cmocka_unit_test(rounding_is_to_the_nearest_and_ties_go_to_even),
        cmocka_unit_test(numbers_known_by_hand),
        cmocka_unit_test(rows_keep_to_their_columns),
        cmocka_unit_test(products_widen_and_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
