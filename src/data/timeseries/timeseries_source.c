#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/ring.h"
#include "data/timeseries/timeseries_internal.h"
#include "sys/thread.h"

enum { SLOT_BYTES_MIN = 256 << 10, MODES = 2, BATCHES = 2 };

/* Requests that a step makes, as given; those that follow each other and ask for the same samples
 * may share a slot, so that their rows are read once. */
typedef struct group {
    int64_t first_request;
    int64_t request_count;
} group;

typedef struct schedule {
    bool set;
    int64_t request_count;
    snug_source_request *requests;
    int64_t group_count;
    group *groups;
} schedule;

/* One batch that is consumed or read ahead. Its tickets are those from `first_ticket` on. */
typedef struct batch_plan {
    snug_source_batch batch;
    snug_timeseries_view view;
    const schedule *plan; /* NULL: no batch. */
    int64_t first_ticket, end_ticket;
    int64_t *pieces_before; /* Of each group; one more entry than groups. */
} batch_plan;

typedef struct timeseries_source {
    snug_source base; /* Comes first: a snug_source is cast to this. */
    const snug_timeseries_index *index;
    int64_t sample_bytes[SNUG_TIMESERIES_STREAM_COUNT];
    int64_t slot_bytes;
    snug_descriptors *descriptors;
    snug_chunk_cache *cache;
    snug_timeseries_reader readers[SNUG_WORKERS_MAX + 1];
    int32_t reader_count;
    snug_ring *ring;
    snug_mutex tickets;  /* Guards the tickets of `batches`: workers look for theirs in both. */
    int64_t next_ticket; /* The first that no batch has. */
    schedule schedules[MODES];
    batch_plan batches[BATCHES];
    int64_t batch_count; /* Begun so far; the current one is the last. */
    bool announced;      /* The entry after the current one is read ahead. */
    double normaliser;
    int64_t next_request; /* Of the schedule of the current batch. */
    bool holding;         /* The slot of a group is acquired, more of its requests come. */
    const void *held;
} timeseries_source;

static timeseries_source *self_of(snug_source *source)
{
    void *const self = source;
    return self;
}

static const timeseries_source *const_self_of(const snug_source *source)
{
    const void *const self = source;
    return self;
}

/* ---- Requests, groups and pieces ---- */

/* Samples of a request that the batch has. */
static int64_t clipped(const snug_source_request *request, const snug_source_batch *batch)
{
    return snug_max_i64(0, snug_min_i64(request->count, batch->count - request->first));
}

static int64_t padded_bytes(const timeseries_source *self, const snug_source_request *request)
{
    return snug_align_up(request->count * self->sample_bytes[request->stream], SNUG_ALIGN);
}

/* Samples of a group that fit into a slot at once; all of them when it is joined. */
static int64_t piece_samples(const timeseries_source *self, const schedule *plan, const group *one)
{
    const snug_source_request *const request = &plan->requests[one->first_request];
    if (one->request_count > 1) {
        return request->count;
    }
    return snug_min_i64(request->count, self->slot_bytes / self->sample_bytes[request->stream]);
}

/* Joins requests for the same samples while all of them fit into one slot. */
static void make_groups(const timeseries_source *self, schedule *plan)
{
    plan->group_count = 0;
    int64_t bytes = 0;
    for (int64_t i = 0; i < plan->request_count; i++) {
        const snug_source_request *const request = &plan->requests[i];
        group *const last = plan->group_count > 0 ? &plan->groups[plan->group_count - 1] : NULL;
        bool join = false;
        if (last != NULL) {
            const snug_source_request *const lead = &plan->requests[last->first_request];
            join = lead->first == request->first && lead->count == request->count &&
                   bytes + padded_bytes(self, request) <= self->slot_bytes;
            for (int64_t j = 0; j < last->request_count; j++) {
                join = join && plan->requests[last->first_request + j].stream != request->stream;
            }
        }
        if (join) {
            last->request_count++;
            bytes += padded_bytes(self, request);
        } else {
            plan->groups[plan->group_count++] = (group){.first_request = i, .request_count = 1};
            bytes = padded_bytes(self, request);
        }
    }
}

