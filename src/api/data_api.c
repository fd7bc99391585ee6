#include "snug/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "base/json.h"
#include "base/translate.h"
#include "data/hdf5/h5_describe.h"
#include "data/text/text_generate.h"
#include "data/timeseries/timeseries_files.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { SCRATCH_BLOCK_BYTES = 1 << 20, REPORT_BYTES = 1 << 20 };

static bool is_session_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".hdf5") == 0 || strcmp(dot, ".h5") == 0);
}

static void channel_json(snug_json_writer *json, const snug_timeseries_channel *channel)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"mean", channel->mean},
                   {"std", channel->std},
                   {"minimum", channel->minimum},
                   {"maximum", channel->maximum}};
    snug_json_object_begin(json);
    snug_json_put_string(json, "name", channel->name);
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        snug_json_put_f64(json, numbers[i].key, numbers[i].value);
    }
    snug_json_put_i64(json, "bad_count", channel->bad_count);
    snug_json_object_end(json);
}

static void session_json(const char *path, const snug_timeseries_description *found,
                         snug_text *text)
{
    const char *const words[][2] = {{"schema", "snug.data/1"}, {"path", path},
                                    {"group", found->group},   {"dataset", found->dataset},
                                    {"layout", found->layout}, {"members", found->members}};
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"file_bytes", found->file_bytes}, {"rows", found->row_count},
                   {"row_bytes", found->row_bytes},   {"inputs", found->input_count},
                   {"targets", found->target_count},  {"valid_rows", found->valid_rows}};
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    for (int64_t i = 0; i < SNUG_COUNT(words); i++) {
        snug_json_put_string(&json, words[i][0], words[i][1]);
    }
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        snug_json_put_i64(&json, numbers[i].key, numbers[i].value);
    }
    snug_json_key(&json, "rate");
    if (found->rate > 0) {
        snug_json_f64(&json, found->rate);
    } else {
        snug_json_null(&json);
    }
    snug_json_key(&json, "channels");
    snug_json_array_begin(&json);
    for (int64_t i = 0; i < found->channel_count; i++) {
        channel_json(&json, &found->channels[i]);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static void session_text(const char *path, const snug_timeseries_description *found,
                         snug_text *text)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_text_add(text, "%s\n", path);
    snug_text_say(text, "  Data set  /%s/%s, %s, %s\n", found->group, found->dataset, found->layout,
                  snug_size_text(found->file_bytes, size));
    snug_text_say(text, "  Row       %s = %" PRId64 " bytes\n", found->members, found->row_bytes);
    snug_text_say(text, "  Rows      %" PRId64, found->row_count);
    if (found->rate > 0) {
        snug_text_say(text, " at %g Hz = %.1f s", found->rate,
                      (double)found->row_count / found->rate);
    }
    snug_text_say(text, ", %" PRId64 " with targets\n", found->valid_rows);
    snug_text_say(text, "  Fields    %" PRId64 " inputs, %" PRId64 " targets\n\n",
                  found->input_count, found->target_count);
    static const char *const heads[] = {"channel", "mean",    "deviation",
                                        "minimum", "maximum", "NaN"};
    static const int64_t columns[] = {-20, 12, 12, 12, 12, 6};
    snug_text_add(text, " ");
    for (int64_t i = 0; i < SNUG_COUNT(heads); i++) {
        snug_text_add(text, " ");
        snug_text_cell(text, columns[i], snug_translated(heads[i]));
    }
    snug_text_add(text, "\n");
    for (int64_t i = 0; i < found->channel_count; i++) {
        const snug_timeseries_channel *c = &found->channels[i];
        snug_text_add(text, "  %-20s %12.5g %12.5g %12.5g %12.5g %6" PRId64 "\n", c->name, c->mean,
                      c->std, c->minimum, c->maximum, c->bad_count);
    }
}

/** The objects of a file that is no session, and why it is none. */
typedef struct listing {
    const char *path;
    const char *reason;
    const snug_h5_description *objects;
    int64_t count;
} listing;

static void extents_text(const snug_h5_dataset *dataset, snug_text *text)
{
    for (int32_t i = 0; i < dataset->rank; i++) {
        snug_text_add(text, "%s%" PRId64, i == 0 ? "" : " x ", dataset->extents[i]);
    }
    if (dataset->rank == 0) {
        snug_text_say(text, "scalar");
    }
}

