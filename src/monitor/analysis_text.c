/* What a log says, for the terminal and for programs. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "base/json.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "monitor/analysis.h"

static const char RESET[] = "\033[0m", BOLD[] = "\033[1m";

snug_tone snug_verdict_tone(const snug_verdict *verdict)
{
    if (verdict->exceeded || verdict->kind == SNUG_VERDICT_LEAK) {
        return SNUG_TONE_BAD;
    }
    switch (verdict->kind) {
    case SNUG_VERDICT_STABLE:
        return SNUG_TONE_GOOD;
    case SNUG_VERDICT_UNSURE:
    case SNUG_VERDICT_WARMING_UP:
        return SNUG_TONE_PLAIN;
    default:
        return SNUG_TONE_NOTICE;
    }
}

/* Words of a log: no control characters, of the second kind neither, and no broken UTF-8. */
static void add_clean(snug_text *out, const char *words)
{
    const int64_t bytes = (int64_t)strlen(words);
    for (int64_t at = 0; at < bytes;) {
        const int64_t length = snug_utf8_length(words + at, bytes - at);
        const unsigned char c = (unsigned char)words[at];
        const bool control = (length == 1 && (c < 0x20 || c == 0x7f)) ||
                             (length == 2 && c == 0xc2 && (unsigned char)words[at + 1] < 0xa0);
        if (length == 0 || control) {
            snug_text_add(out, "?");
        } else {
            snug_text_add(out, "%.*s", (int)length, words + at);
        }
        at += length > 0 ? length : 1;
    }
}

static const char *size_of(double bytes, char out[SNUG_SIZE_TEXT_BYTES])
{
    return isfinite(bytes) ? snug_size_text((int64_t)fmin(fmax(bytes, -9e18), 9e18), out) : "-";
}

static const char *tone_color(snug_tone tone)
{
    static const char *const colors[] = {"\033[1;36m", "\033[1;32m", "\033[1;33m", "\033[1;31m"};
    return colors[tone];
}

static void verdict_text(const snug_analysis_item *item, bool color, snug_text *out)
{
    const snug_verdict *v = &item->verdict;
    snug_text_add(out, "%s%s%s", color ? tone_color(snug_verdict_tone(v)) : "",
                  snug_translated(snug_verdict_name(v->kind)), color ? RESET : "");
    snug_text_add(out, "  %s", color ? BOLD : "");
    add_clean(out, item->path);
    snug_text_add(out, "%s\n  ", color ? RESET : "");
    add_clean(out, v->sentence);
    snug_text_add(out, "\n");
    if (v->projection[0] != '\0') {
        snug_text_add(out, "  %s%s%s\n", color && v->exceeded ? tone_color(SNUG_TONE_BAD) : "",
                      v->projection, color && v->exceeded ? RESET : "");
    }
}

static void figures_text(const snug_verdict *v, snug_text *out)
{
    char sizes[3][SNUG_SIZE_TEXT_BYTES];
    char rate[SNUG_TIME_TEXT_BYTES];
    static const char *const heads[] = {"memory", "start", "end", "peak", "per hour", "shape"};
    static const int64_t columns[] = {-22, 12, 12, 12, 16, -1};
    snug_text_add(out, "\n ");
    for (int i = 0; i < SNUG_COUNT(heads); i++) {
        snug_text_add(out, i < 5 ? " " : "  ");
        snug_text_cell(out, columns[i], snug_translated(heads[i]));
    }
    snug_text_add(out, "\n");
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        const snug_evidence *e = &v->evidence[q];
        if (e->known && (e->peak > 0 || q == (int)v->total)) {
            snug_text_add(out, "  ");
            snug_text_cell(out, -22, snug_quantity_words((snug_quantity)q));
            snug_text_add(out, " %12s %12s %12s %16s  %s\n", size_of(e->first, sizes[0]),
                          size_of(e->last, sizes[1]), size_of(e->peak, sizes[2]),
                          snug_rate_text(e->trend.rate, rate),
                          snug_translated(snug_trend_words(&e->trend)));
        }
    }
}

/* What of the file could not be used. Nothing when all of it could. */
static void left_out_text(const snug_log *log, snug_text *out)
{
    if (log->bad_lines > 0) {
        snug_text_say(out, ", %" PRId64 " lines left out (the first is line %" PRId64 ")",
                      log->bad_lines, log->bad_line);
    }
    if (log->back_samples > 0) {
        snug_text_say(out, ", %" PRId64 " samples left out whose clock went back",
                      log->back_samples);
    }
    if (log->cut) {
        snug_text_say(out, ", the last line is cut");
    }
    if (log->packed_cut) {
        snug_text_say(out, ", the compressed file is damaged or cut at its end");
    }
    if (log->runs > 1) {
        snug_text_say(out, ", the last of %" PRId64 " runs in it", log->runs);
    }
}

void snug_log_words(const snug_log *log, snug_text *out)
{
    char time[SNUG_TIME_TEXT_BYTES];
    snug_text_say(out, "%s, %" PRId64 " samples over %s", snug_log_kind_name(log->kind),
                  log->series.sample_count,
                  snug_time_text(snug_series_seconds(&log->series), time));
    left_out_text(log, out);
}

