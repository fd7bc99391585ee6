/* labels: thread */
#include "check.h"

#include <math.h>

#include "array_check.h"
#include "ops/ref/attention_ref.h"
#include "ops/ref/dropout_ref.h"

enum { GUARD_FLOATS = 64, SAMPLES = 3 };

typedef struct shape_case {
    const char *name;
    int64_t length, length_k, heads, head_dim;
    int32_t lengths[SAMPLES]; /* -1 first: none. */
    bool packed, causal, cross, bias;
    float dropout;
} shape_case;

static const shape_case cases[] = {
    {"one row", 1, 1, 1, 1, {-1}, false, false, false, false, 0.0f},
    {"whole blocks", 128, 128, 2, 64, {-1}, false, false, false, false, 0.0f},
    {"lengths 0, 1 and some", 130, 130, 2, 32, {0, 1, 77}, false, false, false, false, 0.0f},
    {"packed, lengths", 65, 65, 3, 16, {64, 65, 900}, true, false, false, false, 0.0f},
    {"packed, dropout", 100, 100, 2, 64, {100, 63, 17}, true, false, false, false, 0.3f},
    {"causal", 150, 150, 2, 20, {-1}, false, true, false, false, 0.0f},
    {"causal, all", 140, 140, 2, 33, {140, 66, 2}, true, true, false, true, 0.1f},
    {"bias", 71, 71, 4, 24, {-1}, false, false, false, true, 0.0f},
    {"cross", 33, 150, 2, 40, {150, 0, 65}, false, false, true, true, 0.2f},
    {"cross, fewer keys", 129, 7, 1, 48, {7, 3, 1}, false, false, true, false, 0.0f},
    {"cross, as long", 40, 40, 2, 8, {40, 0, 12}, false, false, true, false, 0.0f},
    {"wide heads", 70, 70, 1, 128, {70, 69, -5}, false, false, false, false, 0.5f},
};

typedef struct data {
    const shape_case *c;
    snug_attention a;
    int64_t q_count, k_count, y_count, lse_count, bias_count; /* Of all samples. */
    float *q, *k, *v, *dy, *bias;
    int32_t lengths[SAMPLES];
} data;

typedef struct run {
    float *y, *lse, *dq, *dk, *dv, *dbias;
} run;

static data data_open(const shape_case *c)
{
    test_random random = {(uint64_t)(c->length * 1000 + c->head_dim)};
    const int64_t width = c->heads * c->head_dim;
    data d = {.c = c,
              .a = {.length = c->length,
                    .length_k = c->length_k,
                    .heads = c->heads,
                    .head_dim = c->head_dim,
                    .row_stride = c->packed ? 3 * width : width,
                    .scale = 1.0f / sqrtf((float)c->head_dim),
                    .causal = c->causal,
                    .cross = c->cross,
                    .dropout = c->dropout,
                    .key = {.seed = 77, .epoch = 2, .position = 1000, .stream = 5}}};
    d.q_count = SAMPLES * c->length * d.a.row_stride;
    d.k_count = SAMPLES * c->length_k * d.a.row_stride;
    d.y_count = SAMPLES * c->length * width;
    d.lse_count = SAMPLES * c->length * c->heads;
    d.bias_count = c->heads * (c->length + c->length_k - 1);
    d.q = random_floats(&random, d.q_count);
    d.k = c->packed ? d.q + width : random_floats(&random, d.k_count);
    d.v = c->packed ? d.q + 2 * width : random_floats(&random, d.k_count);
    d.dy = random_floats(&random, d.y_count);
    d.bias = random_floats(&random, d.bias_count);
    memcpy(d.lengths, c->lengths, sizeof d.lengths);
    return d;
}

static void data_close(const data *d)
{
    free(d->q);
    if (!d->c->packed) {
        free(d->k);
        free(d->v);
    }
    free(d->dy);
    free(d->bias);
}

/* What is written starts as NaN, what is added to as 0.5. */
static float *filled(int64_t count, float value)
{
    float *p = test_floats(count);
    for (int64_t i = 0; i < count; i++) {
        p[i] = value;
    }
    return p;
}

static run run_open(const data *d)
{
    const int64_t width = d->a.heads * d->a.head_dim;
    run r = {.y = filled(d->y_count, NAN),
             .lse = filled(d->lse_count, NAN),
             .dq = filled(d->q_count, NAN),
             .dbias = filled(d->bias_count, 0.5f)};
    r.dk = d->c->packed ? r.dq + width : filled(d->k_count, NAN);
    r.dv = d->c->packed ? r.dq + 2 * width : filled(d->k_count, NAN);
    return r;
}

