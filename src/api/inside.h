/* What the files of the public API share: a report that is built in memory and sent at once. */
#ifndef SNUG_API_INSIDE_H
#define SNUG_API_INSIDE_H

#include <stdint.h>

#include "base/status.h"
#include "base/text.h"
#include "snug/write.h"

/** Room for one report. All zeros is closed. */
typedef struct snug_report {
    snug_text text;
    void *memory;
    int64_t bytes;
} snug_report;

/** Takes `bytes` for the text (runtime category, not after the seal). */
SNUG_MUST_CHECK snug_status snug_report_open(snug_report *report, int64_t bytes, snug_error *err);
/** Sends the text and closes; SNUG_CODE_LIMIT when it did not fit, and nothing was sent. */
SNUG_MUST_CHECK snug_status snug_report_send(snug_report *report, snug_write write, void *context,
                                             snug_error *err);
/** Closes without sending; a closed one is allowed. */
void snug_report_close(snug_report *report);

#endif