static int64_t group_pieces(const timeseries_source *self, const schedule *plan, const group *one,
                            const snug_source_batch *batch)
{
    const int64_t count = clipped(&plan->requests[one->first_request], batch);
    return count == 0 ? 0 : snug_ceil_div(count, piece_samples(self, plan, one));
}

/* ---- Reading: the same code for the workers and for the caller's own thread ---- */

static void aim(snug_timeseries_output *output, int32_t stream, void *to)
{
    switch ((snug_timeseries_stream)stream) {
    case SNUG_TIMESERIES_INPUT:
        output->input = to;
        break;
    case SNUG_TIMESERIES_TARGET:
        output->target = to;
        break;
    case SNUG_TIMESERIES_MASK:
        output->mask = to;
        break;
    case SNUG_TIMESERIES_INITIAL:
        output->initial = to;
        break;
    case SNUG_TIMESERIES_STREAM_COUNT:
        break;
    }
}

/* Samples [first, first + count) of `requests`, whose data begins at the offsets given. */
static snug_status read_samples(timeseries_source *self, snug_timeseries_reader *reader,
                                const batch_plan *plan, const snug_source_request *requests,
                                int64_t request_count, const int64_t *offsets, int64_t first,
                                int64_t count, unsigned char *out, snug_error *err)
{
    for (int64_t i = 0; i < count; i++) {
        const int64_t position = plan->batch.first_position + first + i;
        const snug_timeseries_window window = snug_timeseries_window_at(&plan->view, position);
        snug_timeseries_output output = {0};
        for (int64_t j = 0; j < request_count; j++) {
            const int32_t stream = requests[j].stream;
            aim(&output, stream, out + offsets[j] + i * self->sample_bytes[stream]);
        }
        SNUG_TRY(snug_timeseries_read(reader, &window, &output, err));
    }
    return SNUG_OK;
}

static void group_offsets(const timeseries_source *self, const schedule *plan, const group *one,
                          int64_t offsets[SNUG_TIMESERIES_STREAM_COUNT])
{
    int64_t offset = 0;
    for (int64_t j = 0; j < one->request_count; j++) {
        offsets[j] = offset;
        offset += padded_bytes(self, &plan->requests[one->first_request + j]);
    }
}

