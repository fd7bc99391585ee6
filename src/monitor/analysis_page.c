/* What a log says, as a page. */
#include <math.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/limits.h"
#include "base/translate.h"
#include "monitor/analysis.h"
#include "monitor/memory_picture.h"

static const char *size_of(double bytes, char out[SNUG_SIZE_TEXT_BYTES])
{
    return snug_size_text((int64_t)fmin(fmax(bytes, -9e18), 9e18), out);
}

/* Full to this share of a limit is worth a look. */
static const double FULL_SHARE = 0.9;

static snug_tone limit_tone(const snug_verdict *v)
{
    return v->exceeded                       ? SNUG_TONE_BAD
           : v->peak > FULL_SHARE * v->limit ? SNUG_TONE_NOTICE
                                             : SNUG_TONE_GOOD;
}

static void add_limit_bar(const snug_verdict *v, snug_text *out)
{
    char words[96];
    char sizes[2][SNUG_SIZE_TEXT_BYTES];
    snug_text text;
    if (!(v->limit > 0)) {
        return;
    }
    snug_text_init(&text, words, sizeof words);
    snug_text_say(&text, "peak %s of %s, %.0f %%", size_of(v->peak, sizes[0]),
                  size_of(v->limit, sizes[1]), 100 * v->peak / v->limit);
    snug_html_bar(out, limit_tone(v), v->peak / v->limit, words);
}

void snug_analysis_page_cards(const snug_analysis_item *item, snug_text *out)
{
    const snug_verdict *v = &item->verdict;
    char value[SNUG_SIZE_TEXT_BYTES];
    char rate[SNUG_TIME_TEXT_BYTES];
    char low[SNUG_TIME_TEXT_BYTES];
    char high[SNUG_TIME_TEXT_BYTES];
    char note[128];
    snug_text text;
    const snug_trend *trend = &v->evidence[v->source].trend;
    snug_html_cards_begin(out);
    snug_html_card(out, SNUG_TONE_PLAIN, "at the end", size_of(v->now, value),
                   snug_quantity_words(v->total));
    snug_text_init(&text, note, sizeof note);
    if (v->peak_kernel > 0) {
        snug_text_say(&text, "by the kernel %s", size_of(v->peak_kernel, value));
    } else {
        snug_text_say(&text, "of the samples");
    }
    snug_html_card(out, v->exceeded ? SNUG_TONE_BAD : SNUG_TONE_PLAIN, "peak",
                   size_of(v->peak, value), note);
    if (trend->shape != SNUG_TREND_SHORT) {
        snug_text_init(&text, note, sizeof note);
        snug_text_say(&text, "%s to %s (99 %%)", snug_rate_text(v->rate_low, low),
                      snug_rate_text(v->rate_high, high));
        snug_html_card(out, v->kind == SNUG_VERDICT_LEAK ? SNUG_TONE_BAD : SNUG_TONE_PLAIN,
                       "per hour", snug_rate_text(v->rate, rate), note);
    }
    if (v->limit > 0 && isfinite(v->reach_s)) {
        snug_text_init(&text, note, sizeof note);
        snug_text_say(&text, "%s to %s", snug_time_text(v->reach_s_early, low),
                      snug_time_text(v->reach_s_late, high));
        snug_html_card(out, SNUG_TONE_BAD, "limit reached in", snug_time_text(v->reach_s, rate),
                       note);
    }
    snug_text_init(&text, note, sizeof note);
    snug_text_say(&text, "%lld samples", (long long)item->log.series.sample_count);
    snug_html_card(out, SNUG_TONE_PLAIN, "watched for", snug_time_text(v->seconds, rate), note);
    snug_html_cards_end(out);
    add_limit_bar(v, out);
}

void snug_analysis_page_figures(const snug_analysis_item *item, snug_text *out)
{
    static const char *const headings[] = {"memory", "start", "end", "peak", "per hour", "shape"};
    const snug_verdict *v = &item->verdict;
    bool any = false;
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        any = any || (v->evidence[q].known && v->evidence[q].peak > 0);
    }
    if (!any) {
        return;
    }
    snug_html_table_begin(out, headings, SNUG_COUNT(headings));
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        const snug_evidence *e = &v->evidence[q];
        char sizes[3][SNUG_SIZE_TEXT_BYTES];
        char rate[SNUG_TIME_TEXT_BYTES];
        if (!e->known || !(e->peak > 0)) {
            continue;
        }
        const char *const cells[] = {snug_quantity_words((snug_quantity)q),
                                     size_of(e->first, sizes[0]),
                                     size_of(e->last, sizes[1]),
                                     size_of(e->peak, sizes[2]),
                                     snug_rate_text(e->trend.rate, rate),
                                     snug_translated(snug_trend_words(&e->trend))};
        snug_html_row(out, cells, SNUG_COUNT(cells));
    }
    snug_html_table_end(out);
}

