#include "data/text/text_source.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/sort.h"
#include "data/order.h"

enum { BATCH_DEFAULT = 256 };
static const double fraction_default = 0.1;

/* Rows of a file that make a part: positions of the split, or the file as it is. */
typedef struct part {
    const snug_token_file *file;
    int64_t first; /* Position in the split. */
    int64_t count;
    bool cut;
} part;

typedef struct text_source {
    snug_source base; /* First. */
    snug_text_source_options options;
    part parts[SNUG_TEXT_PART_COUNT];
    snug_order split;

    /* The batch begun. */
    bool begun;
    snug_source_batch batch;
    snug_order order; /* Of its epoch. */
    int32_t bucket;
    int64_t labelled;
    snug_token_entry *entries; /* Of its first `entries_max` samples. */
    int64_t entries_max;

    /* The window that the batch lies in, with group_by_length: its positions by length. */
    int32_t *window;
    int32_t *window_lengths; /* By position. */
    int64_t window_max;
    int64_t window_number; /* -1: none. */
    int64_t window_epoch;
    int64_t window_count;
    snug_order window_order; /* Of its whole batches. */
} text_source;

static text_source *self_of(snug_source *source)
{
    return (text_source *)source;
}

static const text_source *const_self_of(const snug_source *source)
{
    return (const text_source *)source;
}

/* ---- Parts ---- */

/* A share of `rows`; at least one row where a share is wanted and there are three. */
static int64_t share_of(int64_t rows, double fraction)
{
    const int64_t count = (int64_t)((double)rows * fraction);
    return fraction > 0.0 && count == 0 && rows >= 3 ? 1 : count;
}

static double fraction_of(double wanted, bool is_default)
{
    return wanted > 0.0 ? wanted : wanted == 0.0 && is_default ? fraction_default : 0.0;
}

static snug_status divide(const snug_text_source_options *options, part parts[SNUG_TEXT_PART_COUNT],
                          snug_error *err)
{
    const snug_token_file *const *files = options->files;
    const snug_token_file *train = files[SNUG_TEXT_TRAIN];
    for (int32_t i = 0; i < SNUG_TEXT_PART_COUNT; i++) {
        parts[i] = (part){.file = files[i], .count = files[i] == NULL ? 0 : files[i]->header.count};
    }
    if (train == NULL) {
        return SNUG_OK;
    }
    const bool cut_validation = files[SNUG_TEXT_VALIDATION] == NULL;
    const bool cut_test = files[SNUG_TEXT_TEST] == NULL;
    const double validation =
        cut_validation ? fraction_of(options->validation_fraction, true) : 0.0;
    const double test = cut_test ? fraction_of(options->test_fraction, cut_validation) : 0.0;
    const int64_t rows = train->header.count;
    const int64_t validation_count = share_of(rows, validation);
    const int64_t test_count = share_of(rows, test);
    const int64_t train_count = rows - validation_count - test_count;
    if (validation + test >= 1.0 || train_count <= 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "of %" PRId64 " rows the parts for validation and test leave none to "
                         "train on",
                         rows);
    }
    if (validation_count + test_count > 0) {
        parts[SNUG_TEXT_TRAIN] = (part){train, 0, train_count, true};
    }
    if (cut_validation) {
        parts[SNUG_TEXT_VALIDATION] = (part){train, train_count, validation_count, true};
    }
    if (cut_test) {
        parts[SNUG_TEXT_TEST] = (part){train, train_count + validation_count, test_count, true};
    }
    return SNUG_OK;
}

snug_status snug_text_source_count(const snug_text_source_options *options,
                                   int64_t out[SNUG_TEXT_PART_COUNT], snug_error *err)
{
    part parts[SNUG_TEXT_PART_COUNT];
    SNUG_TRY(divide(options, parts, err));
    for (int32_t i = 0; i < SNUG_TEXT_PART_COUNT; i++) {
        out[i] = parts[i].count;
    }
    return SNUG_OK;
}

static int64_t index_of(const text_source *self, const part *of, int64_t position)
{
    return of->cut ? snug_order_at(&self->split, of->first + position) : position;
}

snug_text_place snug_text_source_locate(const snug_source *source, snug_text_part which,
                                        int64_t position)
{
    const text_source *self = const_self_of(source);
    const part *of = &self->parts[which];
    SNUG_ASSERT(position >= 0 && position < of->count);
    return (snug_text_place){of->file, index_of(self, of, position)};
}

