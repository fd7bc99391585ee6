/* The result of snug_run() as text and JSON. */
#include "snug/run.h"

#include <inttypes.h>
#include <string.h>

#include "api/inside.h"
#include "base/json.h"
#include "base/text.h"
#include "sys/file.h"

enum { REPORT_BYTES = 128 << 10, ESCAPED_BYTES = 6 };

/* A command line may be megabytes long; a letter may become six in JSON. */
static int64_t report_bytes(const snug_run_options *options)
{
    int64_t bytes = REPORT_BYTES;
    for (int64_t i = 0; options->command[i] != NULL; i++) {
        bytes += ESCAPED_BYTES * (int64_t)strlen(options->command[i]) + 16;
    }
    return bytes;
}

static void put_known(snug_json_writer *json, const char *key, int64_t value)
{
    if (value >= 0 && value != INT64_MAX) {
        snug_json_put_i64(json, key, value);
    }
}

static void write_attempt(const snug_run_attempt *attempt, snug_json_writer *json)
{
    snug_json_object_begin(json);
    snug_json_put_i64(json, "exit_code", attempt->exit_code);
    snug_json_put_string(json, "cause", attempt->cause);
    snug_json_put_string(json, "sentence", attempt->sentence);
    snug_json_put_string(json, "values", attempt->values);
    snug_json_put_string(json, "enforced_by", attempt->enforced_by);
    put_known(json, "limit_bytes", attempt->limit_bytes);
    put_known(json, "peak_bytes", attempt->peak_bytes);
    snug_json_put_string(json, "peak_source", attempt->peak_source);
    put_known(json, "process_peak_bytes", attempt->process_peak_bytes);
    snug_json_put_f64(json, "wall_s", attempt->wall_s);
    snug_json_put_f64(json, "cpu_s", attempt->cpu_s);
    snug_json_put_i64(json, "left_behind", attempt->left_behind > 0 ? attempt->left_behind : 0);
    snug_json_put_bool(json, "clean", attempt->clean);
    snug_json_object_end(json);
}

static void write_json(const snug_run_options *options, const snug_run_result *result,
                       snug_text *text)
{
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.run_result/1");
    snug_json_key(&json, "command");
    snug_json_array_begin(&json);
    for (int64_t i = 0; options->command[i] != NULL; i++) {
        snug_json_string(&json, options->command[i]);
    }
    snug_json_array_end(&json);
    snug_json_put_i64(&json, "limit_bytes", options->limit_bytes);
    snug_json_put_i64(&json, "exit_code", result->exit_code);
    snug_json_put_string(&json, "not_enforced_better_because", result->why);
    snug_json_key(&json, "attempts");
    snug_json_array_begin(&json);
    for (int64_t i = 0; i < result->attempt_count; i++) {
        write_attempt(&result->attempts[i], &json);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static void write_text(const snug_run_result *result, snug_text *text)
{
    char peak[SNUG_SIZE_TEXT_BYTES];
    for (int64_t i = 0; i < result->attempt_count; i++) {
        const snug_run_attempt *attempt = &result->attempts[i];
        snug_text_add(text, "attempt %" PRId64 "%s%s  %s, %.1f s, peak %s\n", i + 1,
                      attempt->values[0] != '\0' ? "  " : "", attempt->values, attempt->sentence,
                      attempt->wall_s, snug_size_text(attempt->peak_bytes, peak));
    }
    snug_text_add(text, "exit code %d\n", result->exit_code);
}

snug_status snug_run_result_write(const snug_run_options *options, const snug_run_result *result,
                                  snug_format format, snug_write write, void *context,
                                  snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, report_bytes(options), err));
    if (format == SNUG_FORMAT_JSON) {
        write_json(options, result, &report.text);
    } else {
        write_text(result, &report.text);
    }
    return snug_report_send(&report, write, context, err);
}

snug_status snug_run_result_save(const snug_run_options *options, const snug_run_result *result,
                                 const char *path, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, report_bytes(options), err));
    write_json(options, result, &report.text);
    if (report.text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the command is too long for a report");
    }
    SNUG_TRY_DONE(snug_file_write_all(path, report.text.data, report.text.length, err));

done:
    snug_report_close(&report);
    return status;
}
