/* psrecord (text and CSV), mprof's .dat and prmon's table. */
#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "monitor/log_read.h"

static const double KIB = 1024.0, MIB = 1048576.0;

/** What the columns of the tables are called. */
static const struct {
    const char *name;
    snug_log_kind kind;
    snug_log_column what;
    snug_quantity quantity;
    double factor;
} known[] = {
    {"elapsed_time", SNUG_LOG_PSRECORD, SNUG_COLUMN_TIME, SNUG_QUANTITY_RSS, 1},
    {"mem_real", SNUG_LOG_PSRECORD, SNUG_COLUMN_QUANTITY, SNUG_QUANTITY_RSS, MIB},
    {"Time", SNUG_LOG_PRMON, SNUG_COLUMN_TIME, SNUG_QUANTITY_RSS, 1},
    {"rss", SNUG_LOG_PRMON, SNUG_COLUMN_QUANTITY, SNUG_QUANTITY_RSS, KIB},
    {"pss", SNUG_LOG_PRMON, SNUG_COLUMN_QUANTITY, SNUG_QUANTITY_PSS, KIB},
    {"swap", SNUG_LOG_PRMON, SNUG_COLUMN_QUANTITY, SNUG_QUANTITY_SWAP, KIB},
    {"gpufbmem", SNUG_LOG_PRMON, SNUG_COLUMN_QUANTITY, SNUG_QUANTITY_GPU_USED, KIB},
};

static bool starts_with(const char *line, int64_t bytes, const char *word)
{
    const int64_t length = (int64_t)strlen(word);
    return bytes >= length && memcmp(line, word, (size_t)length) == 0;
}

/* The next cell and what comes behind it; a space divides runs of spaces. */
static bool next_cell(const char **at, const char *end, char separator, const char **out,
                      int64_t *out_bytes)
{
    const char *from = *at;
    while (separator == ' ' && from < end && (*from == ' ' || *from == '\t')) {
        from++;
    }
    if (from >= end) {
        return false;
    }
    const char *to = from;
    while (to < end && *to != separator && !(separator == ' ' && *to == '\t')) {
        to++;
    }
    *out = from;
    *out_bytes = to - from;
    *at = to < end ? to + 1 : to;
    return true;
}

/* The header of a table: which column is what. */
static bool begin_table(snug_log_reader *reader, const char *line, int64_t bytes, char separator,
                        snug_log_kind kind)
{
    const char *at = line;
    const char *cell = NULL;
    int64_t cell_bytes = 0;
    bool time = false;
    bool resident = false;
    int64_t count = 0;
    while (count < SNUG_LOG_COLUMNS_MAX &&
           next_cell(&at, line + bytes, separator, &cell, &cell_bytes)) {
        reader->columns[count].what = SNUG_COLUMN_OTHER;
        for (int64_t i = 0; i < SNUG_COUNT(known); i++) {
            if (known[i].kind != kind || (int64_t)strlen(known[i].name) != cell_bytes ||
                memcmp(known[i].name, cell, (size_t)cell_bytes) != 0) {
                continue;
            }
            reader->columns[count].what = known[i].what;
            reader->columns[count].quantity = known[i].quantity;
            reader->columns[count].factor = known[i].factor;
            time = time || known[i].what == SNUG_COLUMN_TIME;
            resident = resident || (known[i].what == SNUG_COLUMN_QUANTITY &&
                                    known[i].quantity <= SNUG_QUANTITY_PSS);
        }
        count++;
    }
    if (!time || !resident) {
        return false;
    }
    reader->column_count = count;
    reader->separator = separator;
    reader->log->kind = kind;
    return true;
}

/* "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)": four columns and perhaps more. */
static void begin_psrecord_text(snug_log_reader *reader)
{
    reader->log->kind = SNUG_LOG_PSRECORD;
    reader->separator = ' ';
    reader->column_count = 3;
    memset(reader->columns, 0, sizeof reader->columns);
    reader->columns[0].what = SNUG_COLUMN_TIME;
    reader->columns[0].factor = 1;
    reader->columns[2].what = SNUG_COLUMN_QUANTITY;
    reader->columns[2].quantity = SNUG_QUANTITY_RSS;
    reader->columns[2].factor = MIB;
}