/* ---- Samples of like length together ---- */

static int64_t batch_of(const snug_text_source_options *options)
{
    return options->batch > 0 ? options->batch : BATCH_DEFAULT;
}

static bool is_shorter(const void *things, int32_t a, int32_t b)
{
    const int32_t *lengths = things;
    return lengths[a] != lengths[b] ? lengths[a] < lengths[b] : a < b;
}

/* Sorts the window of a position by length; the order of its batches is shuffled again. */
static snug_status take_window(text_source *self, int64_t epoch, int64_t number, snug_error *err)
{
    const part *train = &self->parts[SNUG_TEXT_TRAIN];
    const int64_t first = number * self->window_max;
    const int64_t count = snug_min_i64(self->window_max, train->count - first);
    if (self->window_number == number && self->window_epoch == epoch) {
        return SNUG_OK;
    }
    self->window_number = -1;
    for (int64_t i = 0; i < count; i++) {
        snug_token_entry entry;
        const int64_t index = index_of(self, train, snug_order_at(&self->order, first + i));
        SNUG_TRY(snug_token_file_entry(train->file, index, &entry, err));
        self->window_lengths[i] = entry.length;
    }
    snug_sort_numbers(self->window, count, is_shorter, self->window_lengths);
    self->window_count = count;
    self->window_epoch = epoch;
    self->window_number = number;
    snug_order_init(&self->window_order, snug_hash64_mix(self->options.seed, (uint64_t)number),
                    epoch, count / batch_of(&self->options));
    return SNUG_OK;
}

/* The position of the shuffled order that stands at `position` once lengths are grouped. */
static snug_status group(text_source *self, int64_t epoch, int64_t position, int64_t *out,
                         snug_error *err)
{
    const int64_t batch = batch_of(&self->options);
    const int64_t number = position / self->window_max;
    int64_t rank = position % self->window_max;
    SNUG_TRY(take_window(self, epoch, number, err));
    /* What is no whole batch stays behind the whole ones: the longest samples of the last window.
     */
    if (rank / batch < self->window_order.count) {
        rank = snug_order_at(&self->window_order, rank / batch) * batch + rank % batch;
    }
    *out = number * self->window_max + self->window[rank];
    return SNUG_OK;
}

/* ---- Batches ---- */

static snug_text_part part_read(const text_source *self, bool training)
{
    return training ? SNUG_TEXT_TRAIN : self->options.evaluation_part;
}

static int64_t call_sample_count(const snug_source *source, bool training)
{
    const text_source *self = const_self_of(source);
    return self->parts[part_read(self, training)].count;
}

/* Requests may come in any order, so there is nothing to prepare. */
static snug_status call_schedule(snug_source *source, bool training,
                                 const snug_source_request *requests, int64_t request_count,
                                 snug_error *err)
{
    SNUG_UNUSED(source);
    SNUG_UNUSED(training);
    for (int64_t i = 0; i < request_count; i++) {
        if (requests[i].stream < 0 || requests[i].stream >= SNUG_TEXT_STREAM_COUNT ||
            requests[i].first < 0 || requests[i].count < 0) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "a request of stream %d", requests[i].stream);
        }
    }
    return SNUG_OK;
}

/* Entry of sample `i` of `batch`, whose epoch's order stands in self->order. */
static snug_status find_entry(text_source *self, const snug_source_batch *batch, int64_t i,
                              snug_token_entry *out, snug_error *err)
{
    const part *of = &self->parts[part_read(self, batch->training)];
    int64_t position = batch->first_position + i;
    if (batch->training) {
        if (self->options.group_by_length) {
            SNUG_TRY(group(self, batch->epoch, position, &position, err));
        }
        position = snug_order_at(&self->order, position);
    }
    return snug_token_file_entry(of->file, index_of(self, of, position), out, err);
}

static int32_t bucket_for(const text_source *self, int32_t length)
{
    int32_t bucket = 0;
    while (self->options.bucket_length[bucket] < length) {
        bucket++;
    }
    return bucket;
}

static snug_status check_batch(const text_source *self, const snug_source_batch *batch,
                               snug_error *err)
{
    const int64_t count = self->parts[part_read(self, batch->training)].count;
    if (batch->epoch < 0 || batch->first_position < 0 || batch->count < 1 ||
        batch->first_position > count - batch->count) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a batch of %" PRId64 " from position %" PRId64 "; there are %" PRId64
                         " samples",
                         batch->count, batch->first_position, count);
    }
    return SNUG_OK;
}