/* The group a ticket of a batch belongs to: the last whose pieces begin at or before it. */
static int64_t group_of(const batch_plan *plan, int64_t piece)
{
    int64_t low = 0;
    int64_t high = plan->plan->group_count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (plan->pieces_before[middle] <= piece) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The batch that a ticket belongs to. Only its own entry may be read beyond this: the other one can
 * be written by the consumer at any time, but nobody reuses an entry while tickets of it are out.
 */
static const batch_plan *batch_with(timeseries_source *self, int64_t ticket)
{
    const batch_plan *found = NULL;
    snug_mutex_lock(&self->tickets);
    for (int32_t i = 0; i < BATCHES; i++) {
        const batch_plan *const one = &self->batches[i];
        if (ticket >= one->first_ticket && ticket < one->end_ticket) {
            found = one;
        }
    }
    snug_mutex_unlock(&self->tickets);
    SNUG_ASSERT(found != NULL);
    return found;
}

static snug_status fill_slot(void *context, int32_t worker, int64_t ticket, void *slot,
                             snug_error *err)
{
    timeseries_source *const self = context;
    const batch_plan *const plan = batch_with(self, ticket);
    const int64_t piece = ticket - plan->first_ticket;
    const int64_t number = group_of(plan, piece);
    const group *const one = &plan->plan->groups[number];
    const snug_source_request *const requests = &plan->plan->requests[one->first_request];
    const int64_t step = piece_samples(self, plan->plan, one);
    const int64_t skip = (piece - plan->pieces_before[number]) * step;
    const int64_t count = snug_min_i64(step, clipped(requests, &plan->batch) - skip);
    int64_t offsets[SNUG_TIMESERIES_STREAM_COUNT];
    group_offsets(self, plan->plan, one, offsets);
    return read_samples(self, &self->readers[worker], plan, requests, one->request_count, offsets,
                        requests->first + skip, count, slot, err);
}

/* ---- The calls of a source ---- */

static int64_t call_sample_count(const snug_source *source, bool training)
{
    const timeseries_source *const self = const_self_of(source);
    return self->index
        ->parts[training ? SNUG_TIMESERIES_TRAIN : self->index->options.evaluation_part]
        .window_count;
}

/* Forgets what is read ahead and the current batch; a new begin must follow. */
static void drop_batches(timeseries_source *self)
{
    if (self->ring != NULL) {
        if (self->holding) {
            snug_ring_release(self->ring);
            self->holding = false;
        }
        self->next_ticket = snug_ring_cancel(self->ring);
    }
    self->announced = false;
    for (int32_t i = 0; i < BATCHES; i++) {
        self->batches[i].plan = NULL;
    }
}

static snug_status call_schedule(snug_source *source, bool training,
                                 const snug_source_request *requests, int64_t request_count,
                                 snug_error *err)
{
    timeseries_source *const self = self_of(source);
    schedule *const plan = &self->schedules[training];
    if (request_count < 1 || request_count > self->index->options.request_count_max) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "a schedule of %" PRId64 " requests; this source has room for %" PRId64,
                         request_count, self->index->options.request_count_max);
    }
    for (int64_t i = 0; i < request_count; i++) {
        const snug_source_request *const one = &requests[i];
        if (one->stream < 0 || one->stream >= source->stream_count || one->first < 0 ||
            one->count < 1) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "request %" PRId64 " of a schedule: stream %d, samples %" PRId64
                             " from %" PRId64,
                             i, one->stream, one->count, one->first);
        }
    }
    drop_batches(self);
    memcpy(plan->requests, requests, (size_t)request_count * sizeof *requests);
    plan->request_count = request_count;
    plan->set = true;
    make_groups(self, plan);
    return SNUG_OK;
}

static bool same_batch(const snug_source_batch *a, const snug_source_batch *b)
{
    return a->epoch == b->epoch && a->first_position == b->first_position && a->count == b->count &&
           a->training == b->training;
}

static snug_status check_batch(const timeseries_source *self, const snug_source_batch *batch,
                               snug_error *err)
{
    const int64_t count = call_sample_count(&self->base, batch->training);
    if (batch->first_position < 0 || batch->count < 1 ||
        batch->first_position > count - batch->count) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a batch of %" PRId64 " samples from %" PRId64 " in an epoch of %" PRId64,
                         batch->count, batch->first_position, count);
    }
    return SNUG_OK;
}

/* Writes down what a batch is and, with workers, lets them begin with it. */
static void start_batch(timeseries_source *self, batch_plan *plan, const snug_source_batch *batch)
{
    const schedule *const wanted = &self->schedules[batch->training];
    plan->batch = *batch;
    snug_timeseries_view_init(&plan->view, self->index, batch->training, batch->epoch);
    plan->plan = wanted;
    if (self->ring == NULL || !wanted->set) {
        return;
    }
    int64_t pieces = 0;
    for (int64_t i = 0; i < wanted->group_count; i++) {
        plan->pieces_before[i] = pieces;
        pieces += group_pieces(self, wanted, &wanted->groups[i], batch);
    }
    plan->pieces_before[wanted->group_count] = pieces;
    snug_mutex_lock(&self->tickets);
    plan->first_ticket = self->next_ticket;
    plan->end_ticket = self->next_ticket + pieces;
    snug_mutex_unlock(&self->tickets);
    self->next_ticket += pieces;
    snug_ring_extend(self->ring, self->next_ticket);
}

