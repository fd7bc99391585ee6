#include <stddef.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/philox.h"
#include "data/timeseries/timeseries_internal.h"

/* Names this use of the seed among all others. */
#define MOTION_STREAM UINT64_C(0x77696e646f77)

/* Windows of `window` rows, `stride` apart, in `rows` rows. */
static int64_t windows_in(int64_t rows, int64_t window, int64_t stride)
{
    return rows < window ? 0 : (rows - window) / stride + 1;
}

int64_t snug_timeseries_number(const snug_timeseries_options *options, int64_t stride,
                               snug_timeseries_segment *segment)
{
    uint32_t valid = 0;
    int64_t windows = 0;
    for (int32_t i = 0; i < segment->run_count; i++) {
        snug_timeseries_run *const run = &segment->runs[i];
        run->valid_before = valid;
        run->windows_before = (uint32_t)windows;
        valid += run->count;
        windows += windows_in(run->count, options->window, stride);
    }
    if (options->skip_invalid) {
        return windows;
    }
    return windows_in(segment->row_end - segment->row_first, options->window, stride);
}

void snug_timeseries_view_init(snug_timeseries_view *view, const snug_timeseries_index *index,
                               bool training, int64_t epoch)
{
    *view = (snug_timeseries_view){.index = index,
                                   .part = training ? SNUG_TIMESERIES_TRAIN
                                                    : index->options.evaluation_part,
                                   .training = training,
                                   .epoch = epoch};
    if (training) {
        snug_order_init(&view->order, index->options.seed, epoch,
                        index->parts[view->part].window_count);
    }
}

/* The last segment of a part whose first window is <= `window`; segments without windows are
 * passed. */
static const snug_timeseries_segment *segment_of(const snug_timeseries_group *group, int64_t window)
{
    int64_t low = 0;
    int64_t high = group->segment_count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (group->segments[middle].windows_before <= window) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &group->segments[low];
}

static const snug_timeseries_run *run_of(const snug_timeseries_segment *segment, int64_t window)
{
    int32_t low = 0;
    int32_t high = segment->run_count;
    while (high - low > 1) {
        const int32_t middle = low + (high - low) / 2;
        if (segment->runs[middle].windows_before <= window) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &segment->runs[low];
}

/* Random words of a position: a function of (seed, epoch, position) alone. */
static snug_philox_block motion_words(const snug_timeseries_view *view, int64_t position)
{
    const uint64_t epoch = (uint64_t)view->epoch;
    const uint64_t place = (uint64_t)position;
    const snug_philox_block counter = {
        {(uint32_t)place, (uint32_t)(place >> 32), (uint32_t)epoch, (uint32_t)(epoch >> 32)}};
    return snug_philox(snug_philox_stream(view->index->options.seed, MOTION_STREAM), counter);
}

snug_timeseries_window snug_timeseries_window_at(const snug_timeseries_view *view, int64_t position)
{
    const snug_timeseries_options *const options = &view->index->options;
    const snug_timeseries_group *const group = &view->index->parts[view->part];
    SNUG_ASSERT(position >= 0);
    SNUG_ASSERT(position < group->window_count);
    const int64_t number = view->training ? snug_order_at(&view->order, position) : position;
    const snug_timeseries_segment *const segment = segment_of(group, number);
    int64_t within = number - segment->windows_before;
    int64_t first = segment->row_first;
    int64_t end = segment->row_end;
    if (options->skip_invalid) {
        const snug_timeseries_run *const run = run_of(segment, within);
        within -= run->windows_before;
        first = run->first;
        end = first + run->count;
    }
    int64_t start = first + within * group->stride;

    snug_timeseries_window window = {.segment = segment};
    if (view->training && (options->jitter || options->rotate_channels)) {
        const snug_philox_block words = motion_words(view, position);
        const int64_t room = snug_min_i64(group->stride, end - (start + options->window));
        if (options->jitter && room > 0) {
            start += (int64_t)snug_philox_below(words.word[0], words.word[1], (uint64_t)room);
        }
        if (options->rotate_channels) {
            window.rotation = (int32_t)snug_philox_below(words.word[2], words.word[3], 3) - 1;
        }
    }
    window.row_first = start - options->padding_left;
    return window;
}

/* Rows before `row` that are in a run. */
static int64_t valid_before(const snug_timeseries_segment *segment, int64_t row)
{
    int32_t low = 0;
    int32_t high = segment->run_count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (segment->runs[middle].first < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return 0;
    }
    const snug_timeseries_run *const run = &segment->runs[low - 1];
    return run->valid_before + snug_min_i64(row - run->first, run->count);
}

int64_t snug_timeseries_valid_between(const snug_timeseries_segment *segment, int64_t first,
                                      int64_t end)
{
    return end <= first ? 0 : valid_before(segment, end) - valid_before(segment, first);
}

int64_t snug_timeseries_valid_rows(const snug_timeseries_index *index,
                                   const snug_timeseries_window *window)
{
    const int64_t first = window->row_first + index->options.left_context;
    return snug_timeseries_valid_between(window->segment, first,
                                         window->row_first + index->facts.window_rows);
}
