/* What the training loop sees of any data set: samples by position, written where it says. */
#ifndef SNUG_DATA_SOURCE_H
#define SNUG_DATA_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tensor/tensor.h"

enum { SNUG_SOURCE_STREAMS_MAX = 8 };

/** One field of a sample, as a graph source of the same stream number reads it. */
typedef struct snug_source_stream {
    const char *name; /* "input", "target", "mask", "initial". */
    snug_dtype dtype;
    snug_shape shape; /* Of one sample. */
} snug_source_stream;

/** One request of a step: `count` samples of one stream from position `first` of the batch. */
typedef struct snug_source_request {
    int32_t stream;
    int64_t first;
    int64_t count;
} snug_source_request;

/** Which samples a batch has. Position p of epoch e is a function of (seed, e, p) alone. */
typedef struct snug_source_batch {
    int64_t epoch;
    int64_t first_position;
    int64_t count;
    bool training; /* Shuffled, jittered and augmented; else in file order, as they are. */
} snug_source_batch;

typedef struct snug_source snug_source;

/**
 * The calls of one data set. A step is: begin, then `fetch` for each request of the schedule in its
 * order. Workers prepare requests ahead (into the next batch when it was announced) in a ring of
 * slots made at set-up; with 0 workers fetch does the work itself. The bytes are the same.
 */
typedef struct snug_source_calls {
    /** Samples of an epoch of the training or validation part. */
    int64_t (*sample_count)(const snug_source *source, bool training);
    /** Sets the order of requests that every step of the program makes; once, before the seal. */
    snug_status (*schedule)(snug_source *source, bool training, const snug_source_request *requests,
                            int64_t request_count, snug_error *err);
    /** Announces a batch; `next` (or NULL) is the one after it, to read ahead. */
    snug_status (*begin)(snug_source *source, const snug_source_batch *batch,
                         const snug_source_batch *next, snug_error *err);
    /** Which bucket (shape of a batch) the batch begun is of; 0 where there is only one. */
    int32_t (*bucket)(const snug_source *source);
    /** Number of valid target elements of the batch begun, known before any sample is read. */
    double (*normaliser)(const snug_source *source);
    /** Writes the next request of the schedule, which must be this one, to `out`. */
    snug_status (*fetch)(snug_source *source, const snug_source_request *request, void *out,
                         snug_error *err);
    void (*close)(snug_source *source);
} snug_source_calls;

/** Base of every source: implementations put it first in their own struct. */
struct snug_source {
    const snug_source_calls *calls;
    int32_t stream_count;
    snug_source_stream streams[SNUG_SOURCE_STREAMS_MAX];
};

#endif