static snug_status call_begin(snug_source *source, const snug_source_batch *batch,
                              const snug_source_batch *next, snug_error *err)
{
    text_source *self = self_of(source);
    int32_t longest = 0;
    int64_t labelled = 0;
    SNUG_UNUSED(next); /* Its pages are the kernel's to read ahead. */
    SNUG_TRY(check_batch(self, batch, err));
    self->begun = false;
    if (batch->training) {
        snug_order_init(&self->order, self->options.seed, batch->epoch,
                        self->parts[SNUG_TEXT_TRAIN].count);
    }
    for (int64_t i = 0; i < batch->count; i++) {
        snug_token_entry entry = {0};
        SNUG_TRY(find_entry(self, batch, i, &entry, err));
        longest = entry.length > longest ? entry.length : longest;
        labelled += entry.label >= 0 ? 1 : 0;
        if (i < self->entries_max) {
            self->entries[i] = entry;
        }
    }
    self->batch = *batch;
    self->bucket = bucket_for(self, longest);
    self->labelled = labelled;
    self->begun = true;
    return SNUG_OK;
}

static int32_t call_bucket(const snug_source *source)
{
    return const_self_of(source)->bucket;
}

static double call_normaliser(const snug_source *source)
{
    return (double)const_self_of(source)->labelled;
}

/* One stream of one sample. */
static snug_status write_sample(const text_source *self, const snug_token_entry *entry,
                                int32_t stream, int32_t length, int32_t *out, snug_error *err)
{
    const snug_token_file *file = self->parts[part_read(self, self->batch.training)].file;
    switch (stream) {
    case SNUG_TEXT_IDS:
        SNUG_TRY(snug_token_file_ids(file, entry, out, err));
        for (int32_t i = entry->length; i < length; i++) {
            out[i] = self->options.pad_id;
        }
        break;
    case SNUG_TEXT_TYPES:
        for (int32_t i = 0; i < length; i++) {
            out[i] = i >= entry->first_pair && i < entry->length ? 1 : 0;
        }
        break;
    case SNUG_TEXT_LENGTH:
        *out = entry->length;
        break;
    default:
        *out = entry->label;
        break;
    }
    return SNUG_OK;
}

static snug_status call_fetch(snug_source *source, const snug_source_request *request, void *out,
                              snug_error *err)
{
    text_source *self = self_of(source);
    if (!self->begun) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "fetch before begin");
    }
    if (request->stream < 0 || request->stream >= SNUG_TEXT_STREAM_COUNT || request->first < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "fetch of stream %d from %" PRId64, request->stream,
                         request->first);
    }
    const bool wide = request->stream == SNUG_TEXT_IDS || request->stream == SNUG_TEXT_TYPES;
    const int32_t length = self->options.bucket_length[self->bucket];
    const int64_t step = wide ? length : 1;
    const int64_t count = snug_min_i64(request->count, self->batch.count - request->first);
    int32_t *to = out;
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = request->first + i;
        snug_token_entry entry;
        if (at < self->entries_max) {
            entry = self->entries[at];
        } else {
            SNUG_TRY(find_entry(self, &self->batch, at, &entry, err));
        }
        SNUG_TRY(write_sample(self, &entry, request->stream, length, to + i * step, err));
    }
    return SNUG_OK;
}

/* Everything is the arena's and the files are borrowed. */
static void call_close(snug_source *source)
{
    SNUG_UNUSED(source);
}

static const snug_source_calls text_calls = {.sample_count = call_sample_count,
                                             .schedule = call_schedule,
                                             .begin = call_begin,
                                             .bucket = call_bucket,
                                             .normaliser = call_normaliser,
                                             .fetch = call_fetch,
                                             .close = call_close};

/* ---- Sizes and set-up ---- */

static int64_t window_of(const snug_text_source_options *options)
{
    return options->group_by_length ? batch_of(options) * SNUG_TEXT_GROUP_BATCHES : 0;
}

int64_t snug_text_source_size(const snug_text_source_options *options)
{
    const int64_t entries = batch_of(options) * (int64_t)sizeof(snug_token_entry);
    const int64_t window = window_of(options) * (int64_t)sizeof(int32_t);
    return snug_align_up((int64_t)sizeof(text_source), SNUG_ALIGN) +
           snug_align_up(entries, SNUG_ALIGN) + 2 * snug_align_up(window, SNUG_ALIGN);
}