static batch_plan *current_batch(timeseries_source *self)
{
    return &self->batches[self->batch_count % BATCHES];
}

/* Everything of the current batch was fetched, so its entry may become that of the next one. */
static bool batch_is_done(timeseries_source *self)
{
    const batch_plan *const plan = current_batch(self);
    if (self->holding || plan->plan == NULL || !plan->plan->set) {
        return false;
    }
    for (int64_t i = self->next_request; i < plan->plan->request_count; i++) {
        if (clipped(&plan->plan->requests[i], &plan->batch) > 0) {
            return false;
        }
    }
    return true;
}

static double count_valid(const timeseries_source *self, const batch_plan *plan)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < plan->batch.count; i++) {
        const snug_timeseries_window window =
            snug_timeseries_window_at(&plan->view, plan->batch.first_position + i);
        rows += snug_timeseries_valid_rows(self->index, &window);
    }
    return (double)rows * (double)self->index->facts.target_count;
}

static snug_status call_begin(snug_source *source, const snug_source_batch *batch,
                              const snug_source_batch *next, snug_error *err)
{
    timeseries_source *const self = self_of(source);
    SNUG_TRY(check_batch(self, batch, err));
    if (next != NULL) {
        SNUG_TRY(check_batch(self, next, err));
    }
    const bool done = batch_is_done(self);
    const batch_plan *const ahead = &self->batches[(self->batch_count + 1) % BATCHES];
    if (done && self->announced && same_batch(&ahead->batch, batch)) {
        self->batch_count++;
    } else {
        drop_batches(self);
        self->batch_count++;
        start_batch(self, current_batch(self), batch);
    }
    self->announced = next != NULL && self->ring != NULL;
    if (self->announced) {
        start_batch(self, &self->batches[(self->batch_count + 1) % BATCHES], next);
    }
    self->next_request = 0;
    self->normaliser = count_valid(self, current_batch(self));
    return SNUG_OK;
}

static double call_normaliser(const snug_source *source)
{
    return const_self_of(source)->normaliser;
}

/* Which request of the schedule this is: the next one that has samples in this batch. */
static snug_status find_request(timeseries_source *self, const batch_plan *plan,
                                const snug_source_request *request, snug_error *err)
{
    const schedule *const wanted = plan->plan;
    while (self->next_request < wanted->request_count &&
           clipped(&wanted->requests[self->next_request], &plan->batch) == 0) {
        self->next_request++;
    }
    if (self->next_request == wanted->request_count) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the schedule of this batch is over");
    }
    const snug_source_request *const next = &wanted->requests[self->next_request];
    const int64_t count = clipped(next, &plan->batch);
    if (request->stream != next->stream || request->first != next->first ||
        (request->count != count && request->count != next->count)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "fetch of stream %d, %" PRId64 " samples from %" PRId64
                         "; the schedule has stream %d, %" PRId64 " from %" PRId64,
                         request->stream, request->count, request->first, next->stream, count,
                         next->first);
    }
    return SNUG_OK;
}

/* The group of a request; both are walked through in order. */
static const group *group_with(const schedule *plan, int64_t request)
{
    int64_t low = 0;
    int64_t high = plan->group_count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (plan->groups[middle].first_request <= request) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &plan->groups[low];
}

/* One request of a joined group: its part of the slot that all of them share. */
static snug_status fetch_joined(timeseries_source *self, batch_plan *plan, const group *one,
                                int64_t bytes, unsigned char *out, snug_error *err)
{
    const int64_t number = one - plan->plan->groups;
    const int64_t place = self->next_request - one->first_request;
    int64_t offsets[SNUG_TIMESERIES_STREAM_COUNT];
    group_offsets(self, plan->plan, one, offsets);
    if (!self->holding) {
        const int64_t ticket = plan->first_ticket + plan->pieces_before[number];
        const snug_status status = snug_ring_acquire(self->ring, ticket, &self->held, err);
        self->holding = true; /* A slot that failed is released as well. */
        SNUG_TRY(status);
    }
    const unsigned char *const slot = self->held;
    memcpy(out, slot + offsets[place], (size_t)bytes);
    if (place == one->request_count - 1) {
        snug_ring_release(self->ring);
        self->holding = false;
    }
    return SNUG_OK;
}