static void add_row(const char *name, const char *value, snug_text *out)
{
    const char *const cells[] = {snug_translated(name), value};
    if (value[0] != '\0') {
        snug_html_row(out, cells, SNUG_COUNT(cells));
    }
}

static void add_events(const snug_log *log, snug_text *out)
{
    const int64_t count =
        log->note_count < SNUG_LOG_EVENTS_MAX ? log->note_count : SNUG_LOG_EVENTS_MAX;
    if (count == 0) {
        return;
    }
    snug_html_section(out, "Events");
    snug_html_table_begin(out, NULL, 0);
    for (int64_t i = 0; i < count; i++) {
        char time[SNUG_TIME_TEXT_BYTES];
        char words[160];
        snug_text text;
        snug_text_init(&text, words, sizeof words);
        snug_text_add(&text, "%s%s%s", log->notes[i].what,
                      log->notes[i].text[0] != '\0' ? ": " : "", log->notes[i].text);
        add_row(snug_time_text(log->notes[i].t, time), words, out);
    }
    snug_html_table_end(out);
}

void snug_analysis_page_log(const snug_analysis_item *item, snug_text *out)
{
    char words[320];
    snug_text text;
    snug_text_init(&text, words, sizeof words);
    snug_log_words(&item->log, &text);
    add_events(&item->log, out);
    snug_html_section(out, "Log");
    snug_html_table_begin(out, NULL, 0);
    add_row("file", item->path, out);
    add_row("content", words, out);
    add_row("command", item->log.command, out);
    add_row("started", item->log.started, out);
    add_row("program", item->log.program, out);
    add_row("machine", item->log.machine, out);
    snug_html_table_end(out);
}

static void add_item(const snug_analysis_item *item, snug_text *out)
{
    const snug_verdict *v = &item->verdict;
    const snug_memory_lines lines = {.budget = v->limit, .budget_words = "limit"};
    snug_html_headline(out, snug_verdict_tone(v), snug_verdict_name(v->kind), v->sentence);
    if (v->projection[0] != '\0') {
        snug_html_paragraph(out, v->projection);
    }
    snug_analysis_page_cards(item, out);
    snug_html_figure_begin(out);
    snug_memory_picture(&item->log, v, &lines, out);
    snug_html_figure_end(out);
    snug_html_section(out, "Why");
    snug_html_list_begin(out);
    for (int64_t i = 0; i < v->reason_count; i++) {
        snug_html_item(out, v->reasons[i]);
    }
    snug_html_list_end(out);
    snug_html_section(out, "What to do");
    snug_html_paragraph(out, v->advice);
    snug_html_section(out, "Figures");
    snug_analysis_page_figures(item, out);
    snug_analysis_page_log(item, out);
}

static void add_difference(const char *name, const snug_difference *difference, bool rate,
                           snug_text *out)
{
    char texts[5][SNUG_TIME_TEXT_BYTES];
    char interval[128];
    snug_text text;
    snug_difference_texts(difference, rate, texts);
    snug_text_init(&text, interval, sizeof interval);
    if (isfinite(difference->low)) {
        snug_text_say(&text, "%s to %s%s", texts[3], texts[4],
                      difference->sure ? "" : snug_translated(" (may be chance)"));
    }
    const char *const cells[] = {snug_translated(name), texts[0], texts[1], texts[2], interval};
    snug_html_row(out, cells, SNUG_COUNT(cells));
}

static void add_changes(const snug_analysis_item *const items[2], double *scratch, snug_text *out)
{
    static const char *const headings[] = {"", "before", "after", "difference", "95 % interval"};
    snug_changes found;
    snug_changes_find(items[0], items[1], scratch, &found);
    snug_html_section(out, "Before and after");
    snug_html_table_begin(out, headings, SNUG_COUNT(headings));
    add_difference("mean level", &found.level, false, out);
    add_difference("peak", &found.peak, false, out);
    add_difference("per hour", &found.rate, true, out);
    snug_html_table_end(out);
}

void snug_analysis_page(const snug_analysis_item *const *items, int64_t count, double *scratch,
                        snug_text *out)
{
    char title[SNUG_PATH_BYTES + 32];
    snug_text text;
    snug_text_init(&text, title, sizeof title);
    snug_text_say(&text, "Memory of %s%s",
                  items[0]->log.command[0] != '\0' ? items[0]->log.command : items[0]->path,
                  count > 1 ? snug_translated(" and others") : "");
    snug_html_begin(out, title);
    if (count == 2) {
        add_changes(items, scratch, out);
    }
    for (int64_t i = 0; i < count; i++) {
        if (count > 1) {
            snug_html_section(out, items[i]->path);
        }
        add_item(items[i], out);
    }
    snug_html_end(out, "Made by snug analyze. Sizes are binary: 1 MiB is 1,048,576 bytes.");
}
