#include "monitor/memory_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/json.h"
#include "base/translate.h"

/* How the fields are called where people read them. */
static const struct {
    snug_log_field field;
    const char *words;
} rows[] = {
    {SNUG_FIELD_RSS, "resident"},
    {SNUG_FIELD_PSS, "proportional share"},
    {SNUG_FIELD_USS, "private"},
    {SNUG_FIELD_ANON, "anonymous"},
    {SNUG_FIELD_FILE, "mapped files"},
    {SNUG_FIELD_SHMEM, "shared"},
    {SNUG_FIELD_SWAP, "swapped out"},
    {SNUG_FIELD_CGROUP, "control group"},
    {SNUG_FIELD_USED, "machine"},
    {SNUG_FIELD_AVAILABLE, "available"},
    {SNUG_FIELD_GPU_USED, "GPU memory"},
    {SNUG_FIELD_GPU_TARGET, "GPU memory of it"},
    {SNUG_FIELD_LIVE, "counted by itself"},
    {SNUG_FIELD_CPU, "CPU, % of a core"},
    {SNUG_FIELD_GPU_UTIL, "GPU use, %"},
    {SNUG_FIELD_PSI_SOME, "pressure, %"},
    {SNUG_FIELD_TEMPERATURE, "temperature, C"},
    {SNUG_FIELD_GPU_TEMPERATURE, "GPU, C"},
    {SNUG_FIELD_PROCESSES, "processes"},
    {SNUG_FIELD_THREADS, "threads"},
};

static void add_figure(snug_text *out, snug_log_unit unit, double value)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    if (unit == SNUG_UNIT_BYTES) {
        snug_text_add(out, " %12s", snug_size_text((int64_t)value, size));
    } else {
        snug_text_add(out, unit == SNUG_UNIT_COUNT ? " %12.0f" : " %12.1f", value);
    }
}

static void add_table(const snug_recorder *recorder, snug_text *out)
{
    static const char *const heads[] = {"lowest", "mean", "95 %", "highest"};
    snug_text_add(out, "%20s", "");
    for (int64_t i = 0; i < SNUG_COUNT(heads); i++) {
        snug_text_add(out, " ");
        snug_text_cell(out, 12, snug_translated(heads[i]));
    }
    snug_text_add(out, "\n");
    for (int64_t i = 0; i < SNUG_COUNT(rows); i++) {
        const snug_field_figures *figures = &recorder->history.figures[rows[i].field];
        const snug_log_unit unit = snug_log_fields[rows[i].field].unit;
        if (figures->count == 0 || (figures->high == 0 && unit == SNUG_UNIT_BYTES)) {
            continue;
        }
        snug_text_cell(out, -20, snug_translated(rows[i].words));
        add_figure(out, unit, figures->low);
        add_figure(out, unit, snug_figures_mean(figures));
        add_figure(out, unit, snug_figures_quantile(figures, 0.95));
        add_figure(out, unit, figures->high);
        snug_text_add(out, "\n");
    }
}

static void add_peaks(const snug_recorder *recorder, snug_text *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    const double sampled = snug_recorder_peak_sampled(recorder);
    const double kernel = snug_recorder_peak_kernel(recorder);
    const snug_field_figures *group = &recorder->history.figures[SNUG_FIELD_CGROUP_PEAK];
    /* The kernel's figure may have been read before the last rise. */
    const double highest = recorder->history.figures[SNUG_FIELD_CGROUP].high;
    if (sampled > 0) {
        snug_text_say(out, "Peak      %s sampled", snug_size_text((int64_t)sampled, size));
    } else {
        snug_text_say(out, "Peak      no sample was taken");
    }
    if (kernel > 0) {
        snug_text_say(out, ", %s by the kernel%s", snug_size_text((int64_t)kernel, size),
                      recorder->sampler.processes.count > 1
                          ? snug_translated(" for the largest process")
                          : "");
    }
    if (group->count > 0) {
        snug_text_say(out, ", %s of the control group over its life",
                      snug_size_text((int64_t)fmax(group->high, highest), size));
    }
    snug_text_add(out, "\n");
    if (kernel > sampled * 1.02 && sampled > 0) {
        snug_text_say(out, "          samples missed a peak of %s: a shorter --interval shows it\n",
                      snug_size_text((int64_t)kernel, size));
    }
}

/* What helps, by the requirement that first set these levels. */
static void add_advice(const snug_recorder *recorder, snug_text *out)
{
    const snug_levels *levels = &recorder->levels;
    snug_text_say(out, "Levels    notice %" PRId64 ", warning %" PRId64 ", danger %" PRId64 "\n",
                  levels->entered[SNUG_LEVEL_NOTICE], levels->entered[SNUG_LEVEL_WARNING],
                  levels->entered[SNUG_LEVEL_DANGER]);
    if (levels->highest != SNUG_LEVEL_OK) {
        char reason[SNUG_LEVELS_REASON_BYTES];
        snug_text_say(out, "          %s after %.0f s: %s\n",
                      snug_translated(snug_level_name(levels->highest)), levels->highest_t,
                      snug_level_reason_text(&levels->highest_reason, true, reason));
    }
    if (levels->highest >= SNUG_LEVEL_WARNING) {
        snug_text_say(out, "Advice    half the batch and twice the accumulation, at most 2 loader "
                           "workers,\n          no cache of the data, fewer saves, no plots\n");
    }
    if (recorder->leak.raised) {
        char leak[SNUG_RECORDER_LEAK_BYTES];
        snug_text_say(out, "Leak      %s\n", snug_recorder_leak_text(recorder, true, leak));
    }
    if (recorder->oom_kills > 0) {
        snug_text_say(out,
                      "Killed    the kernel killed %" PRId64
                      " time(s) in the control group for its limit\n",
                      recorder->oom_kills);
    }
}

