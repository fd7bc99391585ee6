#include "check.h"

#include <math.h>

#include "kernel_check.h"
#include "ops/cpu/vmath.h"

typedef void (*array_function)(snug_kernel_isa isa, int64_t count, const float *x, float *y);
typedef double (*exact_function)(double x);

static double exact_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double exact_normal(double x)
{
    return 0.5 * erfc(-x / 1.41421356237309504880);
}

typedef struct function_case {
    array_function run;
    exact_function exact;
    double ulp_max; /* What the header promises. */
} function_case;

static const function_case functions[] = {
    {snug_vmath_exp, exp, 1.2},
    {snug_vmath_sigmoid, exact_sigmoid, 2.5},
    {snug_vmath_tanh, tanh, 2.0},
    {snug_vmath_normal, exact_normal, 8.0},
};

/** |y - exact| in units of the last place of the exact value rounded to f32. */
static double ulp_distance(float y, double exact)
{
    const double size = fabs(exact);
    int exponent = 0;
    (void)frexp(size, &exponent);
    const double unit = ldexp(1.0, exponent < -125 ? -149 : exponent - 24);
    return fabs((double)y - exact) / unit;
}

static float float_of(uint32_t bits)
{
    float x = 0.0f;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static snug_kernel_isa best_isa(void)
{
    return isa_runs_here(SNUG_KERNEL_AVX512) ? SNUG_KERNEL_AVX512
           : isa_runs_here(SNUG_KERNEL_AVX2) ? SNUG_KERNEL_AVX2
                                             : SNUG_KERNEL_SCALAR;
}

/* Every 679th float of both signs: 6 million values, each against the C library in double. */
static void functions_keep_their_ulps(void **state)
{
    (void)state;
    enum { BATCH = 4096 };
    static float x[BATCH], y[BATCH];
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
        double worst = 0.0;
        float worst_x = 0.0f;
        uint64_t bits = 0;
        while (bits < 0x100000000U) {
            for (int i = 0; i < BATCH; i++, bits += 679) {
                x[i] = float_of((uint32_t)bits);
            }
            functions[f].run(best_isa(), BATCH, x, y);
            for (int i = 0; i < BATCH; i++) {
                if (isnan(x[i])) {
                    CHECK(isnan(y[i]));
                    continue;
                }
                const double exact = functions[f].exact((double)x[i]);
                if (isinf(y[i])) {
                    CHECK(exact > 3.4028235e38);
                    continue;
                }
                const double distance = ulp_distance(y[i], exact);
                if (!(distance <= worst)) {
                    worst = distance;
                    worst_x = x[i];
                }
            }
        }
        print_message("function %zu: %.3f ulp at %g\n", f, worst, (double)worst_x);
        CHECK(worst <= functions[f].ulp_max);
    }
}

static void ends_are_exact(void **state)
{
    (void)state;
    const float x[8] = {INFINITY, -INFINITY, 0.0f, -0.0f, 200.0f, -200.0f, NAN, 88.72f};
    float y[8];
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        snug_vmath_exp((snug_kernel_isa)isa, 8, x, y);
        CHECK(isinf(y[0]) && y[1] == 0.0f && y[2] == 1.0f && y[3] == 1.0f);
        CHECK(isinf(y[4]) && y[5] == 0.0f && isnan(y[6]) && isfinite(y[7]));
        snug_vmath_sigmoid((snug_kernel_isa)isa, 8, x, y);
        CHECK(y[0] == 1.0f && y[1] == 0.0f && y[2] == 0.5f && y[3] == 0.5f);
        CHECK(y[4] == 1.0f && y[5] == 0.0f && isnan(y[6]) && y[7] == 1.0f);
        snug_vmath_tanh((snug_kernel_isa)isa, 8, x, y);
        CHECK(y[0] == 1.0f && y[1] == -1.0f && y[2] == 0.0f && signbit(y[3]));
        CHECK(y[4] == 1.0f && y[5] == -1.0f && isnan(y[6]) && y[7] == 1.0f);
        snug_vmath_normal((snug_kernel_isa)isa, 8, x, y);
        CHECK(y[0] == 1.0f && y[1] == 0.0f && y[2] == 0.5f && y[3] == 0.5f);
        CHECK(y[4] == 1.0f && y[5] == 0.0f && isnan(y[6]) && y[7] == 1.0f);
    }
}

/* Any length, any start, any set: a value's bits depend on the value. */
static void bits_depend_on_the_value_alone(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static float x[COUNT], whole[COUNT], part[COUNT];
    test_random random = {42};
    for (int i = 0; i < COUNT; i++) {
        x[i] = random_float(&random) * (i % 3 == 0 ? 100.0f : 2.0f);
    }
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
        functions[f].run(SNUG_KERNEL_SCALAR, COUNT, x, whole);
        for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
            if (!isa_runs_here((snug_kernel_isa)isa)) {
                continue;
            }
            for (int64_t length = 1; length < 40; length++) {
                memset(part, 0, sizeof part);
                for (int64_t at = 0; at < COUNT; at += length) {
                    const int64_t count = COUNT - at < length ? COUNT - at : length;
                    functions[f].run((snug_kernel_isa)isa, count, x + at, part + at);
                }
                CHECK(memcmp(part, whole, sizeof whole) == 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_keep_their_ulps),
        cmocka_unit_test(ends_are_exact),
        cmocka_unit_test(bits_depend_on_the_value_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
