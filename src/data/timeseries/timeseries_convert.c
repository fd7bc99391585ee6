#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "data/csv/csv.h"
#include "data/hdf5/h5_write.h"
#include "data/timeseries/timeseries_files.h"
#include "data/timeseries/timeseries_internal.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { ARENA_BLOCK_BYTES = 2 << 20, NEAREST_MAX = 1024 };

/* Which CSV columns become which channels. */
typedef struct columns {
    int64_t time; /* -1: made from the rate. */
    int64_t input_count, target_count;
    int64_t *inputs, *targets;
} columns;

typedef struct converter {
    const snug_timeseries_convert_options *options;
    snug_arena *arena;
    snug_csv_reader reader;
    columns columns;
    unsigned char *row;
    int64_t row_bytes;
    int64_t row_count;
    int64_t zero_rows;
    double last_seconds;
} converter;

static snug_status missing_column(const converter *self, const char *name, snug_error *err)
{
    const char *names[NEAREST_MAX];
    const int64_t count = snug_min_i64(self->reader.field_count, NEAREST_MAX);
    for (int64_t i = 0; i < count; i++) {
        names[i] = self->reader.fields[i].text;
    }
    const char *const nearest = snug_nearest_name(name, names, count);
    if (nearest == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no column '%s' in the header", name);
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no column '%s' in the header; did you mean '%s'?",
                     name, nearest);
}

static snug_status add_column(converter *self, const char *name, int64_t *list, int64_t *count,
                              snug_error *err)
{
    const int64_t found = snug_csv_find(&self->reader, name);
    if (found < 0) {
        return missing_column(self, name, err);
    }
    if (*count == SNUG_CHANNELS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d columns", SNUG_CHANNELS_MAX);
    }
    list[(*count)++] = found;
    return SNUG_OK;
}

/* Where the digits at the end of a name begin. */
static int64_t digits_from(const char *name)
{
    int64_t at = (int64_t)strlen(name);
    while (at > 0 && isdigit((unsigned char)name[at - 1])) {
        at--;
    }
    return at;
}

/* "emg1..emg8" or "emg1..8": every number from the first to the last. */
static snug_status add_range(converter *self, const char *first, const char *last, int64_t *list,
                             int64_t *count, snug_error *err)
{
    const int64_t stem = digits_from(first);
    const int64_t last_stem = digits_from(last);
    const bool same =
        last_stem == 0 || (last_stem == stem && strncmp(first, last, (size_t)stem) == 0);
    if (first[stem] == '\0' || last[last_stem] == '\0' || !same) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s..%s' is no range of columns; write emg1..emg8",
                         first, last);
    }
    const int64_t begin = strtoll(first + stem, NULL, 10);
    const int64_t end = strtoll(last + last_stem, NULL, 10);
    if (end < begin || end - begin >= SNUG_CHANNELS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s..%s' is an empty or too long range", first,
                         last);
    }
    /* "emg01..emg16" keeps its zeros. */
    const int width = first[stem] == '0' ? (int)strlen(first + stem) : 1;
    for (int64_t i = begin; i <= end; i++) {
        char name[SNUG_NAME_BYTES];
        snug_text text;
        snug_text_init(&text, name, sizeof name);
        snug_text_add(&text, "%.*s%0*" PRId64, (int)stem, first, width, i);
        SNUG_TRY(add_column(self, name, list, count, err));
    }
    return SNUG_OK;
}

/* One entry of a list, without the blanks around it. */
static snug_status add_entry(converter *self, const char *start, int64_t length, int64_t *list,
                             int64_t *count, snug_error *err)
{
    char entry[2 * SNUG_NAME_BYTES];
    while (length > 0 && *start == ' ') {
        start++;
        length--;
    }
    while (length > 0 && start[length - 1] == ' ') {
        length--;
    }
    if (length == 0 || length >= (int64_t)sizeof entry) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "an empty or too long name in a list of columns");
    }
    memcpy(entry, start, (size_t)length);
    entry[length] = '\0';
    char *const dots = strstr(entry, "..");
    if (dots == NULL || snug_csv_find(&self->reader, entry) >= 0) {
        return add_column(self, entry, list, count, err);
    }
    *dots = '\0';
    return add_range(self, entry, dots + 2, list, count, err);
}

static snug_status find_columns(converter *self, const char *text, const char *what,
                                int64_t **out_list, int64_t *out_count, snug_error *err)
{
    void *memory = NULL;
    if (text == NULL || text[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "no %s columns are named", what);
    }
    SNUG_TRY(
        snug_arena_array(self->arena, SNUG_CHANNELS_MAX, (int64_t)sizeof(int64_t), &memory, err));
    *out_list = memory;
    *out_count = 0;
    const char *start = text;
    while (start != NULL) {
        const char *const comma = strchr(start, ',');
        const int64_t length = comma != NULL ? comma - start : (int64_t)strlen(start);
        SNUG_TRY(add_entry(self, start, length, *out_list, out_count, err));
        start = comma != NULL ? comma + 1 : NULL;
    }
    return SNUG_OK;
}

