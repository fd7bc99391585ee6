/* Session files for the tests of the time series source, with numbers that say where they are from.
 */
#ifndef SNUG_TESTS_SESSION_FILES_H
#define SNUG_TESTS_SESSION_FILES_H

#include <math.h>
#include <unistd.h>

#include "check.h"
#include "data/hdf5/h5_write.h"
#include "data/timeseries/timeseries.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { SESSION_INPUTS = 4, SESSION_TARGETS = 2, SESSION_ROW_BYTES = 8 + 16 + 16 };

/** One folder of files, one data arena, one index and one source; all zeros is none. */
typedef struct sessions {
    char folder[64];
    snug_arena arena;
    snug_timeseries_index *index;
    snug_source *source;
} sessions;

/** What stands in a file: input channel c of a row, target k of a row. Exact in f32. */
static inline float session_input(int64_t file, int64_t row, int64_t c)
{
    return (float)(file * 10000 + row) + 0.25f * (float)c;
}

static inline float session_target(int64_t file, int64_t row, int64_t k)
{
    return (float)(row + 1) + 0.125f * (float)k - 0.5f * (float)file;
}

/** Rows [first, end) have targets of zero; a NaN at row `nan_row` of input 2 unless it is < 0. */
typedef struct session_spec {
    int64_t rows;
    int64_t zero_first, zero_end;
    int64_t nan_row;
} session_spec;

static inline void sessions_begin(sessions *self)
{
    *self = (sessions){0};
    (void)snprintf(self->folder, sizeof self->folder, "./sessions-XXXXXX");
    CHECK(mkdtemp(self->folder) != NULL);
    snug_heap_arena_init(&self->arena, "data", SNUG_CATEGORY_DATA, 256 << 10);
}

static inline void sessions_close(sessions *self)
{
    if (self->source != NULL) {
        self->source->calls->close(self->source);
        self->source = NULL;
    }
    snug_heap_arena_deinit(&self->arena, SNUG_CATEGORY_DATA);
    snug_heap_arena_init(&self->arena, "data", SNUG_CATEGORY_DATA, 256 << 10);
    self->index = NULL;
}

static inline void sessions_end(sessions *self)
{
    snug_error err = {0};
    sessions_close(self);
    CHECK_OK(snug_folder_remove(self->folder, &err));
}

static inline void session_path(const sessions *self, int64_t file, char out[SNUG_PATH_BYTES])
{
    (void)snprintf(out, SNUG_PATH_BYTES, "%s/s%04d.hdf5", self->folder, (int)file);
}

static inline void session_write(const sessions *self, int64_t file, session_spec spec)
{
    static _Alignas(SNUG_ALIGN) unsigned char block[512 << 10];
    snug_error err = {0};
    snug_arena arena;
    snug_h5_writer writer = {0};
    char path[SNUG_PATH_BYTES];
    session_path(self, file, path);
    snug_arena_init(&arena, "writer", block, sizeof block);
    const snug_h5_write_member members[] = {{"time", SNUG_H5_FLOAT, 8, 1},
                                            {"joint_angles", SNUG_H5_FLOAT, 8, SESSION_TARGETS},
                                            {"emg", SNUG_H5_FLOAT, 4, SESSION_INPUTS}};
    const snug_h5_write_options options = {.path = path,
                                           .group = "emg2pose",
                                           .dataset = "timeseries",
                                           .members = members,
                                           .member_count = 3};
    CHECK_OK(snug_h5_writer_open(&options, &arena, &writer, &err));
    for (int64_t row = 0; row < spec.rows; row++) {
        double head[1 + SESSION_TARGETS] = {(double)row * 0.01};
        float tail[SESSION_INPUTS];
        for (int64_t k = 0; k < SESSION_TARGETS; k++) {
            const bool zero = row >= spec.zero_first && row < spec.zero_end;
            head[1 + k] = zero ? 0.0 : (double)session_target(file, row, k);
        }
        for (int64_t c = 0; c < SESSION_INPUTS; c++) {
            tail[c] = row == spec.nan_row && c == 2 ? NAN : session_input(file, row, c);
        }
        unsigned char bytes[SESSION_ROW_BYTES];
        memcpy(bytes, head, sizeof head);
        memcpy(bytes + sizeof head, tail, sizeof tail);
        CHECK_OK(snug_h5_writer_rows(&writer, bytes, 1, &err));
    }
    CHECK_OK(snug_h5_writer_commit(&writer, &err));
}

static inline void sessions_open(sessions *self, const snug_timeseries_options *options)
{
    snug_error err = {0};
    snug_timeseries_options full = *options;
    if (full.path == NULL) {
        full.path = self->folder;
    }
    CHECK_OK(snug_timeseries_index_open(&full, &self->arena, &self->index, &err));
    const int64_t before = self->arena.used_bytes;
    CHECK_OK(snug_timeseries_open(self->index, &self->arena, &self->source, &err));
    assert_int_equal(self->arena.used_bytes - before, snug_timeseries_size(self->index));
}

static inline int64_t session_stream_bytes(const snug_source *source, int32_t stream)
{
    return snug_shape_count(&source->streams[stream].shape) *
           snug_dtype_bytes(source->streams[stream].dtype);
}

/** One sample of a stream, read by itself. */
static inline void session_sample(sessions *self, bool training, int64_t epoch, int64_t position,
                                  int32_t stream, void *out)
{
    snug_error err = {0};
    const snug_source_batch batch = {
        .epoch = epoch, .first_position = position, .count = 1, .training = training};
    const snug_source_request request = {.stream = stream, .first = 0, .count = 1};
    CHECK_OK(self->source->calls->begin(self->source, &batch, NULL, &err));
    CHECK_OK(self->source->calls->fetch(self->source, &request, out, &err));
}

#endif
