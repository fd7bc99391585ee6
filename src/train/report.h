/* RUN/report.html: how a run went, on one page that needs nothing from outside. */
#ifndef SNUG_TRAIN_REPORT_H
#define SNUG_TRAIN_REPORT_H

#include <stdint.h>

#include "base/status.h"

/**
 * Writes the page of a run from the files in its folder: summary.json, metrics.jsonl, config.yaml,
 * and memory.jsonl when the run was watched. Each may be missing, but for metrics.jsonl: so a run
 * that crashed has a page as well. Works for every family: numbers of summary.json that are not
 * known here are shown by their names.
 *
 * @param folder     RUN.
 * @param html_path  NULL: RUN/report.html.
 * @mem     About 7 MiB of the runtime category while it runs, so not before the seal is broken.
 * @errors  SNUG_CODE_NOT_FOUND when there is no metrics.jsonl; SNUG_CODE_IO, SNUG_CODE_FULL,
 *          SNUG_CODE_FORMAT. The page appears whole or not at all.
 */
SNUG_MUST_CHECK snug_status snug_run_report_write(const char *folder, const char *html_path,
                                                  snug_error *err);

/** The budget that RUN/summary.json names, in bytes; 0 when it cannot be read. */
int64_t snug_run_budget(const char *folder);

#endif