static snug_status open_csv(converter *self, snug_file *file, snug_error *err)
{
    const snug_byte_source source = snug_byte_source_of_file(file);
    bool more = false;
    SNUG_TRY(snug_csv_open(&source, NULL, self->arena, &self->reader, err));
    SNUG_TRY(snug_csv_next(&self->reader, &more, err));
    if (!more) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the file is empty");
    }
    return SNUG_OK;
}

static snug_status find_all_columns(converter *self, snug_error *err)
{
    columns *const found = &self->columns;
    void *memory = NULL;
    SNUG_TRY(find_columns(self, self->options->inputs, "input", &found->inputs, &found->input_count,
                          err));
    SNUG_TRY(find_columns(self, self->options->targets, "target", &found->targets,
                          &found->target_count, err));
    found->time = -1;
    if (self->options->time != NULL) {
        int64_t count = 0;
        SNUG_TRY(add_column(self, self->options->time, &found->time, &count, err));
    }
    self->row_bytes = (int64_t)sizeof(double) * (1 + found->target_count) +
                      (int64_t)sizeof(float) * found->input_count;
    SNUG_TRY(snug_arena_alloc(self->arena, self->row_bytes, &memory, err));
    self->row = memory;
    return SNUG_OK;
}

static snug_status number_at(const converter *self, int64_t column, double *out, snug_error *err)
{
    if (column >= self->reader.field_count) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "line %" PRId64 " has only %" PRId64 " fields",
                         self->reader.line, self->reader.field_count);
    }
    SNUG_TRY(snug_csv_f64(&self->reader, column, out, err));
    if (!isfinite(*out)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "line %" PRId64 ", column %" PRId64 " is '%s'",
                         self->reader.line, column + 1, self->reader.fields[column].text);
    }
    return SNUG_OK;
}

/* The record read last as a row: time f8, targets f8, inputs f4. */
static snug_status make_row(converter *self, snug_error *err)
{
    unsigned char *out = self->row;
    double value = (double)self->row_count / self->options->rate;
    bool zero = true;
    if (self->columns.time >= 0) {
        SNUG_TRY(number_at(self, self->columns.time, &value, err));
    }
    self->last_seconds = value;
    memcpy(out, &value, sizeof value);
    out += sizeof value;
    for (int64_t k = 0; k < self->columns.target_count; k++) {
        SNUG_TRY(number_at(self, self->columns.targets[k], &value, err));
        zero = zero && fabs(value) <= 1e-8;
        memcpy(out, &value, sizeof value);
        out += sizeof value;
    }
    for (int64_t c = 0; c < self->columns.input_count; c++) {
        SNUG_TRY(number_at(self, self->columns.inputs[c], &value, err));
        const float narrow = (float)value;
        if (!isfinite(narrow)) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "line %" PRId64 ": %g is too large for f32",
                             self->reader.line, value);
        }
        memcpy(out, &narrow, sizeof narrow);
        out += sizeof narrow;
    }
    self->zero_rows += zero;
    return SNUG_OK;
}

