/*
 * A tokenizer by itself, on one thread: tokens a second over the lines of a file, the
 * shortest of REPEATS rounds. One JSON line. bench/peers/tokenizer_peer.py runs it beside its peer.
 *
 *     tokenizer_bench TOKENIZER LINES REPEATS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/token/tokenizer.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { FILE_BYTES_MAX = 1 << 30, IDS_MAX = 1 << 16 };

typedef struct round_result {
    int64_t lines;
    int64_t tokens;
    uint64_t sum; /* Of all ids: the work is real, and two rounds agree. */
} round_result;

static snug_status run_round(const snug_tokenizer *tokenizer, const char *data, int64_t bytes,
                             int32_t *ids, round_result *out, snug_error *err)
{
    *out = (round_result){0};
    for (int64_t at = 0; at < bytes;) {
        const char *const end = memchr(data + at, '\n', (size_t)(bytes - at));
        const int64_t length = end == NULL ? bytes - at : end - (data + at);
        int64_t count = 0;
        SNUG_TRY(snug_tokenizer_encode(tokenizer, data + at, length, ids, IDS_MAX, &count, err));
        for (int64_t i = 0; i < count; i++) {
            out->sum += (uint64_t)ids[i];
        }
        out->lines++;
        out->tokens += count;
        at += length + 1;
    }
    return SNUG_OK;
}

static snug_status run(char **arguments, snug_arena *arena, snug_error *err)
{
    static int32_t ids[IDS_MAX];
    const char *data = NULL;
    int64_t bytes = 0;
    int64_t best_ns = INT64_MAX;
    snug_tokenizer *tokenizer = NULL;
    round_result result = {0};
    const int64_t open_start = snug_clock_ns();
    SNUG_TRY(snug_tokenizer_open(arguments[0], arena, &tokenizer, err));
    const int64_t open_ns = snug_clock_ns() - open_start;
    snug_heap_usage usage;
    snug_heap_usage_read(&usage);
    SNUG_TRY(snug_file_read_all(arguments[1], FILE_BYTES_MAX, arena, &data, &bytes, err));
    for (int64_t repeat = strtoll(arguments[2], NULL, 10); repeat > 0; repeat--) {
        const int64_t start = snug_clock_ns();
        SNUG_TRY(run_round(tokenizer, data, bytes, ids, &result, err));
        const int64_t ns = snug_clock_ns() - start;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    const double seconds = (double)best_ns * 1e-9;
    printf("{\"lines\":%" PRId64 ",\"tokens\":%" PRId64 ",\"sum\":%" PRIu64 ",\"bytes\":%" PRId64
           ",\"seconds\":%.6f,\"tokens_s\":%.0f,\"open_ms\":%.2f,\"tokenizer_bytes\":%" PRId64
           ",\"open_peak_bytes\":%" PRId64 "}\n",
           result.lines, result.tokens, result.sum, bytes, seconds, (double)result.tokens / seconds,
           (double)open_ns * 1e-6, snug_tokenizer_facts_of(tokenizer)->bytes,
           usage.total_peak_bytes);
    return SNUG_OK;
}

int main(int argc, char **argv)
{
    snug_arena arena;
    snug_error err = {0};
    if (argc != 4) {
        (void)fprintf(stderr, "usage: tokenizer_bench TOKENIZER LINES REPEATS\n");
        return 2;
    }
    snug_heap_arena_init(&arena, "bench", SNUG_CATEGORY_DATA, 1 << 20);
    const snug_status status = run(argv + 1, &arena, &err);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    if (status != SNUG_OK) {
        (void)fprintf(stderr, "tokenizer_bench: %s\n", err.message);
        return 1;
    }
    return 0;
}