static void listing_text(const listing *list, snug_text *text)
{
    snug_text_say(text, "%s\n  No session: %s\n", list->path, list->reason);
    for (int64_t i = 0; i < list->count; i++) {
        const snug_h5_description *object = &list->objects[i];
        snug_text_add(text, "  %-40s ", object->path);
        if (object->problem != NULL) {
            snug_text_say(text, "cannot be read: %s\n", object->problem);
        } else if (object->dataset == NULL) {
            snug_text_say(text, "group, %" PRId64 " attributes\n", object->attribute_count);
        } else {
            extents_text(object->dataset, text);
            snug_text_add(text, ", %s\n", snug_h5_layout_name(object->dataset->layout));
        }
    }
}

static void listing_json(const listing *list, snug_text *text)
{
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.data/1");
    snug_json_put_string(&json, "path", list->path);
    snug_json_put_string(&json, "problem", list->reason);
    snug_json_key(&json, "objects");
    snug_json_array_begin(&json);
    for (int64_t i = 0; i < list->count; i++) {
        const snug_h5_description *object = &list->objects[i];
        snug_json_object_begin(&json);
        snug_json_put_string(&json, "path", object->path);
        snug_json_key(&json, "extents");
        snug_json_array_begin(&json);
        for (int32_t k = 0; object->dataset != NULL && k < object->dataset->rank; k++) {
            snug_json_i64(&json, object->dataset->extents[k]);
        }
        snug_json_array_end(&json);
        if (object->problem != NULL) {
            snug_json_put_string(&json, "problem", object->problem);
        }
        snug_json_object_end(&json);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static snug_status list_objects(const char *path, const char *reason, snug_format format,
                                snug_arena *scratch, snug_text *text, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    snug_h5_file *h5 = NULL;
    listing list = {.path = path, .reason = reason};
    SNUG_TRY(snug_file_open(path, &file, err));
    const snug_h5_bytes source = snug_h5_bytes_from_file(&file);
    SNUG_TRY_DONE(snug_h5_open(&source, scratch, &h5, err));
    SNUG_TRY_DONE(snug_h5_describe(h5, scratch, &list.objects, &list.count, err));
    if (format == SNUG_FORMAT_JSON) {
        listing_json(&list, text);
    } else {
        listing_text(&list, text);
    }

done:
    snug_file_close(&file);
    return status;
}

static snug_status describe(const snug_data_describe_options *options, snug_format format,
                            snug_arena *scratch, snug_text *text, snug_error *err)
{
    snug_timeseries_description found;
    snug_error why = {0};
    const snug_timeseries_options fields = {.path = options->path,
                                            .group = options->group,
                                            .dataset = options->dataset,
                                            .inputs = options->inputs,
                                            .targets = options->targets,
                                            .window = 1};
    const snug_status status =
        snug_timeseries_describe(options->path, &fields, scratch, &found, &why);
    if (status == SNUG_CODE_NOT_FOUND) {
        /* The listing names the file already. */
        const size_t length = strlen(options->path);
        const bool named = strncmp(why.message, options->path, length) == 0 &&
                           strncmp(why.message + length, ": ", 2) == 0;
        return list_objects(options->path, why.message + (named ? length + 2 : 0), format, scratch,
                            text, err);
    }
    if (snug_failed(status)) {
        return SNUG_FAIL(err, status, "%s", why.message);
    }
    if (format == SNUG_FORMAT_JSON) {
        session_json(options->path, &found, text);
    } else {
        session_text(options->path, &found, text);
    }
    return SNUG_OK;
}

snug_status snug_data_describe(const snug_data_describe_options *options, snug_format format,
                               snug_write write, void *context, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena scratch;
    snug_report report = {0};
    if (snug_path_look(options->path) == SNUG_PATH_NONE) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "there is no file '%s'", options->path);
    }
    snug_heap_arena_init(&scratch, "describe", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    SNUG_TRY(snug_report_open(&report, REPORT_BYTES, err));
    SNUG_TRY_DONE(describe(options, format, &scratch, &report.text, err));
    SNUG_TRY_DONE(snug_report_send(&report, write, context, err));

done:
    snug_report_close(&report);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    return status;
}

/* Counts the session files of a folder and their bytes. */
static snug_status count_files(const char *folder, int64_t *out_files, int64_t *out_bytes,
                               snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena scratch;
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    int64_t files = 0;
    int64_t bytes = 0;
    snug_heap_arena_init(&scratch, "folder", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    SNUG_TRY_DONE(snug_folder_list(folder, &scratch, &entries, &count, err));
    for (int64_t i = 0; i < count; i++) {
        if (entries[i].kind == SNUG_PATH_FILE && is_session_name(entries[i].name)) {
            char path[SNUG_PATH_BYTES];
            snug_file file = {0};
            SNUG_TRY_DONE(snug_path_join(folder, entries[i].name, path, err));
            SNUG_TRY_DONE(snug_file_open(path, &file, err));
            bytes += file.bytes;
            files++;
            snug_file_close(&file);
        }
    }
    *out_files = files;
    *out_bytes = bytes;

done:
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    return status;
}

/* "day1.csv" becomes "OUT/day1.hdf5". */
static snug_status output_path(const char *input, const char *out, char path[SNUG_PATH_BYTES],
                               snug_error *err)
{
    char name[SNUG_PATH_BYTES];
    const char *last = snug_path_name(input);
    const char *dot = strrchr(last, '.');
    const int64_t length = dot == NULL || dot == last ? (int64_t)strlen(last) : dot - last;
    if (length > SNUG_PATH_BYTES - 16) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the name '%.60s...' is too long", last);
    }
    (void)snprintf(name, sizeof name, "%.*s.hdf5", (int)length, last);
    SNUG_TRY(snug_path_join(out, name, path, err));
    return SNUG_OK;
}

static snug_status convert_one(const snug_data_convert_options *options, const char *input,
                               snug_data_result *total, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    snug_timeseries_converted converted = {0};
    snug_file file = {0};
    SNUG_TRY(output_path(input, options->out, path, err));
    if (!options->overwrite && snug_path_look(path) != SNUG_PATH_NONE) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "'%s' is there already; --force writes over it", path);
    }
    const snug_timeseries_convert_options one = {.input = input,
                                                 .output = path,
                                                 .inputs = options->inputs,
                                                 .targets = options->targets,
                                                 .time = options->time,
                                                 .rate = options->rate,
                                                 .group = options->group};
    SNUG_TRY(snug_timeseries_convert(&one, &converted, err));
    SNUG_TRY(snug_file_open(path, &file, err));
    total->files++;
    total->rows += converted.row_count;
    total->bytes += file.bytes;
    snug_file_close(&file);
    return SNUG_OK;
}