static void run_close(const data *d, const run *r)
{
    free(r->y);
    free(r->lse);
    free(r->dq);
    if (!d->c->packed) {
        free(r->dk);
        free(r->dv);
    }
    free(r->dbias);
}

static void *guarded_scratch(int64_t bytes)
{
    unsigned char *memory = test_memory(bytes + GUARD_FLOATS * 4);
    memset(memory, 0xff, (size_t)bytes);
    memset(memory + bytes, 0x5a, GUARD_FLOATS * 4);
    return memory;
}

static void check_guard(const unsigned char *memory, int64_t bytes)
{
    for (int64_t i = 0; i < GUARD_FLOATS * 4; i++) {
        assert_int_equal(memory[bytes + i], 0x5a);
    }
}

/* Samples first..first+count, with scratch of exactly the promised bytes. */
static void run_range(const data *d, snug_kernel_isa isa, int64_t first, int64_t count,
                      const snug_parallel *parallel, const run *r)
{
    snug_attention a = d->a;
    a.isa = isa;
    a.key.position += first;
    const int64_t q = first * (d->q_count / SAMPLES);
    const int64_t k = first * (d->k_count / SAMPLES);
    const int64_t y = first * (d->y_count / SAMPLES);
    const int64_t lse = first * (d->lse_count / SAMPLES);
    const snug_attention_inputs inputs = {.q = d->q + q,
                                          .k = d->k + k,
                                          .v = d->v + k,
                                          .lengths =
                                              d->c->lengths[0] == -1 ? NULL : d->lengths + first,
                                          .bias = d->c->bias ? d->bias : NULL};
    const snug_attention_gradients gradients = {
        .dq = r->dq + q, .dk = r->dk + k, .dv = r->dv + k, .dbias = d->c->bias ? r->dbias : NULL};
    int64_t bytes = snug_attention_forward_scratch_bytes(&a, parallel->threads);
    void *scratch = guarded_scratch(bytes);
    snug_attention_forward(&a, count, &inputs, r->y + y, r->lse + lse, parallel, scratch);
    check_guard(scratch, bytes);
    free(scratch);
    bytes = snug_attention_backward_scratch_bytes(&a, parallel->threads);
    scratch = guarded_scratch(bytes);
    snug_attention_backward(&a, count, &inputs, r->y + y, r->lse + lse, d->dy + y, &gradients,
                            parallel, scratch);
    check_guard(scratch, bytes);
    free(scratch);
}

static bool runs_equal(const data *d, const run *a, const run *b)
{
    const bool apart = !d->c->packed;
    return same_bytes(a->y, b->y, d->y_count, 4) && same_bytes(a->lse, b->lse, d->lse_count, 4) &&
           same_bytes(a->dq, b->dq, d->q_count, 4) &&
           (!apart ||
            (same_bytes(a->dk, b->dk, d->k_count, 4) && same_bytes(a->dv, b->dv, d->k_count, 4))) &&
           same_bytes(a->dbias, b->dbias, d->bias_count, 4);
}

typedef struct wide_run {
    double *q, *k, *v, *dy, *bias, *y, *lse, *dq, *dk, *dv, *dbias;
} wide_run;

static wide_run reference(const data *d, const run *start)
{
    const int64_t width = d->a.heads * d->a.head_dim;
    const bool packed = d->c->packed;
    wide_run w = {.q = to_doubles(d->q, d->q_count),
                  .dy = to_doubles(d->dy, d->y_count),
                  .bias = to_doubles(d->bias, d->bias_count),
                  .y = to_doubles(start->y, d->y_count),
                  .lse = to_doubles(start->lse, d->lse_count),
                  .dq = to_doubles(start->dq, d->q_count),
                  .dbias = to_doubles(start->dbias, d->bias_count)};
    w.k = packed ? w.q + width : to_doubles(d->k, d->k_count);
    w.v = packed ? w.q + 2 * width : to_doubles(d->v, d->k_count);
    w.dk = packed ? w.dq + width : to_doubles(start->dk, d->k_count);
    w.dv = packed ? w.dq + 2 * width : to_doubles(start->dv, d->k_count);
    const snug_ref_attention_inputs inputs = {.q = w.q,
                                              .k = w.k,
                                              .v = w.v,
                                              .lengths = d->c->lengths[0] == -1 ? NULL : d->lengths,
                                              .bias = d->c->bias ? w.bias : NULL};
    const snug_ref_attention_gradients gradients = {
        .dq = w.dq, .dk = w.dk, .dv = w.dv, .dbias = d->c->bias ? w.dbias : NULL};
    snug_ref_attention_forward(&d->a, SAMPLES, &inputs, w.y, w.lse);
    snug_ref_attention_backward(&d->a, SAMPLES, &inputs, w.y, w.lse, w.dy, &gradients);
    return w;
}

