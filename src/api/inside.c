#include "api/inside.h"

#include <inttypes.h>

#include "sys/heap.h"

snug_status snug_report_open(snug_report *report, int64_t bytes, snug_error *err)
{
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, bytes, false, &report->memory, err));
    report->bytes = bytes;
    snug_text_init(&report->text, report->memory, bytes);
    return SNUG_OK;
}

void snug_report_close(snug_report *report)
{
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, report->memory, report->bytes);
    *report = (snug_report){0};
}

snug_status snug_report_send(snug_report *report, snug_write write, void *context, snug_error *err)
{
    snug_status status = SNUG_OK;
    if (report->text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the report is longer than %" PRId64 " bytes",
                       report->bytes);
    }
    write(context, report->text.data, report->text.length);

done:
    snug_report_close(report);
    return status;
}
