/* Memory over time as an SVG picture: range, private and file memory, the trend, the limit. */
#ifndef SNUG_MONITOR_MEMORY_PICTURE_H
#define SNUG_MONITOR_MEMORY_PICTURE_H

#include "base/text.h"
#include "monitor/verdict.h"

enum { SNUG_MEMORY_PICTURE_BYTES = 160 << 10 }; /* Room that is enough for every picture. */

typedef struct snug_memory_lines {
    double budget;            /* Bytes; a red line; 0: none. */
    double predicted;         /* Bytes; a dashed green line; 0: none. */
    const char *budget_words; /* "limit", "budget"; no markup. */
} snug_memory_lines;

/**
 * Draws what was measured, thinned out to about 480 places. A limit more than four times as high as
 * everything else is named and not drawn.
 *
 * @param verdict  Whose trend is marked; NULL: none.
 * @mem     Allocates nothing.
 */
void snug_memory_picture(const snug_log *log, const snug_verdict *verdict,
                         const snug_memory_lines *lines, snug_text *out);

#endif