bool snug_log_other_begin(snug_log_reader *reader, const char *line, int64_t bytes)
{
    double value = 0;
    if (starts_with(line, bytes, "# Elapsed time")) {
        begin_psrecord_text(reader);
        return true;
    }
    if (starts_with(line, bytes, "elapsed_time,")) {
        return begin_table(reader, line, bytes, ',', SNUG_LOG_PSRECORD);
    }
    if (memchr(line, '\t', (size_t)bytes) != NULL &&
        begin_table(reader, line, bytes, '\t', SNUG_LOG_PRMON)) {
        return true;
    }
    if (starts_with(line, bytes, "CMDLINE ")) {
        const int64_t length =
            bytes - 8 < SNUG_LOG_COMMAND_BYTES - 1 ? bytes - 8 : SNUG_LOG_COMMAND_BYTES - 1;
        memcpy(reader->log->command, line + 8, (size_t)length);
        reader->log->command[length] = '\0';
        reader->log->kind = SNUG_LOG_MPROF;
        return true;
    }
    if (starts_with(line, bytes, "MEM ") && snug_log_number(line + 4, bytes - 4, &value) > 0) {
        reader->log->kind = SNUG_LOG_MPROF;
        return snug_log_other_line(reader, line, bytes);
    }
    return false;
}

static bool table_line(snug_log_reader *reader, const char *line, int64_t bytes)
{
    const char *at = line;
    const char *cell = NULL;
    int64_t cell_bytes = 0;
    bool time = false;
    snug_sample sample = snug_log_sample_none(0);
    for (int64_t i = 0; i < reader->column_count; i++) {
        double value = 0;
        if (!next_cell(&at, line + bytes, reader->separator, &cell, &cell_bytes)) {
            return false;
        }
        if (reader->columns[i].what == SNUG_COLUMN_OTHER) {
            continue;
        }
        if (snug_log_number(cell, cell_bytes, &value) != cell_bytes || cell_bytes == 0 ||
            value < 0) {
            return false;
        }
        value *= reader->columns[i].factor;
        if (reader->columns[i].what == SNUG_COLUMN_TIME) {
            sample.t = value;
            time = true;
        } else {
            sample.values[reader->columns[i].quantity] = value;
        }
    }
    if (time) {
        (void)snug_log_take(reader, &sample);
    }
    return time;
}

/* "MEM 12.5 1700000000.5" begins a sample, "CHLD 0 3.5 1700000000.5" adds a child to it. */
static bool mprof_line(snug_log_reader *reader, const char *line, int64_t bytes)
{
    const bool child = starts_with(line, bytes, "CHLD ");
    const char *at = line + (child ? 5 : 4);
    const char *cell = NULL;
    int64_t cell_bytes = 0;
    double numbers[3];
    const int64_t wanted = child ? 3 : 2;
    if (starts_with(line, bytes, "CMDLINE ") || starts_with(line, bytes, "FUNC ")) {
        return true;
    }
    if (!child && !starts_with(line, bytes, "MEM ")) {
        return false;
    }
    for (int64_t i = 0; i < wanted; i++) {
        if (!next_cell(&at, line + bytes, ' ', &cell, &cell_bytes) ||
            snug_log_number(cell, cell_bytes, &numbers[i]) != cell_bytes || cell_bytes == 0) {
            return false;
        }
    }
    if (child) {
        if (reader->has_pending) {
            reader->pending.values[SNUG_QUANTITY_RSS] += numbers[1] * MIB;
        }
        return true;
    }
    snug_log_other_finish(reader);
    reader->pending = snug_log_sample_none(numbers[1]);
    reader->pending.values[SNUG_QUANTITY_RSS] = numbers[0] * MIB;
    reader->has_pending = true;
    return true;
}

bool snug_log_other_line(snug_log_reader *reader, const char *line, int64_t bytes)
{
    return reader->log->kind == SNUG_LOG_MPROF ? mprof_line(reader, line, bytes)
                                               : table_line(reader, line, bytes);
}

void snug_log_other_finish(snug_log_reader *reader)
{
    if (reader->has_pending) {
        reader->has_pending = false;
        (void)snug_log_take(reader, &reader->pending);
    }
}