/* Why a field was never measured; NULL: it was, or nobody says. */
static const char *why_absent(const snug_recorder *recorder, int field)
{
    return recorder->history.figures[field].count == 0 ? recorder->sampler.why_not[field] : NULL;
}

/* Whether a field before this one is absent for the same reason. */
static bool told_before(const snug_recorder *recorder, int field)
{
    for (int other = 0; other < field; other++) {
        const char *same = why_absent(recorder, other);
        if (same != NULL && strcmp(same, why_absent(recorder, field)) == 0) {
            return true;
        }
    }
    return false;
}

static void add_missing(const snug_recorder *recorder, snug_text *out)
{
    const snug_field_figures *figures = recorder->history.figures;
    if (figures[SNUG_FIELD_PROCESSES].high > 1 && figures[SNUG_FIELD_PSS].count == 0) {
        snug_text_say(out,
                      "Remark    resident counts a page once for each process that shares it; "
                      "the control group\n          counts it once, and so does --pss always\n");
    }
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        const char *why = why_absent(recorder, field);
        if (why == NULL || told_before(recorder, field)) {
            continue;
        }
        /* All that are absent for one reason in one line. */
        snug_text names;
        char list[128];
        snug_text_init(&names, list, sizeof list);
        for (int other = field; other < SNUG_FIELD_COUNT; other++) {
            const char *same = why_absent(recorder, other);
            if (same != NULL && strcmp(same, why) == 0) {
                snug_text_add(&names, "%s%s", other > field ? ", " : "",
                              snug_log_fields[other].key);
            }
        }
        snug_text_say(out, "Without   %s: %s\n", list, snug_translated(why));
    }
}

static void add_cost(const snug_recorder *recorder, snug_text *out)
{
    snug_recorder_cost cost;
    char rss[SNUG_SIZE_TEXT_BYTES];
    char own[SNUG_SIZE_TEXT_BYTES];
    snug_recorder_cost_read(recorder, &cost);
    snug_text_say(out, "Cost      %.3f %% of a core (%.0f us a sample), %s resident, %s private",
                  cost.cpu_percent, cost.microseconds, snug_size_text(cost.rss_bytes, rss),
                  snug_size_text(cost.private_bytes, own));
    if (cost.stall_ns_max > 0) {
        snug_text_say(out, ", target held %.2f ms at most", (double)cost.stall_ns_max * 1e-6);
    }
    snug_text_add(out, "\n");
}

void snug_memory_report_text(const snug_recorder *recorder, const snug_watch_end *end,
                             snug_text *out)
{
    const double seconds = recorder->last.t;
    snug_text_say(out, "Watched   %s", snug_translated(snug_target_name(recorder->options.target)));
    if (recorder->target_pid != 0) {
        snug_text_add(out, " %" PRId64 " %.200s", recorder->target_pid, recorder->command);
    }
    snug_text_say(out, "\nTime      %.1f s, %" PRId64 " samples, %" PRId64 " late", seconds,
                  recorder->samples, recorder->late_count);
    if (end->reason[0] != '\0') {
        snug_text_say(out, "; ended by %s", end->reason);
    }
    if (end->exit_status >= 0) {
        snug_text_say(out, ", status %d", end->exit_status);
    }
    snug_text_add(out, "\n");
    add_table(recorder, out);
    add_peaks(recorder, out);
    add_advice(recorder, out);
    add_missing(recorder, out);
    if (recorder->log.lost_all > 0) {
        snug_text_say(out, "Lost      %" PRId64 " lines of the log: the disk did not take them\n",
                      recorder->log.lost_all);
    }
    add_cost(recorder, out);
    if (recorder->options.log_path != NULL) {
        snug_text_say(out, "Next      snug analyze %s\n", recorder->options.log_path);
    }
}

void snug_memory_report_json(const snug_recorder *recorder, const snug_watch_end *end,
                             snug_text *out)
{
    snug_json_writer json;
    snug_json_writer_init(&json, out, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.monitor/1");
    snug_json_put_string(&json, "target", snug_target_name(recorder->options.target));
    if (recorder->target_pid != 0) {
        snug_json_put_i64(&json, "pid", recorder->target_pid);
        snug_json_put_string(&json, "command", recorder->command);
    }
    if (recorder->options.log_path != NULL) {
        snug_json_put_string(&json, "log", recorder->options.log_path);
    }
    snug_recorder_summary_put(recorder, end->reason, end->exit_status, &json);
    snug_json_object_end(&json);
    snug_text_add(out, "\n");
}
