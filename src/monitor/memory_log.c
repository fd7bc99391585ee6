#include "monitor/memory_log.h"

#include <math.h>
#include <string.h>

snug_status snug_memory_log_open(snug_memory_log *log, const char *path, bool force,
                                 snug_error *err)
{
    snug_file file = {0};
    SNUG_TRY(snug_file_open_append(path, &file, err));
    if (snug_path_look(path) == SNUG_PATH_FILE && file.bytes > 0) {
        snug_status status = SNUG_OK;
        if (!force) {
            status = SNUG_FAIL(err, SNUG_CODE_BUSY,
                               "'%s' is there already; another --log-file, or --force", path);
        } else {
            status = snug_file_truncate(&file, 0, err);
        }
        if (snug_failed(status)) {
            snug_file_close(&file);
            return status;
        }
    }
    memset(log, 0, sizeof *log);
    log->file = file;
    return SNUG_OK;
}

void snug_memory_log_close(snug_memory_log *log)
{
    snug_file_close(&log->file);
    log->file = (snug_file){0};
}

snug_json_writer *snug_memory_log_begin(snug_memory_log *log, const char *type, double t)
{
    /* A line that was cut off by a full disk ends here, so that it is the only one that is lost. */
    snug_text_init(&log->text, log->line, sizeof log->line);
    if (log->torn) {
        snug_text_add(&log->text, "\n");
    }
    snug_json_writer_init(&log->json, &log->text, false);
    snug_json_object_begin(&log->json);
    snug_json_put_string(&log->json, "type", type);
    if (t >= 0) {
        snug_json_put_f64(&log->json, "t", round(t * 1000) / 1000);
    }
    return &log->json;
}

snug_status snug_memory_log_end(snug_memory_log *log, snug_error *err)
{
    snug_json_object_end(&log->json);
    snug_text_add(&log->text, "\n");
    if (log->file.handle == 0) {
        return SNUG_OK;
    }
    if (log->text.truncated) {
        log->lost++;
        log->lost_all++;
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a line of the log is longer than %d bytes",
                         SNUG_MEMORY_LOG_LINE_BYTES);
    }
    const snug_status status = snug_file_append(&log->file, log->text.data, log->text.length, err);
    /* How much of a failed line is there is not known; an empty line does no harm. */
    log->torn = snug_failed(status);
    if (log->torn) {
        log->lost++;
        log->lost_all++;
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    log->lines++;
    return SNUG_OK;
}

void snug_memory_log_value(snug_json_writer *json, const char *key, snug_log_unit unit,
                           double value)
{
    if (unit == SNUG_UNIT_BYTES || unit == SNUG_UNIT_COUNT) {
        snug_json_put_i64(json, key, (int64_t)value);
    } else {
        snug_json_put_f64(json, key, round(value * 100) / 100);
    }
}

snug_status snug_memory_log_sample(snug_memory_log *log, const snug_reading *sample,
                                   snug_error *err)
{
    snug_json_writer *json = snug_memory_log_begin(log, SNUG_LOG_TYPE_SAMPLE, sample->t);
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        if (snug_reading_has(sample, (snug_log_field)field)) {
            snug_memory_log_value(json, snug_log_fields[field].key, snug_log_fields[field].unit,
                                  sample->values[field]);
        }
    }
    return snug_memory_log_end(log, err);
}