/* The longest sample that the files may have, and the longest that they do have. */
static void look_at_files(const snug_text_source_options *options, int32_t *out_max_length,
                          int32_t *out_longest)
{
    for (int32_t i = 0; i < SNUG_TEXT_PART_COUNT; i++) {
        const snug_token_file *file = options->files[i];
        if (file != NULL) {
            const snug_token_header *header = &file->header;
            *out_max_length =
                header->max_length > *out_max_length ? header->max_length : *out_max_length;
            *out_longest = header->longest > *out_longest ? header->longest : *out_longest;
        }
    }
}

static snug_status check_buckets(snug_text_source_options *options, snug_error *err)
{
    int32_t max_length = 0;
    int32_t longest = 0;
    look_at_files(options, &max_length, &longest);
    if (options->max_length == 0) {
        options->max_length = max_length;
    }
    if (options->bucket_count == 0) {
        options->bucket_count = 1;
        options->bucket_length[0] = options->max_length;
    }
    if (options->bucket_count < 0 || options->bucket_count > SNUG_TEXT_BUCKETS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%d buckets of length; the limit is %d",
                         options->bucket_count, (int)SNUG_TEXT_BUCKETS_MAX);
    }
    for (int32_t i = 0; i < options->bucket_count; i++) {
        if (options->bucket_length[i] <= (i > 0 ? options->bucket_length[i - 1] : 0)) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "bucket %d has length %d: the lengths have to rise", i,
                             options->bucket_length[i]);
        }
    }
    const int32_t last = options->bucket_length[options->bucket_count - 1];
    if (last != options->max_length) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the last bucket has length %d, max_length is %d",
                         last, options->max_length);
    }
    if (longest > last) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "a sample has %d tokens and max_length is %d: prepare the data again",
                         longest, last);
    }
    return SNUG_OK;
}

static void describe_streams(const text_source *self, snug_source_stream *streams)
{
    const snug_shape wide = snug_shape_1(self->options.max_length);
    const snug_shape one = snug_shape_1(1);
    streams[SNUG_TEXT_IDS] = (snug_source_stream){"ids", SNUG_I32, wide};
    streams[SNUG_TEXT_TYPES] = (snug_source_stream){"types", SNUG_I32, wide};
    streams[SNUG_TEXT_LENGTH] = (snug_source_stream){"length", SNUG_I32, one};
    streams[SNUG_TEXT_LABEL] = (snug_source_stream){"label", SNUG_I32, one};
}

snug_status snug_text_source_open(const snug_text_source_options *options, snug_arena *arena,
                                  snug_source **out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    SNUG_ASSERT(options->evaluation_part >= 0 && options->evaluation_part < SNUG_TEXT_PART_COUNT);
    if (options->batch < 0 || options->batch > SNUG_TEXT_BATCH_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a batch of %" PRId64 "; the limit is %d",
                         options->batch, (int)SNUG_TEXT_BATCH_MAX);
    }
    SNUG_TRY_DONE(snug_arena_alloc(arena, (int64_t)sizeof(text_source), &memory, err));
    text_source *self = memory;
    self->base.calls = &text_calls;
    self->base.stream_count = SNUG_TEXT_STREAM_COUNT;
    self->options = *options;
    self->entries_max = batch_of(options);
    self->window_max = window_of(options);
    self->window_number = -1;
    SNUG_TRY_DONE(check_buckets(&self->options, err));
    SNUG_TRY_DONE(divide(options, self->parts, err));
    describe_streams(self, self->base.streams);
    const snug_token_file *train = options->files[SNUG_TEXT_TRAIN];
    snug_order_init(&self->split, options->split_seed, 0, train == NULL ? 0 : train->header.count);
    SNUG_TRY_DONE(snug_arena_array(arena, self->entries_max, (int64_t)sizeof(snug_token_entry),
                                   &memory, err));
    self->entries = memory;
    if (self->window_max > 0) {
        SNUG_TRY_DONE(
            snug_arena_array(arena, self->window_max, (int64_t)sizeof(int32_t), &memory, err));
        self->window = memory;
        SNUG_TRY_DONE(
            snug_arena_array(arena, self->window_max, (int64_t)sizeof(int32_t), &memory, err));
        self->window_lengths = memory;
    }
    *out = &self->base;
done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