static void reference_close(const data *d, const wide_run *w)
{
    double *const all[] = {w->q, w->dy, w->bias, w->y, w->lse, w->dq, w->dbias};
    double *const apart[] = {w->k, w->v, w->dk, w->dv};
    for (int64_t i = 0; i < SNUG_COUNT(all); i++) {
        free(all[i]);
    }
    for (int64_t i = 0; i < SNUG_COUNT(apart) && !d->c->packed; i++) {
        free(apart[i]);
    }
}

/* Chains of up to 150 terms of size 1 in f32: a few 1e-7 of the largest, times the cancellation in
   the scores' gradient. */
static void every_set_is_close_to_the_reference(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        const data d = data_open(&cases[i]);
        const run start = run_open(&d);
        const wide_run w = reference(&d, &start);
        for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
            if (!isa_runs_here((snug_kernel_isa)isa)) {
                continue;
            }
            const run r = run_open(&d);
            run_range(&d, (snug_kernel_isa)isa, 0, SAMPLES, &snug_parallel_serial, &r);
            const double far[] = {array_distance(r.y, w.y, d.y_count),
                                  array_distance(r.lse, w.lse, d.lse_count),
                                  array_distance(r.dq, w.dq, d.q_count),
                                  d.c->packed ? 0.0 : array_distance(r.dk, w.dk, d.k_count),
                                  d.c->packed ? 0.0 : array_distance(r.dv, w.dv, d.k_count),
                                  array_distance(r.dbias, w.dbias, d.bias_count)};
            for (int64_t k = 0; k < SNUG_COUNT(far); k++) {
                if (!(far[k] < 5e-6)) {
                    print_error("%s, set %d: array %lld is %.3g off\n", cases[i].name, isa,
                                (long long)k, far[k]);
                    fail();
                }
            }
            run_close(&d, &r);
        }
        reference_close(&d, &w);
        run_close(&d, &start);
        data_close(&d);
    }
}

static void splits_threads_and_sets_give_the_same_bits(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        const data d = data_open(&cases[i]);
        const run whole = run_open(&d);
        run_range(&d, SNUG_KERNEL_SCALAR, 0, SAMPLES, &snug_parallel_serial, &whole);
        for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
            for (int64_t t = isa == SNUG_KERNEL_SCALAR ? 2 : 0;
                 t < TEST_RUNNERS && isa_runs_here((snug_kernel_isa)isa); t++) {
                const snug_parallel runner = test_runner(t);
                const run r = run_open(&d);
                const int64_t piece = 1 + t % SAMPLES;
                for (int64_t first = 0; first < SAMPLES; first += piece) {
                    const int64_t left = SAMPLES - first;
                    run_range(&d, (snug_kernel_isa)isa, first, left < piece ? left : piece, &runner,
                              &r);
                }
                if (!runs_equal(&d, &whole, &r)) {
                    print_error("%s, set %d, runner %lld: other bits\n", cases[i].name, isa,
                                (long long)t);
                    fail();
                }
                run_close(&d, &r);
            }
        }
        run_close(&d, &whole);
        data_close(&d);
    }
}

/* A sample of 50 rows in buckets of 64 and of 130: the same rows, the same bits, dropout included.
 */
