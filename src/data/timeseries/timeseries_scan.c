#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/timeseries/timeseries_internal.h"

enum {
    BUFFER_BYTES =
        128 << 10,       /* Raw rows in memory at once; a larger block of chunks is the limit. */
    TILE_ROWS = 128,     /* Rows converted at once. */
    GAP_BYTES = 64 << 10 /* Farther apart, two sampled rows are read by themselves. */
};

/* numpy's isclose(x, 0) with its default tolerances. */
static const float zero_tolerance = 1e-8f;

/* Running sums about the first sample: without the shift, E[x^2] - E[x]^2 would cancel. */
typedef struct sums {
    double *shift, *sum, *square;
} sums;

typedef struct scanner {
    const snug_timeseries_options *options;
    const snug_h5_bytes *source;
    const snug_timeseries_found *found;
    snug_h5_scratch *h5_scratch;
    bool full; /* Every row is looked at, else only the sampled ones. */
    int64_t stat_first, stat_rows;
    int64_t sample_count;
    int64_t cursor; /* The first sample that was not passed; rows are read in ascending order. */
    sums sums;
    unsigned char *valid; /* One bit a row, or NULL. */
    unsigned char *rows;
    int64_t buffer_rows;
    float *tile;
} scanner;

/* Row of sample k, as numpy's trunc(linspace(0, L - 1, n)) has it. */
static int64_t sample_row(const scanner *scan, int64_t k)
{
    if (k == scan->sample_count - 1) {
        return scan->stat_first + (scan->sample_count > 1 ? scan->stat_rows - 1 : 0);
    }
    const double step = (double)(scan->stat_rows - 1) / (double)(scan->sample_count - 1);
    return scan->stat_first + (int64_t)((double)k * step);
}

/* Row of the next sample, or `otherwise` when all were passed. */
static int64_t next_sample_row(const scanner *scan, int64_t otherwise)
{
    return scan->cursor < scan->sample_count ? sample_row(scan, scan->cursor) : otherwise;
}

static void pass_samples(scanner *scan, int64_t end)
{
    while (next_sample_row(scan, end) < end) {
        scan->cursor++;
    }
}

static void add_sample(scanner *scan, const snug_timeseries_span *span, int64_t base,
                       const float *row, bool first)
{
    for (int64_t c = 0; c < span->member.count; c++) {
        const int64_t at = base + span->column + c;
        const double value = (double)row[span->column + c];
        if (first) {
            scan->sums.shift[at] = value;
        }
        const double centred = value - scan->sums.shift[at];
        scan->sums.sum[at] += centred;
        scan->sums.square[at] += centred * centred;
    }
}

/* A row counts when any target is away from zero. */
static void mark_valid(scanner *scan, const snug_timeseries_span *span, const float *tile,
                       int64_t stride, int64_t first_row, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const float *const row = tile + i * stride + span->column;
        int32_t away = 0;
        for (int64_t c = 0; c < span->member.count; c++) {
            away |= !(fabsf(row[c]) <= zero_tolerance);
        }
        const int64_t at = first_row + i;
        scan->valid[at / 8] = (unsigned char)(scan->valid[at / 8] | (away << (at % 8)));
    }
}

/* Looks at rows [first, first + count) of one span, at most TILE_ROWS of them. */
static snug_status scan_tile(scanner *scan, snug_field_kind kind, const snug_timeseries_span *span,
                             const unsigned char *rows, int64_t first, int64_t count,
                             snug_error *err)
{
    const snug_timeseries_layout *const layout = &scan->found->layout;
    const int64_t row_bytes = layout->tables[span->table].row_bytes;
    const int64_t stride = layout->fields[kind].count;
    const int64_t base = kind == SNUG_FIELD_INPUT ? 0 : layout->fields[SNUG_FIELD_INPUT].count;
    if (!snug_timeseries_gather(span, rows, row_bytes, count, NULL, NULL, scan->tile, stride)) {
        return snug_timeseries_blame(span, kind, rows, row_bytes, count, first, err);
    }
    for (int64_t k = scan->cursor; k < scan->sample_count; k++) {
        const int64_t row = sample_row(scan, k);
        if (row >= first + count) {
            break;
        }
        add_sample(scan, span, base, scan->tile + (row - first) * stride, k == 0);
    }
    if (scan->valid != NULL && kind == SNUG_FIELD_TARGET) {
        mark_valid(scan, span, scan->tile, stride, first, count);
    }
    return SNUG_OK;
}

