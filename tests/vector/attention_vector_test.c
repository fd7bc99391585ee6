#include "check.h"

#include "../op/array_check.h"
#include "ops/cpu/attention.h"

/* Files of tools/vectors/make_attention_vectors.py, which says how they are laid out. */
enum { FILE_BYTES_MAX = 65536, ARRAYS = 11 };
enum { Q, K, V, BIAS, DY, Y, LSE, DQ, DK, DV, DBIAS };

typedef struct vector_header {
    char magic[8];
    int64_t numbers[7]; /* N, L, Lk, heads, D, cross, whether there is a bias. */
    float scale;
    float zero;
} vector_header;

typedef struct vector {
    snug_attention a;
    int64_t samples;
    bool bias;
    const int32_t *lengths;
    int64_t counts[ARRAYS];
    const float *arrays[ARRAYS];
} vector;

static vector read_vector(const char *name, unsigned char *bytes)
{
    char path[1024];
    vector_header header;
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/vectors/%s", SNUG_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    const size_t size = fread(bytes, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    CHECK(size > sizeof header && size < FILE_BYTES_MAX);
    memcpy(&header, bytes, sizeof header);
    CHECK(memcmp(header.magic, "SNUGATTN", 8) == 0);
    const int64_t *n = header.numbers;
    vector r = {.a = {.length = n[1],
                      .length_k = n[2],
                      .heads = n[3],
                      .head_dim = n[4],
                      .row_stride = n[3] * n[4],
                      .scale = header.scale,
                      .cross = n[5] != 0},
                .samples = n[0],
                .bias = n[6] != 0,
                .lengths = (const int32_t *)(const void *)(bytes + sizeof header)};
    const int64_t queries = n[0] * n[1] * n[3] * n[4];
    const int64_t keys = n[0] * n[2] * n[3] * n[4];
    const int64_t bias = n[3] * (n[1] + n[2] - 1);
    const int64_t counts[ARRAYS] = {queries, keys, keys, bias, queries, queries, n[0] * n[3] * n[1],
                                    queries, keys, keys, bias};
    size_t at = sizeof header + (size_t)(n[0] + n[0] % 2) * 4;
    for (int i = 0; i < ARRAYS; i++) {
        r.counts[i] = counts[i];
        r.arrays[i] = (const float *)(const void *)(bytes + at);
        at += (size_t)counts[i] * sizeof(float);
    }
    CHECK(at == size);
    return r;
}

/* PyTorch computed in float64; f32 sums of 23 terms differ by a few 1e-7 of the largest. */
static void check_close(const vector *r, int array, const float *have, const char *name)
{
    double *right = to_doubles(r->arrays[array], r->counts[array]);
    const double far = array_distance(have, right, r->counts[array]);
    if (!(far < 2e-6)) {
        print_error("%s: array %d is %.3g off\n", name, array, far);
        fail();
    }
    free(right);
}

static void check_file(const char *name)
{
    static _Alignas(16) unsigned char bytes[FILE_BYTES_MAX];
    const vector r = read_vector(name, bytes);
    float *out[ARRAYS];
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        snug_attention a = r.a;
        a.isa = (snug_kernel_isa)isa;
        if (!isa_runs_here(a.isa)) {
            continue;
        }
        for (int i = Y; i < ARRAYS; i++) {
            out[i] = test_floats(r.counts[i]);
            memset(out[i], 0, (size_t)r.counts[i] * sizeof(float));
        }
        const snug_attention_inputs inputs = {.q = r.arrays[Q],
                                              .k = r.arrays[K],
                                              .v = r.arrays[V],
                                              .lengths = r.lengths,
                                              .bias = r.bias ? r.arrays[BIAS] : NULL};
        const snug_attention_gradients gradients = {
            .dq = out[DQ], .dk = out[DK], .dv = out[DV], .dbias = r.bias ? out[DBIAS] : NULL};
        void *forward = test_memory(snug_attention_forward_scratch_bytes(&a, 1));
        void *backward = test_memory(snug_attention_backward_scratch_bytes(&a, 1));
        snug_attention_forward(&a, r.samples, &inputs, out[Y], out[LSE], &snug_parallel_serial,
                               forward);
        snug_attention_backward(&a, r.samples, &inputs, out[Y], out[LSE], r.arrays[DY], &gradients,
                                &snug_parallel_serial, backward);
        for (int i = Y; i < ARRAYS; i++) {
            check_close(&r, i, out[i], name);
            free(out[i]);
        }
        free(forward);
        free(backward);
    }
}

static void masked_self_attention_is_pytorchs(void **state)
{
    (void)state;
    check_file("attention_mask.bin");
}

static void attention_with_t5_bias_is_pytorchs(void **state)
{
    (void)state;
    check_file("attention_bias.bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masked_self_attention_is_pytorchs),
        cmocka_unit_test(attention_with_t5_bias_is_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