static void item_text(const snug_analysis_item *item, bool color, snug_text *out)
{
    const snug_verdict *v = &item->verdict;
    verdict_text(item, color, out);
    snug_text_add(out, "\n");
    for (int64_t i = 0; i < v->reason_count; i++) {
        snug_text_add(out, "  ");
        snug_text_cell(out, -7, i == 0 ? snug_translated("Because") : "");
        snug_text_add(out, " %s\n", v->reasons[i]);
    }
    figures_text(v, out);
    snug_text_say(out, "\n  Log     ");
    snug_log_words(&item->log, out);
    snug_text_add(out, "\n");
    if (item->log.command[0] != '\0') {
        snug_text_say(out, "  Command ");
        add_clean(out, item->log.command);
        snug_text_add(out, "\n");
    }
    snug_text_say(out, "  Advice  %s\n", v->advice);
}

void snug_changes_find(const snug_analysis_item *before, const snug_analysis_item *after,
                       double *scratch, snug_changes *out)
{
    const snug_quantity total = before->verdict.total;
    snug_verdict_compare_level(&before->log.series, &after->log.series, total, scratch,
                               &out->level);
    snug_verdict_compare_rate(&before->verdict.evidence[total].trend,
                              &after->verdict.evidence[total].trend, &out->rate);
    out->peak = (snug_difference){
        .before = before->verdict.peak, .after = after->verdict.peak, .low = NAN, .high = NAN};
}

void snug_difference_texts(const snug_difference *difference, bool rate,
                           char out[5][SNUG_TIME_TEXT_BYTES])
{
    const double values[] = {difference->before, difference->after,
                             difference->after - difference->before, difference->low,
                             difference->high};
    for (int i = 0; i < 5; i++) {
        char size[SNUG_SIZE_TEXT_BYTES];
        snug_text cell;
        snug_text_init(&cell, out[i], SNUG_TIME_TEXT_BYTES);
        if (!isfinite(values[i])) {
            snug_text_add(&cell, "-");
        } else if (rate) {
            (void)snug_rate_text(values[i], out[i]);
        } else {
            snug_text_add(&cell, "%s%s", i >= 2 && values[i] > 0 ? "+" : "",
                          size_of(values[i], size));
        }
    }
}

static void difference_text(const char *name, const snug_difference *d, bool rate, snug_text *out)
{
    char texts[5][SNUG_TIME_TEXT_BYTES];
    snug_difference_texts(d, rate, texts);
    snug_text_add(out, "  ");
    snug_text_cell(out, -14, snug_translated(name));
    snug_text_add(out, " %14s %14s %16s", texts[0], texts[1], texts[2]);
    if (isfinite(d->low)) {
        snug_text_say(out, "  %s to %s%s", texts[3], texts[4],
                      d->sure ? "" : snug_translated(" (may be chance)"));
    }
    snug_text_add(out, "\n");
}

static void changes_text(const snug_analysis_item *const items[2], double *scratch, snug_text *out)
{
    static const char *const heads[] = {"before", "after", "difference", "95 % interval"};
    snug_changes found;
    snug_changes_find(items[0], items[1], scratch, &found);
    snug_text_say(out, "\nBefore and after (%s)\n", snug_quantity_words(items[0]->verdict.total));
    snug_text_add(out, "%16s", "");
    for (int i = 0; i < SNUG_COUNT(heads); i++) {
        snug_text_add(out, i < 3 ? " " : "  ");
        snug_text_cell(out, i < 2 ? 14 : i == 2 ? 16 : -1, snug_translated(heads[i]));
    }
    snug_text_add(out, "\n");
    difference_text("mean level", &found.level, false, out);
    difference_text("peak", &found.peak, false, out);
    difference_text("per hour", &found.rate, true, out);
}

void snug_analysis_text(const snug_analysis_item *const *items, int64_t count, bool color,
                        double *scratch, snug_text *out)
{
    for (int64_t i = 0; i < count; i++) {
        snug_text_add(out, "%s", i > 0 ? "\n" : "");
        item_text(items[i], color, out);
    }
    if (count == 2) {
        changes_text(items, scratch, out);
    }
}

/* A number that may be unknown: null then. */
static void put_number(snug_json_writer *json, const char *key, double value)
{
    if (isfinite(value) && fabs(value) < 9e15 && value == floor(value)) {
        snug_json_put_i64(json, key, (int64_t)value);
    } else {
        snug_json_put_f64(json, key, value);
    }
}