/* All spans of a table over rows that are in the buffer. */
static snug_status scan_rows(scanner *scan, int32_t table, int64_t first, int64_t count,
                             snug_error *err)
{
    const snug_timeseries_layout *const layout = &scan->found->layout;
    const int64_t row_bytes = layout->tables[table].row_bytes;
    int64_t done = 0;
    while (done < count) {
        int64_t take = snug_min_i64(TILE_ROWS, count - done);
        if (!scan->full) {
            /* Only the sampled rows, one by one. */
            const int64_t row = next_sample_row(scan, first + count);
            if (row >= first + count) {
                return SNUG_OK;
            }
            done = row - first;
            take = 1;
        }
        for (int32_t kind = 0; kind < SNUG_FIELD_COUNT; kind++) {
            const snug_timeseries_fields *const fields = &layout->fields[kind];
            for (int32_t i = 0; i < fields->span_count; i++) {
                if (fields->spans[i].table == table) {
                    SNUG_TRY(scan_tile(scan, (snug_field_kind)kind, &fields->spans[i],
                                       scan->rows + done * row_bytes, first + done, take, err));
                }
            }
        }
        done += take;
        pass_samples(scan, first + done);
    }
    return SNUG_OK;
}

/* The rows to read next at or behind `row`; none are left when *out_first is the end. */
static void next_range(const scanner *scan, const snug_h5_dataset *dataset, int64_t row,
                       int64_t *out_first, int64_t *out_count)
{
    const int64_t row_count = scan->found->row_count;
    int64_t first = row;
    int64_t end = row + scan->buffer_rows;
    if (!scan->full) {
        first = next_sample_row(scan, row_count);
        end = first + 1;
        if (dataset->layout == SNUG_H5_CHUNKED) {
            first -= first % dataset->block_rows;
            end = first + dataset->block_rows;
        } else {
            for (int64_t k = scan->cursor + 1; k < scan->sample_count; k++) {
                const int64_t next = sample_row(scan, k);
                if ((next - end) * dataset->row_bytes > GAP_BYTES ||
                    next >= first + scan->buffer_rows) {
                    break;
                }
                end = next + 1;
            }
        }
    }
    *out_first = snug_min_i64(first, row_count);
    *out_count = snug_min_i64(end, row_count) - *out_first;
}

static snug_status scan_table(scanner *scan, int32_t table, snug_arena *scratch, snug_error *err)
{
    const snug_h5_dataset *const dataset = &scan->found->layout.tables[table];
    const snug_mark mark = snug_arena_mark(scratch);
    snug_status status = SNUG_OK;
    void *memory = NULL;
    const int64_t unit = dataset->layout == SNUG_H5_CHUNKED ? dataset->block_rows : 1;
    const int64_t units = snug_max_i64(1, BUFFER_BYTES / (unit * dataset->row_bytes));
    scan->buffer_rows = snug_min_i64(units * unit, dataset->row_count + unit);
    SNUG_TRY_DONE(snug_arena_array(scratch, scan->buffer_rows, dataset->row_bytes, &memory, err));
    scan->rows = memory;
    scan->cursor = 0;
    int64_t row = 0;
    while (row < dataset->row_count) {
        int64_t first = 0;
        int64_t count = 0;
        next_range(scan, dataset, row, &first, &count);
        if (count > 0) {
            SNUG_TRY_DONE(snug_h5_read_rows(scan->source, dataset, first, count, scan->h5_scratch,
                                            scan->rows, err));
            SNUG_TRY_DONE(scan_rows(scan, table, first, count, err));
        }
        row = first + snug_max_i64(count, 1);
    }

done:
    snug_arena_rewind(scratch, mark);
    return status;
}

