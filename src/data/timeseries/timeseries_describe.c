#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "data/hdf5/h5_describe.h"
#include "data/timeseries/timeseries_files.h"
#include "data/timeseries/timeseries_internal.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { SCRATCH_BLOCK_BYTES = 2 << 20, BUFFER_BYTES = 512 << 10 };

/* Welford's running figures of one channel. */
typedef struct figures {
    double count, mean, square, minimum, maximum;
    int64_t bad_count;
} figures;

typedef struct describer {
    const snug_timeseries_found *found;
    const snug_h5_bytes *source;
    snug_h5_scratch h5_scratch;
    snug_arena *scratch;
    figures *figures;     /* Inputs, then targets. */
    unsigned char *valid; /* One bit a row. */
} describer;

static void add_number(figures *channel, double value)
{
    if (!isfinite(value)) {
        channel->bad_count++;
        return;
    }
    const double delta = value - channel->mean;
    channel->count += 1.0;
    channel->mean += delta / channel->count;
    channel->square += delta * (value - channel->mean);
    channel->minimum = channel->count > 1.0 ? fmin(channel->minimum, value) : value;
    channel->maximum = channel->count > 1.0 ? fmax(channel->maximum, value) : value;
}

static void add_rows(describer *self, snug_field_kind kind, const snug_timeseries_span *span,
                     const unsigned char *rows, int64_t row_bytes, int64_t first, int64_t count)
{
    const snug_timeseries_layout *const layout = &self->found->layout;
    const int64_t base =
        span->column + (kind == SNUG_FIELD_INPUT ? 0 : layout->fields[SNUG_FIELD_INPUT].count);
    for (int64_t i = 0; i < count; i++) {
        bool away = false;
        for (int64_t c = 0; c < span->member.count; c++) {
            double value = 0.0;
            snug_h5_to_f64(&span->member, rows + i * row_bytes, c, 1, &value);
            add_number(&self->figures[base + c], value);
            away = away || !(fabs(value) <= 1e-8);
        }
        if (kind == SNUG_FIELD_TARGET && away) {
            const int64_t row = first + i;
            self->valid[row / 8] = (unsigned char)(self->valid[row / 8] | 1 << (row % 8));
        }
    }
}

static snug_status add_table(describer *self, int32_t table, snug_error *err)
{
    const snug_timeseries_layout *const layout = &self->found->layout;
    const snug_h5_dataset *const dataset = &layout->tables[table];
    const int64_t unit = dataset->layout == SNUG_H5_CHUNKED ? dataset->block_rows : 1;
    const int64_t take =
        unit * snug_max_i64(1, BUFFER_BYTES / (unit * snug_max_i64(dataset->row_bytes, 1)));
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(self->scratch, snug_min_i64(take, dataset->row_count + unit),
                              dataset->row_bytes, &memory, err));
    for (int64_t row = 0; row < dataset->row_count; row += take) {
        const int64_t count = snug_min_i64(take, dataset->row_count - row);
        SNUG_TRY(
            snug_h5_read_rows(self->source, dataset, row, count, &self->h5_scratch, memory, err));
        for (int32_t kind = 0; kind < SNUG_FIELD_COUNT; kind++) {
            const snug_timeseries_fields *const fields = &layout->fields[kind];
            for (int32_t i = 0; i < fields->span_count; i++) {
                if (fields->spans[i].table == table) {
                    add_rows(self, (snug_field_kind)kind, &fields->spans[i], memory,
                             dataset->row_bytes, row, count);
                }
            }
        }
    }
    return SNUG_OK;
}

/* "time f8, joint_angles f8[20], emg f4[16]" */
static void list_members(const snug_h5_dataset *dataset, char *out, int64_t out_bytes)
{
    snug_text text;
    snug_text_init(&text, out, out_bytes);
    for (int64_t i = 0; i < dataset->type.member_count; i++) {
        const snug_h5_member *const member = &dataset->type.members[i];
        snug_text_add(&text, "%s%s%s%s", i > 0 ? ", " : "", member->name,
                      member->name[0] != '\0' ? " " : "", member->type_name);
        if (member->count > 1) {
            snug_text_add(&text, "[%" PRId64 "]", member->count);
        }
    }
}

static void describe_layout(const snug_h5_dataset *dataset, char *out, int64_t out_bytes)
{
    snug_text text;
    snug_text_init(&text, out, out_bytes);
    snug_text_add(&text, "%s", snug_h5_layout_name(dataset->layout));
    if (dataset->layout == SNUG_H5_CHUNKED) {
        snug_text_say(&text, " %" PRId64 " rows", dataset->chunk_extents[0]);
    }
    for (int32_t i = 0; i < dataset->filter_count; i++) {
        snug_text_add(&text, "%s%s", i == 0 ? ", " : " + ",
                      snug_h5_filter_name(dataset->filters[i].id));
    }
}

static void name_channel(const char *list, int64_t channel, int64_t count, char *out)
{
    snug_text text;
    snug_text_init(&text, out, SNUG_NAME_BYTES);
    if (count == 1) {
        snug_text_add(&text, "%s", list);
    } else {
        snug_text_add(&text, "%s #%" PRId64, list, channel);
    }
}

