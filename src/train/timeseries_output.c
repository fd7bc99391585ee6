/* CSV and HDF5 outputs of predictions. */
#include "train/timeseries_output.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "data/hdf5/h5_write.h"
#include "sys/heap.h"

typedef enum output_kind { OUTPUT_CSV, OUTPUT_HDF5, OUTPUT_CALLBACK } output_kind;

enum { BLOCK_BYTES = 512 << 10, BOUNCE_BYTES = 128 << 10 };

struct snug_timeseries_output {
    output_kind kind;
    snug_predict_options options;
    int64_t rows, target_count;
    int64_t
        next_row; /* First row of the current file that is not written yet: no row comes twice. */
    int64_t file; /* -1 before the first. */
    int64_t written;
    double rate;
    snug_arena arena;
    snug_file_writer writer;
    snug_h5_writer hdf5;
    snug_h5_write_member members[4];
    snug_h5_write_attribute attributes[2];
    char *line;
    int64_t line_bytes;
    unsigned char *row; /* HDF5. */
};

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static snug_status choose_kind(const snug_predict_options *options, output_kind *out,
                               snug_error *err)
{
    const char *path = options->output;
    if (path == NULL) {
        *out = OUTPUT_CALLBACK;
    } else if (ends_with(path, ".csv")) {
        *out = OUTPUT_CSV;
    } else if (ends_with(path, ".h5") || ends_with(path, ".hdf5")) {
        *out = OUTPUT_HDF5;
    } else {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "cannot tell the format of '%s': end it in .csv, .h5 or .hdf5", path);
    }
    return SNUG_OK;
}

static snug_status send_line(snug_timeseries_output *output, const snug_text *text, snug_error *err)
{
    if (output->kind == OUTPUT_CSV) {
        return snug_file_writer_add(&output->writer, text->data, text->length, err);
    }
    output->options.write(output->options.write_context, text->data, text->length);
    return SNUG_OK;
}

static snug_status open_csv(snug_timeseries_output *output, snug_error *err)
{
    void *memory = NULL;
    snug_text text;
    output->line_bytes = 256 + SNUG_PATH_BYTES + 20 * output->target_count;
    SNUG_TRY(snug_arena_alloc(&output->arena, output->line_bytes, &memory, err));
    output->line = memory;
    if (output->kind == OUTPUT_CSV) {
        SNUG_TRY(snug_arena_alloc(&output->arena, BOUNCE_BYTES, &memory, err));
        SNUG_TRY(snug_file_writer_open(output->options.output, memory, BOUNCE_BYTES,
                                       &output->writer, err));
    }
    snug_text_init(&text, output->line, output->line_bytes);
    snug_text_add(&text, "file,row,time");
    for (int64_t k = 0; k < output->target_count; k++) {
        snug_text_add(&text, ",prediction%lld", (long long)k + 1);
    }
    snug_text_add(&text, "\n");
    return send_line(output, &text, err);
}

static snug_status open_hdf5(snug_timeseries_output *output, snug_error *err)
{
    void *memory = NULL;
    output->members[0] = (snug_h5_write_member){"file", SNUG_H5_SIGNED, 8, 1};
    output->members[1] = (snug_h5_write_member){"row", SNUG_H5_SIGNED, 8, 1};
    output->members[2] = (snug_h5_write_member){"time", SNUG_H5_FLOAT, 8, 1};
    output->members[3] =
        (snug_h5_write_member){"prediction", SNUG_H5_FLOAT, 4, output->target_count};
    output->attributes[0] = (snug_h5_write_attribute){
        .name = "sample_rate", .kind = SNUG_H5_WRITE_F64, .f64 = output->rate};
    const snug_h5_write_options options = {.path = output->options.output,
                                           .group = "predictions",
                                           .dataset = "timeseries",
                                           .members = output->members,
                                           .member_count = SNUG_COUNT(output->members),
                                           .attributes = output->attributes,
                                           .attribute_count = 1,
                                           .buffer_bytes = BOUNCE_BYTES};
    SNUG_TRY(snug_arena_alloc(&output->arena, 24 + 4 * output->target_count, &memory, err));
    output->row = memory;
    return snug_h5_writer_open(&options, &output->arena, &output->hdf5, err);
}