static const char *or_text(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static snug_status write_session(converter *self, snug_error *err)
{
    const snug_timeseries_convert_options *const options = self->options;
    snug_status status = SNUG_OK;
    snug_h5_writer writer = {0};
    bool more = true;
    const char *const name = snug_path_name(options->output);
    const snug_h5_write_member members[] = {
        {"time", SNUG_H5_FLOAT, 8, 1},
        {or_text(options->targets_member, "joint_angles"), SNUG_H5_FLOAT, 8,
         self->columns.target_count},
        {or_text(options->inputs_member, "emg"), SNUG_H5_FLOAT, 4, self->columns.input_count}};
    const snug_h5_write_attribute attributes[] = {
        {.name = "filename", .kind = SNUG_H5_WRITE_TEXT, .text = name},
        {.name = "session", .kind = SNUG_H5_WRITE_TEXT, .text = snug_path_name(options->input)},
        {.name = "stage", .kind = SNUG_H5_WRITE_TEXT, .text = or_text(options->stage, "")},
        {.name = "user", .kind = SNUG_H5_WRITE_TEXT, .text = or_text(options->user, "")},
        {.name = "side", .kind = SNUG_H5_WRITE_TEXT, .text = or_text(options->side, "")},
        {.name = "sample_rate", .kind = SNUG_H5_WRITE_F64, .f64 = options->rate},
        {.name = "num_channels", .kind = SNUG_H5_WRITE_I64, .i64 = self->columns.input_count}};
    const snug_h5_write_options write = {.path = options->output,
                                         .group = or_text(options->group, "emg2pose"),
                                         .dataset = "timeseries",
                                         .members = members,
                                         .member_count = SNUG_COUNT(members),
                                         .attributes = attributes,
                                         .attribute_count = SNUG_COUNT(attributes)};
    SNUG_TRY_DONE(snug_h5_writer_open(&write, self->arena, &writer, err));
    SNUG_TRY_DONE(snug_csv_next(&self->reader, &more, err));
    while (more) {
        SNUG_TRY_DONE(make_row(self, err));
        SNUG_TRY_DONE(snug_h5_writer_rows(&writer, self->row, 1, err));
        self->row_count++;
        SNUG_TRY_DONE(snug_csv_next(&self->reader, &more, err));
    }
    if (self->row_count == 0) {
        SNUG_FAIL_DONE(err, SNUG_CODE_DATA, "there are no rows behind the header");
    }
    SNUG_TRY_DONE(snug_h5_writer_commit(&writer, err));

done:
    snug_h5_writer_abort(&writer);
    return status;
}

/* Reads the new file row by row beside the CSV; every byte must be what the CSV says. */
static snug_status compare_rows(converter *self, snug_file *file, snug_error *err)
{
    const snug_h5_bytes source = snug_timeseries_bytes(file);
    snug_h5_file *h5 = NULL;
    snug_h5_object object;
    snug_h5_dataset dataset;
    void *memory = NULL;
    char path[SNUG_PATH_BYTES];
    bool more = true;
    SNUG_TRY(snug_path_join(or_text(self->options->group, "emg2pose"), "timeseries", path, err));
    SNUG_TRY(snug_h5_open(&source, self->arena, &h5, err));
    SNUG_TRY(snug_h5_find(h5, path, &object, err));
    SNUG_TRY(snug_h5_dataset_open(h5, object, self->arena, &dataset, err));
    SNUG_TRY(snug_arena_alloc(self->arena, self->row_bytes, &memory, err));
    if (dataset.row_count != self->row_count || dataset.row_bytes != self->row_bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "read back: %" PRId64 " rows instead of %" PRId64,
                         dataset.row_count, self->row_count);
    }
    const int64_t row_count = self->row_count;
    snug_h5_scratch scratch = {0};
    self->row_count = 0;
    SNUG_TRY(snug_csv_next(&self->reader, &more, err));
    while (more && self->row_count < row_count) {
        SNUG_TRY(make_row(self, err));
        SNUG_TRY(snug_h5_read_rows(&source, &dataset, self->row_count, 1, &scratch, memory, err));
        if (memcmp(memory, self->row, (size_t)self->row_bytes) != 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "read back: row %" PRId64 " differs",
                             self->row_count);
        }
        self->row_count++;
        SNUG_TRY(snug_csv_next(&self->reader, &more, err));
    }
    if (more || self->row_count != row_count) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the CSV file changed while it was converted");
    }
    return SNUG_OK;
}

static snug_status verify(converter *self, snug_file *csv, snug_error *err)
{
    snug_file file = {0};
    SNUG_TRY(open_csv(self, csv, err));
    SNUG_TRY(snug_file_open(self->options->output, &file, err));
    const int64_t zero_rows = self->zero_rows;
    const snug_status status = compare_rows(self, &file, err);
    self->zero_rows = zero_rows;
    snug_file_close(&file);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", self->options->output);
    }
    return status;
}

snug_status snug_timeseries_convert(const snug_timeseries_convert_options *options,
                                    snug_timeseries_converted *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena arena;
    snug_file file = {0};
    converter self = {.options = options, .arena = &arena};
    if (options->input == NULL || options->output == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a CSV file and the HDF5 file to make are needed");
    }
    if (!(options->rate > 0.0)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the rate is above 0 rows a second, not %g",
                         options->rate);
    }
    SNUG_TRY(snug_file_open(options->input, &file, err));
    snug_heap_arena_init(&arena, "convert", SNUG_CATEGORY_DATA, ARENA_BLOCK_BYTES);
    status = open_csv(&self, &file, err);
    if (!snug_failed(status)) {
        status = find_all_columns(&self, err);
    }
    if (!snug_failed(status)) {
        status = write_session(&self, err);
    }
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", options->input);
        goto done;
    }
    SNUG_TRY_DONE(verify(&self, &file, err));
    *out = (snug_timeseries_converted){.row_count = self.row_count,
                                       .input_count = self.columns.input_count,
                                       .target_count = self.columns.target_count,
                                       .zero_rows = self.zero_rows};

done:
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    snug_file_close(&file);
    return status;
}
