/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/embed.h"

enum { SAMPLES = 5, LENGTH = 600, WIDTH = 150, WORDS = 11, TYPES = 2, OFFSET = 2, PADDING = 3 };
enum { ROWS = SAMPLES * LENGTH };

typedef struct gradient {
    float words[WORDS * WIDTH];
    float positions[(LENGTH + OFFSET) * WIDTH];
    float types[TYPES * WIDTH];
} gradient;

static int32_t ids[ROWS], kinds[ROWS];

static snug_embed options(int64_t samples)
{
    return (snug_embed){.samples = samples,
                        .length = LENGTH,
                        .width = WIDTH,
                        .words = WORDS,
                        .types = TYPES,
                        .position_offset = OFFSET,
                        .padding_index = PADDING};
}

static void fill_ids(void)
{
    test_random random = {77};
    for (int64_t r = 0; r < ROWS; r++) {
        ids[r] = (int32_t)random_between(&random, 0, WORDS - 2); /* The last is never read. */
        kinds[r] = (int32_t)random_between(&random, 0, TYPES - 1);
    }
}

static void backward(snug_kernel_isa isa, int64_t first, int64_t samples, const float *dy,
                     gradient *g, const snug_parallel *parallel)
{
    snug_embed embed = options(samples);
    const snug_embed_tables tables = {g->words, g->positions, g->types};
    void *scratch = test_memory(snug_embed_scratch_bytes(TYPES, WIDTH));
    embed.isa = isa;
    snug_embed_backward(&embed, dy + first * LENGTH * WIDTH, ids + first * LENGTH,
                        kinds + first * LENGTH, &tables, scratch, parallel);
    free(scratch);
}

static void gradients_are_sums_in_sample_order(void **state)
{
    (void)state;
    test_random random = {5};
    float *dy = random_floats(&random, ROWS * WIDTH);
    gradient *whole = test_memory(sizeof *whole);
    gradient *part = test_memory(sizeof *part);
    double *exact = test_memory(WORDS * WIDTH * (int64_t)sizeof(double));
    fill_ids();
    memset(whole, 0, sizeof *whole);
    backward(SNUG_KERNEL_SCALAR, 0, SAMPLES, dy, whole, &snug_parallel_serial);
    for (int64_t i = 0; i < WORDS * WIDTH; i++) {
        exact[i] = 0.0;
    }
    for (int64_t i = 0; i < ROWS * WIDTH; i++) {
        const int64_t id = ids[i / WIDTH];
        exact[id * WIDTH + i % WIDTH] += id == PADDING ? 0.0 : (double)dy[i];
    }
    CHECK(array_distance(whole->words, exact, WORDS * WIDTH) < 1e-6);
    for (int64_t c = 0; c < WIDTH; c++) {
        CHECK(whole->words[PADDING * WIDTH + c] == 0.0f);
        CHECK(whole->words[(WORDS - 1) * WIDTH + c] == 0.0f);
        CHECK(whole->positions[c] == 0.0f && whole->positions[WIDTH + c] == 0.0f);
        /* Every sample reads a position once: the chain of its five rows. */
        float sum = 0.0f;
        for (int64_t n = 0; n < SAMPLES; n++) {
            sum += dy[(n * LENGTH + 17) * WIDTH + c];
        }
        CHECK(whole->positions[(17 + OFFSET) * WIDTH + c] == sum);
    }
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        const int64_t step = 1 + run % 4;
        memset(part, 0, sizeof *part);
        for (int64_t n = 0; n < SAMPLES && isa_runs_here((snug_kernel_isa)(run % 3)); n += step) {
            backward((snug_kernel_isa)(run % 3), n, SAMPLES - n < step ? SAMPLES - n : step, dy,
                     part, &runner);
        }
        CHECK(!isa_runs_here((snug_kernel_isa)(run % 3)) ||
              memcmp(whole, part, sizeof *whole) == 0);
    }
    free(dy);
    free(whole);
    free(part);
    free(exact);
}

static void rows_are_added_in_the_stated_order(void **state)
{
    (void)state;
    test_random random = {6};
    float *words = random_floats(&random, WORDS * WIDTH);
    float *positions = random_floats(&random, (LENGTH + OFFSET) * WIDTH);
    float *types = random_floats(&random, TYPES * WIDTH);
    float *y = test_floats(ROWS * WIDTH);
    fill_ids();
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT && isa_runs_here((snug_kernel_isa)isa); isa++) {
        snug_embed embed = options(SAMPLES);
        const snug_embed_tables all = {words, positions, types};
        const snug_embed_tables one = {words, NULL, NULL};
        const snug_embed_tables typed = {words, NULL, types};
        embed.isa = (snug_kernel_isa)isa;
        snug_embed_forward(&embed, &all, ids, kinds, y, &snug_parallel_serial);
        for (int64_t i = 0; i < ROWS * WIDTH; i++) {
            const int64_t r = i / WIDTH;
            const int64_t c = i % WIDTH;
            const float sum =
                words[ids[r] * WIDTH + c] + positions[(r % LENGTH + OFFSET) * WIDTH + c];
            CHECK(y[i] == sum + types[kinds[r] * WIDTH + c]);
        }
        snug_embed_forward(&embed, &one, ids, NULL, y, &snug_parallel_serial);
        CHECK(same_bytes(y + 40 * WIDTH, words + ids[40] * WIDTH, WIDTH, sizeof(float)));
        snug_embed_forward(&embed, &typed, ids, NULL, y, &snug_parallel_serial);
        CHECK(y[40 * WIDTH + 7] == words[ids[40] * WIDTH + 7] + types[7]);
    }
    float *const all[] = {words, positions, types, y};
    for (int i = 0; i < 4; i++) {
        free(all[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_sums_in_sample_order),
        cmocka_unit_test(rows_are_added_in_the_stated_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