snug_status snug_timeseries_output_open(const snug_predict_options *options,
                                        const snug_timeseries_own *own,
                                        snug_timeseries_output **out, snug_error *err)
{
    snug_status status = SNUG_OK;
    output_kind kind = OUTPUT_CSV;
    void *memory = NULL;
    SNUG_TRY(choose_kind(options, &kind, err));
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, BLOCK_BYTES, false, &memory, err));
    snug_timeseries_output *output = memory;
    const int64_t head = snug_align_up((int64_t)sizeof *output, SNUG_ALIGN);
    *output = (snug_timeseries_output){.kind = kind,
                                       .options = *options,
                                       .rows = own->facts.target_rows,
                                       .target_count = own->facts.target_count,
                                       .file = -1,
                                       .rate = own->sample_rate};
    snug_arena_init(&output->arena, "predictions", (unsigned char *)memory + head,
                    BLOCK_BYTES - head);
    SNUG_TRY_DONE(kind == OUTPUT_HDF5 ? open_hdf5(output, err) : open_csv(output, err));
    *out = output;

done:
    if (snug_failed(status)) {
        snug_timeseries_output_close(output);
    }
    return status;
}

/** Denormalised values of one time step. */
static float value_of(const snug_timeseries_session *at, const float *prediction, int64_t k)
{
    return at->target_std == NULL ? prediction[k]
                                  : prediction[k] * at->target_std[k] + at->target_mean[k];
}

static snug_status add_row(snug_timeseries_output *output, const snug_timeseries_session *at,
                           int64_t row, const float *prediction, snug_error *err)
{
    const double time = output->rate > 0.0 ? (double)row / output->rate : (double)row;
    if (output->kind == OUTPUT_HDF5) {
        memcpy(output->row, &output->file, 8);
        memcpy(output->row + 8, &row, 8);
        memcpy(output->row + 16, &time, 8);
        for (int64_t k = 0; k < output->target_count; k++) {
            const float value = value_of(at, prediction, k);
            memcpy(output->row + 24 + 4 * k, &value, 4);
        }
        return snug_h5_writer_rows(&output->hdf5, output->row, 1, err);
    }
    snug_text text;
    snug_text_init(&text, output->line, output->line_bytes);
    snug_text_add(&text, "%s,%lld,%.6f", snug_path_name(at->path), (long long)row, time);
    for (int64_t k = 0; k < output->target_count; k++) {
        snug_text_add(&text, ",%.9g", (double)value_of(at, prediction, k));
    }
    snug_text_add(&text, "\n");
    return send_line(output, &text, err);
}

snug_status snug_timeseries_output_add(snug_timeseries_output *output,
                                       const snug_timeseries_own *own, int64_t position,
                                       const float *prediction, snug_error *err)
{
    const snug_timeseries_place place = snug_timeseries_locate(own->index, false, 0, position);
    const snug_timeseries_session at = snug_timeseries_session_at(own->index, place.file);
    if (place.file != output->file) {
        output->file = place.file;
        output->next_row = 0;
    }
    for (int64_t t = 0; t < output->rows; t++) {
        const int64_t row = place.row_first + own->shapes.left_context + t;
        if (row < output->next_row || row >= at.row_count) {
            continue;
        }
        SNUG_TRY(add_row(output, &at, row, prediction + t * output->target_count, err));
        output->next_row = row + 1;
        output->written++;
    }
    return SNUG_OK;
}

snug_status snug_timeseries_output_commit(snug_timeseries_output *output, int64_t *out_rows,
                                          snug_error *err)
{
    if (output->kind == OUTPUT_CSV) {
        SNUG_TRY(snug_file_writer_commit(&output->writer, err));
    } else if (output->kind == OUTPUT_HDF5) {
        SNUG_TRY(snug_h5_writer_commit(&output->hdf5, err));
    }
    if (out_rows != NULL) {
        *out_rows = output->written;
    }
    return SNUG_OK;
}

void snug_timeseries_output_close(snug_timeseries_output *output)
{
    if (output == NULL) {
        return;
    }
    snug_file_writer_abort(&output->writer);
    snug_h5_writer_abort(&output->hdf5);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, output, BLOCK_BYTES);
}