/* One request by itself, in as many slots as it needs. */
static snug_status fetch_pieces(timeseries_source *self, batch_plan *plan, const group *one,
                                int64_t count, unsigned char *out, snug_error *err)
{
    const int64_t number = one - plan->plan->groups;
    const int64_t step = piece_samples(self, plan->plan, one);
    const int32_t stream = plan->plan->requests[one->first_request].stream;
    int64_t ticket = plan->first_ticket + plan->pieces_before[number];
    for (int64_t first = 0; first < count; first += step) {
        const void *slot = NULL;
        const int64_t take = snug_min_i64(step, count - first);
        const snug_status status = snug_ring_acquire(self->ring, ticket++, &slot, err);
        self->holding = true;
        SNUG_TRY(status);
        memcpy(out + first * self->sample_bytes[stream], slot,
               (size_t)(take * self->sample_bytes[stream]));
        snug_ring_release(self->ring);
        self->holding = false;
    }
    return SNUG_OK;
}

static snug_status call_fetch(snug_source *source, const snug_source_request *request, void *out,
                              snug_error *err)
{
    timeseries_source *const self = self_of(source);
    batch_plan *const plan = current_batch(self);
    const bool scheduled = plan->plan != NULL && plan->plan->set;
    if (self->batch_count == 0 || plan->plan == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "fetch before begin");
    }
    if (scheduled) {
        SNUG_TRY(find_request(self, plan, request, err));
    }
    const int64_t count = clipped(request, &plan->batch);
    if (request->stream < 0 || request->stream >= source->stream_count || request->first < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "fetch of stream %d from %" PRId64, request->stream,
                         request->first);
    }
    snug_status status = SNUG_OK;
    if (self->ring != NULL && scheduled) {
        const group *const one = group_with(plan->plan, self->next_request);
        status = one->request_count > 1
                     ? fetch_joined(self, plan, one, count * self->sample_bytes[request->stream],
                                    out, err)
                     : fetch_pieces(self, plan, one, count, out, err);
    } else {
        const int64_t offset = 0;
        status = read_samples(self, &self->readers[self->reader_count - 1], plan, request, 1,
                              &offset, request->first, count, out, err);
    }
    if (snug_failed(status)) {
        drop_batches(self);
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    self->next_request++;
    return SNUG_OK;
}

static void call_close(snug_source *source)
{
    if (source == NULL) {
        return;
    }
    timeseries_source *const self = self_of(source);
    if (self->ring != NULL && self->holding) {
        snug_ring_release(self->ring);
        self->holding = false;
    }
    snug_ring_deinit(self->ring);
    self->ring = NULL;
    snug_chunk_cache_deinit(self->cache);
    self->cache = NULL;
    for (int32_t i = 0; i < self->reader_count; i++) {
        snug_timeseries_reader_deinit(&self->readers[i]);
    }
    self->reader_count = 0;
    snug_descriptors_close(self->descriptors);
    self->descriptors = NULL;
    snug_mutex_deinit(&self->tickets);
}

/** Every batch has the one shape. */
static int32_t call_bucket(const snug_source *source)
{
    SNUG_UNUSED(source);
    return 0;
}

static const snug_source_calls timeseries_calls = {.sample_count = call_sample_count,
                                                   .schedule = call_schedule,
                                                   .begin = call_begin,
                                                   .bucket = call_bucket,
                                                   .normaliser = call_normaliser,
                                                   .fetch = call_fetch,
                                                   .close = call_close};

/* ---- Sizes and set-up ---- */

