#include <inttypes.h>
#include <stddef.h>

#include "data/timeseries/timeseries_internal.h"

enum {
    SAMPLES_DEFAULT = 10000,
    CHUNK_CACHE_BYTES_DEFAULT = 64 << 20,
    REQUESTS_DEFAULT = 4096,
    SLOTS_MIN = 4
};

const char *snug_timeseries_part_name(snug_timeseries_part part)
{
    static const char *const names[SNUG_TIMESERIES_PART_COUNT] = {"train", "validation", "test"};
    return part < SNUG_TIMESERIES_PART_COUNT ? names[part] : "?";
}

static snug_status check_windows(const snug_timeseries_options *options, snug_error *err)
{
    const int64_t sizes[] = {
        options->window,       options->stride,        options->evaluation_stride,
        options->padding_left, options->padding_right, options->left_context};
    for (int64_t i = 0; i < SNUG_COUNT(sizes); i++) {
        if (sizes[i] < 0 || sizes[i] > SNUG_TIMESERIES_WINDOW_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "window, stride, padding and left context lie in 0 to %d rows, not "
                             "%" PRId64,
                             SNUG_TIMESERIES_WINDOW_MAX, sizes[i]);
        }
    }
    if (options->window == 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a window has at least one row");
    }
    const int64_t rows = options->padding_left + options->window + options->padding_right;
    if (options->left_context >= rows) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a left context of %" PRId64
                         " rows leaves no target in a window of %" PRId64,
                         options->left_context, rows);
    }
    return SNUG_OK;
}

static snug_status check_loader(const snug_timeseries_options *options, snug_error *err)
{
    if (options->workers < 0 || options->workers > SNUG_WORKERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "data workers lie in 0 to %d, not %d",
                         SNUG_WORKERS_MAX, options->workers);
    }
    if (options->slots < 0 || options->slots > 256) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "loader slots lie in 0 to 256, not %d",
                         options->slots);
    }
    if (options->slot_bytes < 0 || options->chunk_cache_bytes < 0 ||
        options->request_count_max < 0 || options->max_samples_for_normalize < 0 ||
        options->max_files < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "sizes and counts of the loader are not negative");
    }
    const double train = options->train_fraction;
    const double validation = options->validation_fraction;
    if (!(train >= 0.0 && validation >= 0.0 && train + validation <= 1.0)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "train and validation fractions are >= 0 and at most 1 together, not %g "
                         "and %g",
                         train, validation);
    }
    return SNUG_OK;
}

static snug_status copy_text(snug_arena *arena, const char *text, const char *otherwise,
                             const char **out, snug_error *err)
{
    const char *const wanted = text != NULL && text[0] != '\0' ? text : otherwise;
    if (wanted == NULL) {
        *out = NULL;
        return SNUG_OK;
    }
    return snug_arena_text(arena, wanted, out, err);
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

snug_status snug_timeseries_options_copy(const snug_timeseries_options *options, snug_arena *arena,
                                         snug_timeseries_options *out, snug_error *err)
{
    if (options->path == NULL || options->path[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "no data path was given");
    }
    SNUG_TRY(check_windows(options, err));
    SNUG_TRY(check_loader(options, err));
    snug_timeseries_options full = *options;
    SNUG_TRY(copy_text(arena, options->path, NULL, &full.path, err));
    SNUG_TRY(copy_text(arena, options->group, NULL, &full.group, err));
    SNUG_TRY(copy_text(arena, options->dataset, "timeseries", &full.dataset, err));
    SNUG_TRY(copy_text(arena, options->inputs, "emg", &full.inputs, err));
    SNUG_TRY(copy_text(arena, options->targets, "joint_angles", &full.targets, err));
    SNUG_TRY(copy_text(arena, options->metadata, NULL, &full.metadata, err));
    SNUG_TRY(copy_text(arena, options->cache_dir, NULL, &full.cache_dir, err));
    full.stride = or_default(options->stride, options->window);
    full.evaluation_stride = or_default(options->evaluation_stride, full.stride);
    full.max_samples_for_normalize =
        or_default(options->max_samples_for_normalize, SAMPLES_DEFAULT);
    full.chunk_cache_bytes = or_default(options->chunk_cache_bytes, CHUNK_CACHE_BYTES_DEFAULT);
    full.request_count_max = or_default(options->request_count_max, REQUESTS_DEFAULT);
    if (options->train_fraction == 0.0 && options->validation_fraction == 0.0) {
        full.train_fraction = 0.7;
        full.validation_fraction = 0.15;
    }
    if (options->evaluation_part == SNUG_TIMESERIES_TRAIN) {
        full.evaluation_part = SNUG_TIMESERIES_VALIDATION;
    }
    if (options->slots == 0) {
        full.slots = 2 * options->workers > SLOTS_MIN ? 2 * options->workers : SLOTS_MIN;
    }
    *out = full;
    return SNUG_OK;
}
