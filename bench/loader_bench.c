/*
 * The time series loader by itself: windows a second, or seconds to index and normalise. One JSON
 * line.
 *
 *     loader_bench windows PATH WINDOW BATCH WORKERS SECONDS
 *     loader_bench index PATH
 *     loader_bench generate FOLDER FILES ROWS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "data/timeseries/timeseries.h"
#include "data/timeseries/timeseries_files.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { TILE_ROWS = 4000, STREAMS = 3, REQUESTS_MAX = 4096 };

typedef struct bench {
    snug_arena arena;
    snug_timeseries_index *index;
    snug_source *source;
    snug_source_request steps[REQUESTS_MAX];
    int64_t step_count;
    void *out[STREAMS];
    int64_t batch;
    int64_t tile; /* Samples of one request: small enough to stay in the cache. */
    int64_t epoch, position;
} bench;

static int64_t tile_of(int64_t window)
{
    return snug_max_i64(1, TILE_ROWS / window);
}

static int64_t peak_rss_bytes(void)
{
    char text[4096];
    int64_t bytes = 0;
    snug_error err = {0};
    if (snug_file_read_into("/proc/self/status", text, sizeof text, &bytes, &err) != SNUG_OK) {
        return 0;
    }
    const char *const line = strstr(text, "VmHWM:");
    return line == NULL ? 0 : strtoll(line + 6, NULL, 10) * 1024;
}

static snug_status open_source(bench *self, const snug_timeseries_options *options, snug_error *err)
{
    snug_heap_arena_init(&self->arena, "data", SNUG_CATEGORY_DATA, 1 << 20);
    SNUG_TRY(snug_timeseries_index_open(options, &self->arena, &self->index, err));
    SNUG_TRY(snug_timeseries_open(self->index, &self->arena, &self->source, err));
    self->batch = snug_min_i64(self->batch, self->source->calls->sample_count(self->source, true));
    for (int64_t first = 0; first < self->batch; first += self->tile) {
        for (int32_t stream = 0; stream < STREAMS; stream++) {
            if (self->step_count < REQUESTS_MAX) {
                self->steps[self->step_count++] = (snug_source_request){
                    stream, first, snug_min_i64(self->tile, self->batch - first)};
            }
        }
    }
    for (int32_t stream = 0; stream < STREAMS; stream++) {
        const snug_source_stream *const one = &self->source->streams[stream];
        const int64_t bytes = snug_shape_count(&one->shape) * snug_dtype_bytes(one->dtype);
        SNUG_TRY(snug_arena_array(&self->arena, self->tile, bytes, &self->out[stream], err));
    }
    return self->source->calls->schedule(self->source, true, self->steps, self->step_count, err);
}

static snug_source_batch next_batch(bench *self)
{
    const int64_t count = self->source->calls->sample_count(self->source, true);
    if (self->position + self->batch > count) {
        self->position = 0;
        self->epoch++;
    }
    const snug_source_batch batch = {.epoch = self->epoch,
                                     .first_position = self->position,
                                     .count = self->batch,
                                     .training = true};
    self->position += self->batch;
    return batch;
}

static snug_status run_windows(bench *self, double seconds, int64_t *out_samples,
                               double *out_seconds, snug_error *err)
{
    snug_source_batch batch = next_batch(self);
    const int64_t start_ns = snug_clock_ns();
    int64_t samples = 0;
    while (snug_clock_seconds_since(start_ns) < seconds) {
        const snug_source_batch next = next_batch(self);
        SNUG_TRY(self->source->calls->begin(self->source, &batch, &next, err));
        for (int64_t i = 0; i < self->step_count; i++) {
            SNUG_TRY(self->source->calls->fetch(self->source, &self->steps[i],
                                                self->out[self->steps[i].stream], err));
        }
        samples += batch.count;
        batch = next;
    }
    *out_samples = samples;
    *out_seconds = snug_clock_seconds_since(start_ns);
    return SNUG_OK;
}

static snug_status windows(char **arguments, snug_error *err)
{
    static bench self;
    const snug_timeseries_options options = {
        .path = arguments[0],
        .window = strtoll(arguments[1], NULL, 10),
        .stride = strtoll(arguments[1], NULL, 10) / 2,
        .jitter = true,
        .use_mask = true,
        .normalise_inputs = SNUG_NORMALISE_SESSION,
        .train_fraction = 1.0,
        .workers = (int32_t)strtol(arguments[3], NULL, 10),
        .slot_bytes = tile_of(strtoll(arguments[1], NULL, 10)) *
                      (strtoll(arguments[1], NULL, 10) * (36 * 4 + 1) + 256),
        .chunk_cache_bytes = 16 << 20};
    self.batch = strtoll(arguments[2], NULL, 10);
    self.tile = tile_of(options.window);
    int64_t samples = 0;
    double seconds = 0.0;
    SNUG_TRY(open_source(&self, &options, err));
    SNUG_TRY(run_windows(&self, strtod(arguments[4], NULL), &samples, &seconds, err));
    snug_timeseries_times times;
    snug_timeseries_times_read(self.source, &times);
    printf("{\"samples_per_second\": %.1f, \"peak_rss_bytes\": %" PRId64
           ", \"starved_fraction\": %.3f, \"cache_misses\": %" PRId64 "}\n",
           (double)samples / seconds, peak_rss_bytes(), (double)times.starved_ns * 1e-9 / seconds,
           times.cache_misses);
    self.source->calls->close(self.source);
    return SNUG_OK;
}

static snug_status index_files(char **arguments, snug_error *err)
{
    snug_arena arena;
    snug_timeseries_index *index = NULL;
    const snug_timeseries_options options = {.path = arguments[0],
                                             .window = 500,
                                             .normalise_inputs = SNUG_NORMALISE_SESSION,
                                             .normalise_targets = SNUG_NORMALISE_SESSION};
    snug_heap_arena_init(&arena, "data", SNUG_CATEGORY_DATA, 1 << 20);
    const int64_t start_ns = snug_clock_ns();
    SNUG_TRY(snug_timeseries_index_open(&options, &arena, &index, err));
    const double seconds = snug_clock_seconds_since(start_ns);
    const int64_t count = snug_timeseries_facts_of(index)->file_count;
    printf("{\"seconds_per_file\": %.6f, \"peak_rss_bytes\": %" PRId64 "}\n",
           seconds / (double)count, peak_rss_bytes());
    return SNUG_OK;
}

static snug_status generate(char **arguments, snug_error *err)
{
    const snug_timeseries_generate_options options = {.folder = arguments[0],
                                                      .file_count = strtoll(arguments[1], NULL, 10),
                                                      .row_count = strtoll(arguments[2], NULL, 10)};
    return snug_timeseries_generate(&options, NULL, NULL, err);
}

int main(int count, char **arguments)
{
    snug_error err = {0};
    snug_status status = SNUG_CODE_USAGE;
    if (count == 7 && strcmp(arguments[1], "windows") == 0) {
        status = windows(arguments + 2, &err);
    } else if (count == 3 && strcmp(arguments[1], "index") == 0) {
        status = index_files(arguments + 2, &err);
    } else if (count == 5 && strcmp(arguments[1], "generate") == 0) {
        status = generate(arguments + 2, &err);
    }
    if (status != SNUG_OK) {
        fprintf(stderr, "loader_bench: %s\n", err.message[0] != '\0' ? err.message : "bad usage");
    }
    return status == SNUG_OK ? 0 : 1;
}