static void evidence_json(const snug_verdict *v, snug_json_writer *json)
{
    snug_json_key(json, "quantities");
    snug_json_object_begin(json);
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        const snug_evidence *e = &v->evidence[q];
        if (!e->known) {
            continue;
        }
        snug_json_key(json, snug_quantity_name((snug_quantity)q));
        snug_json_object_begin(json);
        snug_json_put_string(json, "shape", snug_trend_words(&e->trend));
        put_number(json, "start_bytes", round(e->first));
        put_number(json, "end_bytes", round(e->last));
        put_number(json, "peak_bytes", e->peak);
        put_number(json, "bytes_per_hour", e->trend.rate * 3600);
        put_number(json, "bytes_per_hour_low", e->trend.rate_low * 3600);
        put_number(json, "bytes_per_hour_high", e->trend.rate_high * 3600);
        put_number(json, "bic_margin", e->trend.margin);
        put_number(json, "independent_points", e->trend.independent);
        snug_json_object_end(json);
    }
    snug_json_object_end(json);
}

static void log_json(const snug_analysis_item *item, snug_json_writer *json)
{
    const snug_log *log = &item->log;
    snug_json_key(json, "log");
    snug_json_object_begin(json);
    snug_json_put_string(json, "format", snug_log_kind_name(log->kind));
    snug_json_put_string(json, "command", log->command);
    snug_json_put_i64(json, "samples", log->series.sample_count);
    snug_json_put_f64(json, "seconds", snug_series_seconds(&log->series));
    snug_json_put_i64(json, "lines", log->lines);
    snug_json_put_i64(json, "lines_left_out", log->bad_lines);
    snug_json_put_i64(json, "samples_left_out", log->back_samples);
    snug_json_put_bool(json, "cut", log->cut || log->packed_cut);
    snug_json_put_i64(json, "oom_kills", log->oom_kills);
    snug_json_object_end(json);
}

static void limit_json(const snug_verdict *v, snug_json_writer *json)
{
    if (!(v->limit > 0)) {
        return;
    }
    snug_json_key(json, "limit");
    snug_json_object_begin(json);
    put_number(json, "bytes", v->limit);
    snug_json_put_bool(json, "of_control_group", v->limit_of_group);
    snug_json_put_bool(json, "exceeded", v->exceeded);
    put_number(json, "reached_in_seconds", v->reach_s);
    put_number(json, "reached_in_seconds_early", v->reach_s_early);
    put_number(json, "reached_in_seconds_late", v->reach_s_late);
    snug_json_object_end(json);
}

static void item_json(const snug_analysis_item *item, snug_json_writer *json)
{
    const snug_verdict *v = &item->verdict;
    snug_json_object_begin(json);
    snug_json_put_string(json, "path", item->path);
    snug_json_put_string(json, "verdict", snug_verdict_name(v->kind));
    snug_json_put_string(json, "sentence", v->sentence);
    snug_json_put_string(json, "projection", v->projection);
    snug_json_put_string(json, "advice", v->advice);
    snug_json_put_bool(json, "exact", v->exact);
    if (v->exact) {
        snug_json_put_string(json, "category", snug_category_name(v->category));
        snug_json_put_i64(json, "category_bytes", item->log.ledger.leak.bytes);
    }
    snug_json_put_string(json, "total", snug_quantity_name(v->total));
    snug_json_put_string(json, "source", snug_quantity_name(v->source));
    put_number(json, "bytes_per_hour", v->rate * 3600);
    put_number(json, "bytes_per_hour_low", v->rate_low * 3600);
    put_number(json, "bytes_per_hour_high", v->rate_high * 3600);
    put_number(json, "now_bytes", round(v->now));
    put_number(json, "peak_bytes", v->peak);
    if (v->peak_kernel > 0) {
        put_number(json, "peak_kernel_bytes", v->peak_kernel);
    }
    limit_json(v, json);
    snug_json_key(json, "reasons");
    snug_json_array_begin(json);
    for (int64_t i = 0; i < v->reason_count; i++) {
        snug_json_string(json, v->reasons[i]);
    }
    snug_json_array_end(json);
    evidence_json(v, json);
    log_json(item, json);
    snug_json_object_end(json);
}

static void difference_json(const char *key, const snug_difference *d, double factor,
                            snug_json_writer *json)
{
    snug_json_key(json, key);
    snug_json_object_begin(json);
    put_number(json, "before", d->before * factor);
    put_number(json, "after", d->after * factor);
    put_number(json, "low", d->low * factor);
    put_number(json, "high", d->high * factor);
    snug_json_put_bool(json, "sure", d->sure);
    snug_json_object_end(json);
}

void snug_analysis_json(const snug_analysis_item *const *items, int64_t count, double *scratch,
                        snug_text *out)
{
    snug_json_writer json;
    snug_json_writer_init(&json, out, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.analysis/1");
    snug_json_key(&json, "logs");
    snug_json_array_begin(&json);
    for (int64_t i = 0; i < count; i++) {
        item_json(items[i], &json);
    }
    snug_json_array_end(&json);
    if (count == 2) {
        snug_changes found;
        snug_changes_find(items[0], items[1], scratch, &found);
        snug_json_key(&json, "difference");
        snug_json_object_begin(&json);
        difference_json("level_bytes", &found.level, 1, &json);
        difference_json("peak_bytes", &found.peak, 1, &json);
        difference_json("bytes_per_hour", &found.rate, 3600, &json);
        snug_json_object_end(&json);
    }
    snug_json_object_end(&json);
    snug_text_add(out, "\n");
}