static void describe_streams(const snug_timeseries_facts *facts, snug_source_stream *streams)
{
    streams[SNUG_TIMESERIES_INPUT] = (snug_source_stream){
        "input", SNUG_F32, snug_shape_2(facts->window_rows, facts->input_count)};
    streams[SNUG_TIMESERIES_TARGET] = (snug_source_stream){
        "target", SNUG_F32, snug_shape_2(facts->target_rows, facts->target_count)};
    streams[SNUG_TIMESERIES_MASK] =
        (snug_source_stream){"mask", SNUG_U8, snug_shape_1(facts->target_rows)};
    streams[SNUG_TIMESERIES_INITIAL] =
        (snug_source_stream){"initial", SNUG_F32, snug_shape_1(facts->target_count)};
}

static int64_t stream_bytes(const snug_source_stream *stream)
{
    return snug_shape_count(&stream->shape) * snug_dtype_bytes(stream->dtype);
}

static int64_t slot_bytes_of(const snug_timeseries_index *index)
{
    snug_source_stream streams[SNUG_TIMESERIES_STREAM_COUNT];
    describe_streams(&index->facts, streams);
    int64_t largest = 0;
    int64_t all = 0;
    for (int32_t i = 0; i < SNUG_TIMESERIES_STREAM_COUNT; i++) {
        const int64_t bytes = snug_align_up(stream_bytes(&streams[i]), SNUG_ALIGN);
        largest = snug_max_i64(largest, bytes);
        all += bytes;
    }
    const int64_t wanted = index->options.slot_bytes;
    return wanted > 0 ? snug_max_i64(wanted, largest) : snug_max_i64(all, SLOT_BYTES_MIN);
}

static snug_ring_options ring_options_of(const snug_timeseries_index *index)
{
    return (snug_ring_options){.workers = index->options.workers,
                               .slots = index->options.slots,
                               .slot_bytes = slot_bytes_of(index),
                               .fill = fill_slot};
}

static int32_t readers_of(const snug_timeseries_index *index)
{
    /* The caller's own thread has one too: requests outside of a schedule are read there. */
    return index->options.workers + 1;
}

static snug_chunk_cache_options cache_options_of(const snug_timeseries_index *index)
{
    return (snug_chunk_cache_options){.entry_bytes = index->block_bytes_max,
                                      .bytes = index->options.chunk_cache_bytes,
                                      .entries_min = readers_of(index) + 1,
                                      .entries_max = index->block_count};
}

static int64_t schedule_bytes_of(const snug_timeseries_index *index)
{
    const int64_t count = index->options.request_count_max;
    const int64_t mode = snug_align_up(count * (int64_t)sizeof(snug_source_request), SNUG_ALIGN) +
                         snug_align_up(count * (int64_t)sizeof(group), SNUG_ALIGN);
    const int64_t batch = snug_align_up((count + 1) * (int64_t)sizeof(int64_t), SNUG_ALIGN);
    return MODES * mode + BATCHES * batch;
}

int64_t snug_timeseries_size(const snug_timeseries_index *index)
{
    const snug_ring_options ring = ring_options_of(index);
    const snug_chunk_cache_options cache = cache_options_of(index);
    int64_t bytes = snug_align_up((int64_t)sizeof(timeseries_source), SNUG_ALIGN) +
                    schedule_bytes_of(index) + snug_descriptors_size() +
                    readers_of(index) * snug_timeseries_reader_size(index);
    if (index->options.workers > 0) {
        bytes += snug_align_up(snug_ring_size(&ring), SNUG_ALIGN);
    }
    if (index->block_bytes_max > 0) {
        bytes += snug_align_up(snug_chunk_cache_size(&cache), SNUG_ALIGN);
    }
    return bytes;
}

static snug_status take_schedules(timeseries_source *self, snug_arena *arena, snug_error *err)
{
    const int64_t count = self->index->options.request_count_max;
    void *memory = NULL;
    for (int32_t i = 0; i < MODES; i++) {
        SNUG_TRY(
            snug_arena_array(arena, count, (int64_t)sizeof(snug_source_request), &memory, err));
        self->schedules[i].requests = memory;
        SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(group), &memory, err));
        self->schedules[i].groups = memory;
    }
    for (int32_t i = 0; i < BATCHES; i++) {
        SNUG_TRY(snug_arena_array(arena, count + 1, (int64_t)sizeof(int64_t), &memory, err));
        self->batches[i].pieces_before = memory;
    }
    return SNUG_OK;
}