static snug_status keep_channels(const describer *self, const snug_timeseries_options *options,
                                 snug_arena *arena, snug_timeseries_description *out,
                                 snug_error *err)
{
    void *memory = NULL;
    const int64_t count =
        snug_min_i64(out->input_count + out->target_count, SNUG_DESCRIBE_CHANNELS_MAX);
    SNUG_TRY(
        snug_arena_array(arena, count, (int64_t)sizeof(snug_timeseries_channel), &memory, err));
    out->channels = memory;
    out->channel_count = count;
    for (int64_t i = 0; i < count; i++) {
        const figures *const from = &self->figures[i];
        snug_timeseries_channel *const to = &out->channels[i];
        if (i < out->input_count) {
            name_channel(options->inputs, i, out->input_count, to->name);
        } else {
            name_channel(options->targets, i - out->input_count, out->target_count, to->name);
        }
        to->mean = from->mean;
        to->std = from->count > 0.0 ? sqrt(from->square / from->count) : 0.0;
        to->minimum = from->minimum;
        to->maximum = from->maximum;
        to->bad_count = from->bad_count;
    }
    return SNUG_OK;
}

/* The attribute `sample_rate` of the group; 0 when there is none. */
static double read_rate(snug_h5_file *h5, const char *group)
{
    snug_h5_object object;
    snug_error ignored = {0};
    double rate = 0.0;
    if (snug_failed(snug_h5_find(h5, group[0] != '\0' ? group : "/", &object, &ignored)) ||
        snug_failed(snug_h5_attribute_f64(h5, object, "sample_rate", &rate, &ignored))) {
        return 0.0;
    }
    return rate;
}

static snug_status prepare(describer *self, snug_error *err)
{
    const snug_timeseries_layout *const layout = &self->found->layout;
    const int64_t channels =
        layout->fields[SNUG_FIELD_INPUT].count + layout->fields[SNUG_FIELD_TARGET].count;
    void *memory = NULL;
    int64_t bytes = 0;
    SNUG_TRY(snug_arena_array(self->scratch, channels, (int64_t)sizeof(figures), &memory, err));
    self->figures = memory;
    SNUG_TRY(snug_arena_alloc(self->scratch, self->found->row_count / 8 + 1, &memory, err));
    self->valid = memory;
    for (int32_t i = 0; i < layout->table_count; i++) {
        const snug_h5_dataset *const dataset = &layout->tables[i];
        bytes = snug_max_i64(bytes, snug_h5_scratch_bytes(dataset));
        for (int32_t f = 0; f < dataset->filter_count; f++) {
            if (dataset->filters[f].id == SNUG_H5_DEFLATE && self->h5_scratch.inflater == NULL) {
                SNUG_TRY(snug_h5_inflater_create(&self->h5_scratch.inflater, err));
            }
        }
    }
    if (bytes > 0) {
        SNUG_TRY(snug_arena_alloc(self->scratch, bytes, &memory, err));
        self->h5_scratch.memory = memory;
        self->h5_scratch.memory_bytes = bytes;
    }
    return SNUG_OK;
}

static snug_status describe_open(describer *self, snug_file *file,
                                 const snug_timeseries_options *options, snug_arena *arena,
                                 snug_timeseries_description *out, snug_error *err)
{
    const snug_h5_bytes source = snug_timeseries_bytes(file);
    snug_h5_file *h5 = NULL;
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(self->scratch, (int64_t)sizeof(snug_timeseries_found), &memory, err));
    snug_timeseries_found *const found = memory;
    self->found = found;
    self->source = &source;
    SNUG_TRY(snug_h5_open(&source, self->scratch, &h5, err));
    SNUG_TRY(snug_timeseries_find(options, h5, self->scratch, found, err));
    SNUG_TRY(prepare(self, err));
    for (int32_t table = 0; table < found->layout.table_count; table++) {
        SNUG_TRY(add_table(self, table, err));
    }
    const snug_h5_dataset *const first = &found->layout.tables[0];
    snug_timeseries_description made = {.file_bytes = file->bytes,
                                        .row_count = found->row_count,
                                        .row_bytes = first->row_bytes,
                                        .rate = read_rate(h5, found->group),
                                        .input_count = found->layout.fields[SNUG_FIELD_INPUT].count,
                                        .target_count =
                                            found->layout.fields[SNUG_FIELD_TARGET].count};
    snug_text text;
    snug_text_init(&text, made.group, sizeof made.group);
    snug_text_add(&text, "%s", found->group);
    snug_text_init(&text, made.dataset, sizeof made.dataset);
    snug_text_add(&text, "%s", first->type.compound ? options->dataset : options->inputs);
    describe_layout(first, made.layout, sizeof made.layout);
    list_members(first, made.members, sizeof made.members);
    for (int64_t row = 0; row < found->row_count; row++) {
        made.valid_rows += self->valid[row / 8] >> (row % 8) & 1;
    }
    SNUG_TRY(keep_channels(self, options, arena, &made, err));
    *out = made;
    return SNUG_OK;
}

snug_status snug_timeseries_describe(const char *path, const snug_timeseries_options *options,
                                     snug_arena *arena, snug_timeseries_description *out,
                                     snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_arena scratch;
    snug_file file = {0};
    snug_timeseries_options asked = *options;
    snug_timeseries_options full;
    describer self = {.scratch = &scratch};
    asked.path = path;
    asked.window = snug_max_i64(asked.window, 1);
    asked.left_context = 0;
    SNUG_TRY(snug_file_open(path, &file, err));
    snug_heap_arena_init(&scratch, "describe", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    SNUG_TRY_DONE(snug_timeseries_options_copy(&asked, &scratch, &full, err));
    SNUG_TRY_DONE(describe_open(&self, &file, &full, arena, out, err));

done:
    snug_h5_inflater_destroy(self.h5_scratch.inflater);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    snug_file_close(&file);
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
        (void)snug_error_prefix(err, "%s", path);
    }
    return status;
}