static snug_status collect_runs(const unsigned char *valid, int64_t row_count, snug_arena *scratch,
                                snug_timeseries_scan *out, snug_error *err)
{
    /* Counted first, so that the array is made once. */
    int64_t count = 0;
    bool inside = false;
    for (int64_t row = 0; row < row_count; row++) {
        const bool now = valid[row / 8] >> (row % 8) & 1;
        count += now && !inside;
        inside = now;
    }
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(scratch, snug_max_i64(count, 1), (int64_t)sizeof(snug_timeseries_run),
                              &memory, err));
    snug_timeseries_run *const runs = memory;
    int64_t made = 0;
    inside = false;
    for (int64_t row = 0; row < row_count; row++) {
        const bool now = valid[row / 8] >> (row % 8) & 1;
        if (now && !inside) {
            runs[made++].first = (uint32_t)row;
        }
        if (now) {
            runs[made - 1].count++;
        }
        inside = now;
    }
    out->runs = runs;
    out->run_count = count;
    return SNUG_OK;
}

static snug_status one_run(int64_t row_count, snug_arena *scratch, snug_timeseries_scan *out,
                           snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(scratch, (int64_t)sizeof(snug_timeseries_run), &memory, err));
    snug_timeseries_run *const run = memory;
    run->count = (uint32_t)row_count;
    out->runs = run;
    out->run_count = 1;
    return SNUG_OK;
}

static snug_status make_sums(scanner *scan, int64_t channels, snug_arena *scratch, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(scratch, 3 * channels, (int64_t)sizeof(double), &memory, err));
    double *const values = memory;
    scan->sums = (sums){.shift = values, .sum = values + channels, .square = values + 2 * channels};
    return SNUG_OK;
}

/* The sums become mean and population variance, in place. */
static void finish_sums(const scanner *scan, int64_t channels, snug_timeseries_scan *out)
{
    const double count = (double)scan->sample_count;
    for (int64_t c = 0; c < channels && scan->sample_count > 0; c++) {
        const double centred = scan->sums.sum[c] / count;
        const double variance = scan->sums.square[c] / count - centred * centred;
        scan->sums.sum[c] = scan->sums.shift[c] + centred;
        scan->sums.square[c] = variance > 0.0 ? variance : 0.0;
    }
    out->sample_count = scan->sample_count;
    out->mean = scan->sums.sum;
    out->variance = scan->sums.square;
}

snug_status snug_timeseries_scan_file(const snug_timeseries_options *options,
                                      const snug_h5_bytes *source,
                                      const snug_timeseries_found *found, int64_t stat_first,
                                      int64_t stat_end, snug_h5_scratch *h5_scratch,
                                      snug_arena *scratch, snug_timeseries_scan *out,
                                      snug_error *err)
{
    const snug_timeseries_layout *const layout = &found->layout;
    const int64_t input_count = layout->fields[SNUG_FIELD_INPUT].count;
    const int64_t target_count = layout->fields[SNUG_FIELD_TARGET].count;
    const bool statistics = options->normalise_inputs != SNUG_NORMALISE_NONE ||
                            options->normalise_targets != SNUG_NORMALISE_NONE;
    const bool masked = options->use_mask || options->skip_invalid;
    scanner scan = {.options = options,
                    .source = source,
                    .found = found,
                    .h5_scratch = h5_scratch,
                    .full = masked || options->check,
                    .stat_first = stat_first,
                    .stat_rows = stat_end - stat_first};
    void *memory = NULL;
    *out = (snug_timeseries_scan){0};
    if (statistics) {
        scan.sample_count = snug_min_i64(options->max_samples_for_normalize, scan.stat_rows);
    }
    SNUG_TRY(make_sums(&scan, input_count + target_count, scratch, err));
    if (masked) {
        SNUG_TRY(snug_arena_alloc(scratch, found->row_count / 8 + 1, &memory, err));
        scan.valid = memory;
    }
    SNUG_TRY(snug_arena_array(scratch, TILE_ROWS * snug_max_i64(input_count, target_count),
                              (int64_t)sizeof(float), &memory, err));
    scan.tile = memory;
    if (scan.full || scan.sample_count > 0) {
        for (int32_t table = 0; table < layout->table_count; table++) {
            SNUG_TRY(scan_table(&scan, table, scratch, err));
        }
    }
    finish_sums(&scan, input_count + target_count, out);
    return masked ? collect_runs(scan.valid, found->row_count, scratch, out, err)
                  : one_run(found->row_count, scratch, out, err);
}
