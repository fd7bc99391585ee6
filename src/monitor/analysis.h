/* Analysed logs in words, as JSON and as a page. */
#ifndef SNUG_MONITOR_ANALYSIS_H
#define SNUG_MONITOR_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "monitor/log_read.h"
#include "monitor/report_html.h"
#include "monitor/verdict.h"

enum {
    SNUG_ANALYSIS_LOGS_MAX = 16,
    SNUG_ANALYSIS_TEXT_BYTES = 256 << 10,
    SNUG_ANALYSIS_PAGE_BYTES = 1 << 20 /* 16 logs with their pictures would need more: a limit. */
};

/** One log and what it says. About 1.9 MiB. */
typedef struct snug_analysis_item {
    const char *path; /* Borrowed. */
    snug_log log;
    snug_verdict verdict;
} snug_analysis_item;

/** How a verdict is meant. */
snug_tone snug_verdict_tone(const snug_verdict *verdict);

/**
 * The verdict first, then reasons, figures and advice; of two logs also what changed. Words of the
 * log cannot move the cursor: control characters become '?'.
 * @param scratch  2 * SNUG_SERIES_BINS_MAX doubles.
 */
void snug_analysis_text(const snug_analysis_item *const *items, int64_t count, bool color,
                        double *scratch, snug_text *out);
/** Schema snug.analysis/1: {"schema", "logs": [...], "difference": {...} for two}. */
void snug_analysis_json(const snug_analysis_item *const *items, int64_t count, double *scratch,
                        snug_text *out);
/** The same as one self-contained page. */
void snug_analysis_page(const snug_analysis_item *const *items, int64_t count, double *scratch,
                        snug_text *out);

/** What changed from one log to another. */
typedef struct snug_changes {
    snug_difference level, rate, peak;
} snug_changes;

/** @param scratch  2 * SNUG_SERIES_BINS_MAX doubles. */
void snug_changes_find(const snug_analysis_item *before, const snug_analysis_item *after,
                       double *scratch, snug_changes *out);
/** Before, after, difference, low, high as sizes or rates; "-" for what is not known. */
void snug_difference_texts(const snug_difference *difference, bool rate,
                           char out[5][SNUG_TIME_TEXT_BYTES]);
/** "snug monitor, 600 samples over 10 min, 3 lines left out (the first is line 17)". */
void snug_log_words(const snug_log *log, snug_text *out);

/* Sections of the page, for reports that hold more than a log. */
void snug_analysis_page_cards(const snug_analysis_item *item, snug_text *out);
void snug_analysis_page_figures(const snug_analysis_item *item, snug_text *out);
void snug_analysis_page_log(const snug_analysis_item *item, snug_text *out);

#endif