static snug_status take_cache(timeseries_source *self, snug_arena *arena, snug_error *err)
{
    if (self->index->block_bytes_max == 0) {
        return SNUG_OK;
    }
    const snug_chunk_cache_options options = cache_options_of(self->index);
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, snug_chunk_cache_size(&options), &memory, err));
    self->cache = snug_chunk_cache_init(&options, memory);
    return SNUG_OK;
}

static snug_status take_ring(timeseries_source *self, snug_arena *arena, snug_error *err)
{
    snug_ring_options options = ring_options_of(self->index);
    void *memory = NULL;
    self->slot_bytes = options.slot_bytes;
    if (options.workers == 0) {
        return SNUG_OK;
    }
    options.context = self;
    SNUG_TRY(snug_arena_alloc(arena, snug_ring_size(&options), &memory, err));
    return snug_ring_init(&options, memory, &self->ring, err);
}

snug_status snug_timeseries_open(const snug_timeseries_index *index, snug_arena *arena,
                                 snug_source **out_source, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    timeseries_source *self = NULL;
    void *memory = NULL;
    SNUG_TRY_DONE(snug_arena_alloc(arena, (int64_t)sizeof(timeseries_source), &memory, err));
    self = memory;
    self->base.calls = &timeseries_calls;
    self->base.stream_count = SNUG_TIMESERIES_STREAM_COUNT;
    describe_streams(&index->facts, self->base.streams);
    self->index = index;
    snug_mutex_init(&self->tickets);
    for (int32_t i = 0; i < SNUG_TIMESERIES_STREAM_COUNT; i++) {
        self->sample_bytes[i] = stream_bytes(&self->base.streams[i]);
    }
    SNUG_TRY_DONE(take_schedules(self, arena, err));
    SNUG_TRY_DONE(snug_descriptors_open(arena, &self->descriptors, err));
    SNUG_TRY_DONE(take_cache(self, arena, err));
    for (int32_t i = 0; i < readers_of(index); i++) {
        SNUG_TRY_DONE(snug_timeseries_reader_init(&self->readers[i], index, self->descriptors,
                                                  self->cache, arena, err));
        self->reader_count = i + 1;
    }
    SNUG_TRY_DONE(take_ring(self, arena, err));
    *out_source = &self->base;

done:
    if (snug_failed(status)) {
        call_close(self == NULL ? NULL : &self->base);
        snug_arena_rewind(arena, start);
    }
    return status;
}

void snug_timeseries_times_read(snug_source *source, snug_timeseries_times *out)
{
    timeseries_source *const self = self_of(source);
    *out = (snug_timeseries_times){0};
    if (self->ring != NULL) {
        snug_ring_times times;
        snug_ring_times_read(self->ring, &times);
        out->busy_ns = times.busy_ns;
        out->starved_ns = times.starved_ns;
    }
    if (self->cache != NULL) {
        snug_chunk_cache_counts counts;
        snug_chunk_cache_counts_read(self->cache, &counts);
        out->cache_hits = counts.hits;
        out->cache_waits = counts.waits;
        out->cache_misses = counts.misses;
    }
}

snug_timeseries_place snug_timeseries_locate(const snug_timeseries_index *index, bool training,
                                             int64_t epoch, int64_t position)
{
    snug_timeseries_view view;
    snug_timeseries_view_init(&view, index, training, epoch);
    const snug_timeseries_window window = snug_timeseries_window_at(&view, position);
    return (snug_timeseries_place){.path = index->files[window.segment->file].path,
                                   .file = window.segment->file,
                                   .row_first = window.row_first,
                                   .rotation = window.rotation};
}
