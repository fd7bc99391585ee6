#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "data/csv/csv.h"
#include "data/order.h"
#include "data/timeseries/timeseries_internal.h"
#include "sys/file.h"

/* Share of `count` files, rounded to the nearest. */
static int64_t share(int64_t count, double fraction)
{
    return (int64_t)((double)count * fraction + 0.5);
}

/* Files in the keyed order of the split seed: the first are the train part, then validation. */
static void split_by_seed(const snug_timeseries_options *options, int64_t count,
                          snug_timeseries_part *parts)
{
    int64_t validation = share(count, options->validation_fraction);
    if (validation == 0 && options->validation_fraction > 0.0 && count >= 2) {
        validation = 1;
    }
    int64_t train = share(count, options->train_fraction);
    train = snug_max_i64(1, snug_min_i64(train, count - validation));
    snug_order order;
    snug_order_init(&order, options->split_seed, 0, count);
    for (int64_t i = 0; i < count; i++) {
        parts[snug_order_at(&order, i)] = i < train                ? SNUG_TIMESERIES_TRAIN
                                          : i < train + validation ? SNUG_TIMESERIES_VALIDATION
                                                                   : SNUG_TIMESERIES_TEST;
    }
}

/* The file of that name among paths in byte order of their names, or -1. */
static int64_t find_path(const char *const *paths, int64_t count, const char *name)
{
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(snug_path_name(paths[middle]), name);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

/* The file a line of the metadata means: its name, or its name without the ending. */
static int64_t find_session(const char *const *paths, int64_t count, const char *name)
{
    static const char *const endings[] = {"", ".hdf5", ".h5", ".hdf"};
    for (int64_t i = 0; i < SNUG_COUNT(endings); i++) {
        char full[SNUG_PATH_BYTES];
        snug_text text;
        snug_text_init(&text, full, sizeof full);
        snug_text_add(&text, "%s%s", name, endings[i]);
        const int64_t found = text.truncated ? -1 : find_path(paths, count, full);
        if (found >= 0) {
            return found;
        }
    }
    return -1;
}

static bool parse_part(const char *text, snug_timeseries_part *out)
{
    static const struct {
        const char *name;
        snug_timeseries_part part;
    } names[] = {{"train", SNUG_TIMESERIES_TRAIN},
                 {"val", SNUG_TIMESERIES_VALIDATION},
                 {"valid", SNUG_TIMESERIES_VALIDATION},
                 {"validation", SNUG_TIMESERIES_VALIDATION},
                 {"test", SNUG_TIMESERIES_TEST}};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *out = names[i].part;
            return true;
        }
    }
    return false;
}

static snug_status read_lines(snug_csv_reader *reader, int64_t name_column, int64_t part_column,
                              const char *const *paths, int64_t count, snug_timeseries_part *parts,
                              snug_error *err)
{
    bool more = true;
    SNUG_TRY(snug_csv_next(reader, &more, err));
    while (more) {
        if (reader->field_count <= snug_max_i64(name_column, part_column)) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "line %" PRId64 " has only %" PRId64 " fields",
                             reader->line, reader->field_count);
        }
        const char *const part = reader->fields[part_column].text;
        const int64_t found = find_session(paths, count, reader->fields[name_column].text);
        if (found >= 0 && !parse_part(part, &parts[found])) {
            return SNUG_FAIL(err, SNUG_CODE_DATA,
                             "line %" PRId64 ": the split is train, val or test, not '%s'",
                             reader->line, part);
        }
        SNUG_TRY(snug_csv_next(reader, &more, err));
    }
    return SNUG_OK;
}

/* Parts by the metadata file; *out_used is false when it has no such columns and was not asked for.
 */
static snug_status read_metadata(const snug_timeseries_options *options, snug_file *file,
                                 const char *const *paths, int64_t count, snug_arena *scratch,
                                 snug_timeseries_part *parts, bool *out_used, snug_error *err)
{
    const snug_byte_source source = snug_byte_source_of_file(file);
    snug_csv_reader reader;
    bool more = false;
    SNUG_TRY(snug_csv_open(&source, NULL, scratch, &reader, err));
    SNUG_TRY(snug_csv_next(&reader, &more, err));
    const int64_t name_column = more ? snug_csv_find(&reader, "filename") : -1;
    const int64_t part_column = more ? snug_csv_find(&reader, "split") : -1;
    *out_used = name_column >= 0 && part_column >= 0;
    if (!*out_used && options->metadata != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no columns 'filename' and 'split'");
    }
    if (!*out_used) {
        return SNUG_OK;
    }
    return read_lines(&reader, name_column, part_column, paths, count, parts, err);
}

static snug_status split_by_metadata(const snug_timeseries_options *options, const char *path,
                                     const char *const *paths, int64_t count, snug_arena *scratch,
                                     snug_timeseries_part *parts, bool *out_used, snug_error *err)
{
    const snug_mark mark = snug_arena_mark(scratch);
    snug_file file = {0};
    SNUG_TRY(snug_file_open(path, &file, err));
    const snug_status status =
        read_metadata(options, &file, paths, count, scratch, parts, out_used, err);
    snug_file_close(&file);
    snug_arena_rewind(scratch, mark);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", path);
    }
    return status;
}

/* Leaves out the files that the metadata does not name. */
static int64_t drop_unnamed(const char **paths, int64_t count, snug_timeseries_part *parts)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        if (parts[i] != SNUG_TIMESERIES_PART_COUNT) {
            paths[kept] = paths[i];
            parts[kept++] = parts[i];
        }
    }
    return kept;
}

snug_status snug_timeseries_split(const snug_timeseries_options *options, const char **paths,
                                  int64_t *count, snug_arena *scratch, snug_timeseries_part *parts,
                                  bool *out_by_time, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    const bool folder = snug_path_look(options->path) == SNUG_PATH_FOLDER;
    const int64_t files_max = options->max_files > 0 ? options->max_files : *count;
    bool used = false;
    for (int64_t i = 0; i < *count; i++) {
        parts[i] = SNUG_TIMESERIES_PART_COUNT;
    }
    if (folder && options->metadata == NULL) {
        SNUG_TRY(snug_path_join(options->path, "metadata.csv", path, err));
        if (snug_path_look(path) == SNUG_PATH_FILE) {
            SNUG_TRY(split_by_metadata(options, path, paths, *count, scratch, parts, &used, err));
        }
    } else if (folder) {
        SNUG_TRY(split_by_metadata(options, options->metadata, paths, *count, scratch, parts, &used,
                                   err));
    }
    if (used) {
        const int64_t kept = drop_unnamed(paths, *count, parts);
        if (kept == 0) {
            return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                             "the metadata names none of the files in '%s'", options->path);
        }
        *count = snug_min_i64(kept, files_max);
        *out_by_time = false;
        return SNUG_OK;
    }
    *count = snug_min_i64(*count, files_max);
    split_by_seed(options, *count, parts);
    *out_by_time = *count == 1;
    return SNUG_OK;
}