snug_status snug_data_convert(const snug_data_convert_options *options,
                              snug_data_result *out_result, snug_error *err)
{
    snug_data_result total = {0};
    SNUG_TRY(snug_folder_make(options->out, err));
    for (int64_t i = 0; i < options->path_count; i++) {
        SNUG_TRY(convert_one(options, options->paths[i], &total, err));
    }
    *out_result = total;
    return SNUG_OK;
}

snug_status snug_data_generate(const snug_data_generate_options *options,
                               snug_data_result *out_result, snug_error *err)
{
    int64_t files = 0;
    int64_t bytes = 0;
    const double rate = options->rate > 0 ? options->rate : 2000;
    const int64_t sessions = options->sessions > 0 ? options->sessions : 8;
    const int64_t rows = options->rows > 0 ? options->rows : (int64_t)(60 * rate);
    SNUG_TRY(snug_folder_make(options->out, err));
    SNUG_TRY(count_files(options->out, &files, &bytes, err));
    if (files > 0 && !options->overwrite) {
        return SNUG_FAIL(err, SNUG_CODE_IO,
                         "'%s' holds %" PRId64 " sessions already; --force writes over them",
                         options->out, files);
    }
    const snug_timeseries_generate_options generate = {.folder = options->out,
                                                       .file_count = sessions,
                                                       .row_count = rows,
                                                       .input_count = options->channels,
                                                       .target_count = options->targets,
                                                       .rate = rate,
                                                       .seed = options->seed};
    SNUG_TRY(snug_timeseries_generate(&generate, NULL, NULL, err));
    SNUG_TRY(count_files(options->out, &files, &bytes, err));
    *out_result = (snug_data_result){.files = sessions, .rows = sessions * rows, .bytes = bytes};
    return SNUG_OK;
}

snug_status snug_data_generate_text(const snug_data_generate_text_options *options,
                                    snug_data_result *out_result, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    snug_arena scratch;
    snug_text_generated made = {0};
    const snug_text_generate_options generate = {.folder = options->out,
                                                 .row_count =
                                                     options->rows > 0 ? options->rows : 400,
                                                 .seed = options->seed};
    SNUG_TRY(snug_path_join(options->out, "train.csv", path, err));
    if (snug_path_look(path) != SNUG_PATH_NONE && !options->overwrite) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "'%s' is there already; --force writes over it", path);
    }
    snug_heap_arena_init(&scratch, "text", SNUG_CATEGORY_RUNTIME, 256 << 10);
    const snug_status status = snug_text_generate(&generate, &scratch, &made, err);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    if (status == SNUG_OK) {
        *out_result =
            (snug_data_result){.files = made.files, .rows = made.rows, .bytes = made.bytes};
    }
    return status;
}