static void padding_changes_nothing(void **state)
{
    (void)state;
    enum { ROWS = 50 };
    const shape_case small = {"",    64,    64,    2,     32,  {ROWS, ROWS, ROWS},
                              false, false, false, false, 0.2f};
    shape_case large = small;
    large.length = 130;
    large.length_k = 130;
    const data a = data_open(&small);
    data b = data_open(&large);
    const int64_t row = a.a.row_stride;
    float *const from[] = {a.q, a.k, a.v, a.dy};
    float *const to[] = {b.q, b.k, b.v, b.dy};
    const run ra = run_open(&a);
    const run rb = run_open(&b);
    for (int n = 0; n < SAMPLES; n++) {
        for (int k = 0; k < 4; k++) {
            memcpy(to[k] + n * 130 * row, from[k] + n * 64 * row, (size_t)(ROWS * row) * 4);
        }
    }
    run_range(&a, SNUG_KERNEL_SCALAR, 0, SAMPLES, &snug_parallel_serial, &ra);
    run_range(&b, SNUG_KERNEL_SCALAR, 0, SAMPLES, &snug_parallel_serial, &rb);
    const float *const have[] = {ra.y, ra.dq, ra.dk, ra.dv};
    const float *const want[] = {rb.y, rb.dq, rb.dk, rb.dv};
    for (int n = 0; n < SAMPLES; n++) {
        for (int k = 0; k < 4; k++) {
            CHECK(same_bytes(have[k] + n * 64 * row, want[k] + n * 130 * row, ROWS * row, 4));
            for (int64_t i = ROWS * row; i < 130 * row; i++) {
                CHECK(want[k][n * 130 * row + i] == 0.0f);
            }
        }
    }
    run_close(&a, &ra);
    run_close(&b, &rb);
    data_close(&a);
    data_close(&b);
}

/* With equal scores and v of ones, a row of y is the share of the kept ones times their scale. */
static void dropout_follows_the_numbers(void **state)
{
    (void)state;
    const shape_case c = {"", 48, 80, 2, 4, {-1}, false, false, true, false, 0.25f};
    const data d = data_open(&c);
    const run r = run_open(&d);
    const uint32_t threshold = snug_dropout_threshold(0.25f);
    for (int64_t i = 0; i < d.q_count; i++) {
        d.q[i] = 0.0f;
    }
    for (int64_t i = 0; i < d.k_count; i++) {
        d.v[i] = 1.0f;
    }
    run_range(&d, SNUG_KERNEL_SCALAR, 0, SAMPLES, &snug_parallel_serial, &r);
    for (int64_t n = 0; n < SAMPLES; n++) {
        snug_dropout_key key = d.a.key;
        key.position += n;
        for (int64_t h = 0; h < 2; h++) {
            for (int64_t i = 0; i < 48; i++) {
                double sum = 0.0;
                for (int64_t j = 0; j < 80; j++) {
                    sum += snug_ref_dropout_keep(&key, snug_attention_element(h, i, j), threshold,
                                                 65536.0 / (double)threshold);
                }
                const double have = (double)r.y[(n * 48 + i) * 8 + h * 4];
                CHECK(fabs(have - sum / 80.0) < 1e-6);
            }
        }
    }
    run_close(&d, &r);
    data_close(&d);
}

/* Scores of hundreds: the maximum is taken away before exponentials are made. */
static void large_scores_are_finite(void **state)
{
    (void)state;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        data d = data_open(&cases[7]);
        const run r = run_open(&d);
        for (int64_t i = 0; i < d.q_count; i++) {
            d.q[i] *= 300.0f;
        }
        if (isa_runs_here((snug_kernel_isa)isa)) {
            const wide_run w = reference(&d, &r);
            run_range(&d, (snug_kernel_isa)isa, 0, SAMPLES, &snug_parallel_serial, &r);
            /* A score of 1000 has an error of 1e-4, and so has its probability. */
            CHECK(array_distance(r.y, w.y, d.y_count) < 1e-3);
            CHECK(array_distance(r.lse, w.lse, d.lse_count) < 1e-6);
            CHECK(array_distance(r.dv, w.dv, d.k_count) < 1e-3);
            reference_close(&d, &w);
        }
        run_close(&d, &r);
        data_close(&d);
    }
}

static void scratch_is_small(void **state)
{
    (void)state;
    snug_attention a = {.isa = SNUG_KERNEL_AVX512,
                        .length = 512,
                        .length_k = 512,
                        .heads = 12,
                        .head_dim = 64,
                        .row_stride = 768,
                        .scale = 0.125f};
    /* A matrix of scores would be 1 MiB a head. */
    CHECK(snug_attention_forward_scratch_bytes(&a, 1) < 256 << 10);
    CHECK(snug_attention_backward_scratch_bytes(&a, 1) < 512 << 10);
    CHECK(snug_attention_backward_scratch_bytes(&a, 2) ==
          2 * snug_attention_backward_scratch_bytes(&a, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_is_close_to_the_reference),
        cmocka_unit_test(splits_threads_and_sets_give_the_same_bits),
        cmocka_unit_test(padding_changes_nothing),
        cmocka_unit_test(dropout_follows_the_numbers),
        cmocka_unit_test(large_scores_are_finite),
        cmocka_unit_test(scratch_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
