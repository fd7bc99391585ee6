/* The ops of text models against PyTorch. */
#include "check.h"

#include <math.h>

#include "ops/cpu/activation.h"
#include "ops/cpu/cross_entropy.h"
#include "ops/cpu/embed.h"
#include "vector_file.h"

static _Alignas(SNUG_ALIGN) unsigned char block[1 << 20];
static vector_file vectors;

static void embeddings_follow_pytorch(void **state)
{
    (void)state;
    const snug_embed embed = {.samples = 4,
                              .length = 7,
                              .width = 20,
                              .words = 13,
                              .types = 2,
                              .position_offset = 2,
                              .padding_index = 5};
    int32_t *ids = vector_read(&vectors, "embed.ids", SNUG_I32, NULL);
    int32_t *kinds = vector_read(&vectors, "embed.kinds", SNUG_I32, NULL);
    float *dy = vector_read(&vectors, "embed.dy", SNUG_F32, NULL);
    const snug_embed_tables tables = {vector_read(&vectors, "embed.words", SNUG_F32, NULL),
                                      vector_read(&vectors, "embed.positions", SNUG_F32, NULL),
                                      vector_read(&vectors, "embed.types", SNUG_F32, NULL)};
    float y[4 * 7 * 20];
    float words[13 * 20] = {0}, positions[9 * 20] = {0}, types[2 * 20] = {0};
    const snug_embed_tables gradients = {words, positions, types};
    void *scratch = test_memory(snug_embed_scratch_bytes(2, 20));
    snug_embed_forward(&embed, &tables, ids, kinds, y, &snug_parallel_serial);
    snug_embed_backward(&embed, dy, ids, kinds, &gradients, scratch, &snug_parallel_serial);
    vector_compare(&vectors, "embed.y", y, 1e-6);
    vector_compare(&vectors, "embed.words.gradient", words, 1e-6);
    vector_compare(&vectors, "embed.positions.gradient", positions, 1e-6);
    vector_compare(&vectors, "embed.types.gradient", types, 1e-6);
    void *const all[] = {ids, kinds, dy, tables.words, tables.positions, tables.types, scratch};
    for (int i = 0; i < 7; i++) {
        free(all[i]);
    }
}

static void check_activation(const char *name, int which)
{
    char key[32];
    int64_t count = 0;
    (void)snprintf(key, sizeof key, "%s.x", name);
    float *x = vector_read(&vectors, key, SNUG_F32, &count);
    (void)snprintf(key, sizeof key, "%s.dy", name);
    float *dy = vector_read(&vectors, key, SNUG_F32, &count);
    float *y = test_floats(count);
    float *dx = test_floats(count);
    if (which < 2) {
        snug_gelu(SNUG_KERNEL_SCALAR, count, which == 1, x, y, &snug_parallel_serial);
        snug_gelu_backward(SNUG_KERNEL_SCALAR, count, which == 1, x, dy, dx, &snug_parallel_serial);
    } else {
        snug_tanh(SNUG_KERNEL_SCALAR, count, x, y, &snug_parallel_serial);
        snug_tanh_backward(SNUG_KERNEL_SCALAR, count, y, dy, dx, &snug_parallel_serial);
    }
    (void)snprintf(key, sizeof key, "%s.y", name);
    vector_compare(&vectors, key, y, 1e-6);
    (void)snprintf(key, sizeof key, "%s.dx", name);
    vector_compare(&vectors, key, dx, 1e-6);
    float *const all[] = {x, dy, y, dx};
    for (int i = 0; i < 4; i++) {
        free(all[i]);
    }
}

static void activations_follow_pytorch(void **state)
{
    (void)state;
    check_activation("gelu", 0);
    check_activation("gelu_new", 1);
    check_activation("tanh", 2);
}

static void cross_entropy_follows_pytorch(void **state)
{
    (void)state;
    enum { SAMPLES = 5, ROWS = 7, CLASSES = 9 };
    float *logits = vector_read(&vectors, "entropy.logits", SNUG_F32, NULL);
    int32_t *labels = vector_read(&vectors, "entropy.labels", SNUG_I32, NULL);
    float *want = vector_read(&vectors, "entropy.loss", SNUG_F32, NULL);
    float gradient[SAMPLES * ROWS * CLASSES];
    double shares[SAMPLES];
    double loss = 0.0;
    snug_cross_entropy entropy = {
        .samples = SAMPLES, .rows = ROWS, .classes = CLASSES, .smoothing = (double)0.1f};
    for (int64_t r = 0; r < SAMPLES * ROWS; r++) {
        entropy.normaliser += labels[r] >= 0 ? 1.0 : 0.0;
    }
    snug_cross_entropy_forward(&entropy, logits, labels, shares, &snug_parallel_serial);
    snug_cross_entropy_backward(&entropy, logits, labels, gradient, &snug_parallel_serial);
    for (int64_t n = 0; n < SAMPLES; n++) {
        loss += shares[n];
    }
    CHECK(entropy.normaliser < SAMPLES * ROWS && entropy.normaliser > 0.0);
    CHECK(fabs(loss - (double)want[0]) <= 1e-6 * fabs(loss));
    vector_compare(&vectors, "entropy.gradient", gradient, 1e-6);
    free(logits);
    free(labels);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embeddings_follow_pytorch),
        cmocka_unit_test(activations_follow_pytorch),
        cmocka_unit_test(cross_entropy_follows_pytorch),
    };
    vector_file_open(&vectors, "text_ops.safetensors", block, sizeof block);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snug_safetensors_close(&vectors.index);
    return failed;
}
