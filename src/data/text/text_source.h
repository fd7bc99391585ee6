/* Batches of tokenised text for a session: order, split, buckets of length, all by arithmetic. */
#ifndef SNUG_DATA_TEXT_TEXT_SOURCE_H
#define SNUG_DATA_TEXT_TEXT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/source.h"
#include "data/text/token_file.h"

enum {
    SNUG_TEXT_BUCKETS_MAX = 8,
    SNUG_TEXT_BATCH_MAX = 1 << 16, /* Samples of a batch that lengths are grouped for. */
    SNUG_TEXT_GROUP_BATCHES = 50   /* Batches of a window that lengths are grouped in. */
};

typedef enum snug_text_part {
    SNUG_TEXT_TRAIN,
    SNUG_TEXT_VALIDATION,
    SNUG_TEXT_TEST,
    SNUG_TEXT_PART_COUNT
} snug_text_part;

/** The streams of this source, by their number. L is the length of the bucket of the batch begun;
 * the shapes of the source say the largest. */
typedef enum snug_text_stream {
    SNUG_TEXT_IDS,    /* i32 [L]; behind the sample's length the pad id. */
    SNUG_TEXT_TYPES,  /* i32 [L]: 1 in the second segment, else 0. */
    SNUG_TEXT_LENGTH, /* i32 [1] */
    SNUG_TEXT_LABEL,  /* i32 [1]; -1: none. */
    SNUG_TEXT_STREAM_COUNT
} snug_text_stream;

/** All zeros with files[SNUG_TEXT_TRAIN] is valid. */
typedef struct snug_text_source_options {
    /**
     * Borrowed, open as long as the source. A part without a file is cut out of the rows of the
     * train file, by a shuffle of `split_seed`; so a test part of its own is cut only where
     * validation has no file either, unless `test_fraction` says so. Without a train file there is
     * nothing to train on and nothing is cut.
     */
    const snug_token_file *files[SNUG_TEXT_PART_COUNT];
    double validation_fraction; /**< Of the rows of the train file; 0: 0.1, below 0: none. */
    double test_fraction;       /**< Likewise. */
    uint64_t split_seed;
    uint64_t seed;                  /**< Of the order. */
    snug_text_part evaluation_part; /**< What `training` = false reads. */

    int32_t bucket_count;                         /**< 0: one, of `max_length`. */
    int32_t bucket_length[SNUG_TEXT_BUCKETS_MAX]; /**< Ascending; the last holds every sample. */
    int32_t max_length;                           /**< Of the model; 0: that of the files. */
    int32_t pad_id;
    int64_t batch; /**< Samples of a usual batch, whose places are kept; 0: 256. */
    /**
     * Training reads, in windows of 50 batches of the shuffled order, samples of like length
     * together. The same samples each epoch; which share a batch is a function of (seed, epoch).
     */
    bool group_by_length;
} snug_text_source_options;

/** Samples of each part. @errors  DATA when fractions leave nothing to train on. */
SNUG_MUST_CHECK snug_status snug_text_source_count(const snug_text_source_options *options,
                                                   int64_t out[SNUG_TEXT_PART_COUNT],
                                                   snug_error *err);

/** Bytes that snug_text_source_open takes from its arena, exactly. */
int64_t snug_text_source_size(const snug_text_source_options *options);

/**
 * A source over prepared files. Everything it will ever need is taken here. There are no workers:
 * a sample is one small read from the page cache, cheaper than waking a thread, and the bytes are
 * the same by construction.
 *
 * @param options  Copied, the files borrowed.
 * @param arena    Gives snug_text_source_size() bytes; as before on failure.
 * @errors  USAGE (buckets that do not rise, or do not hold max_length), DATA (samples longer than
 *          max_length), those of the count.
 * @threads The calls of the source are for one thread at a time.
 */
SNUG_MUST_CHECK snug_status snug_text_source_open(const snug_text_source_options *options,
                                                  snug_arena *arena, snug_source **out,
                                                  snug_error *err);

/** Which sample of which file stands at `position` of a part that is read as it is. */
typedef struct snug_text_place {
    const snug_token_file *file;
    int64_t index;
} snug_text_place;

snug_text_place snug_text_source_locate(const snug_source *source, snug_text_part part,
                                        int64_t position);

#endif
