#include "snug/machine.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/inside.h"
#include "base/json.h"
#include "mem/budget.h"
#include "mem/probe.h"
#include "sys/cpu.h"

enum { REPORT_BYTES = 16 << 10 };
static const int64_t GIB = INT64_C(1) << 30;

const char *snug_version(void)
{
    return SNUG_VERSION;
}

/* The requirement document's own rule: below 8 GB, up to 16 GB, above. */
static const char *recommend(int64_t headroom_bytes)
{
    if (headroom_bytes < 8 * GIB) {
        return "low_memory";
    }
    return headroom_bytes <= 16 * GIB ? "default" : "high_performance";
}

/* The tightest limit besides the machine itself, and the words for what binds. */
static void read_limit(const snug_probe *probe, snug_machine *out)
{
    int64_t limit = INT64_MAX;
    for (int32_t i = 0; i < probe->group.level_count; i++) {
        if (probe->group.levels[i].limit_bytes < limit) {
            limit = probe->group.levels[i].limit_bytes;
        }
    }
    if (probe->limits.address_bytes < limit) {
        limit = probe->limits.address_bytes;
    }
    if (probe->limits.data_bytes < limit) {
        limit = probe->limits.data_bytes;
    }
    out->limit_bytes = limit == INT64_MAX ? -1 : limit;
    switch (probe->bound) {
    case SNUG_BOUND_MACHINE:
        (void)snprintf(out->bound_by, sizeof out->bound_by, "machine");
        break;
    case SNUG_BOUND_CGROUP:
        (void)snprintf(out->bound_by, sizeof out->bound_by, "cgroup %.140s",
                       probe->group.levels[probe->bound_level].path);
        break;
    case SNUG_BOUND_ADDRESS:
        (void)snprintf(out->bound_by, sizeof out->bound_by, "RLIMIT_AS");
        break;
    case SNUG_BOUND_DATA:
        (void)snprintf(out->bound_by, sizeof out->bound_by, "RLIMIT_DATA");
        break;
    }
}

snug_status snug_machine_check(const snug_machine_options *options, snug_machine *out,
                               snug_error *err)
{
    snug_probe probe;
    snug_budget budget;
    snug_isa isa = SNUG_ISA_SCALAR;
    char cpu[SNUG_CPU_NAME_BYTES];
    SNUG_TRY(snug_isa_choose(&isa, err));
    SNUG_TRY(snug_probe_read("", &probe, err));
    SNUG_TRY(snug_budget_choose(options->budget, &probe, &budget, err));

    *out = (snug_machine){.cores = snug_cpu_cores(""),
                          .total_bytes = probe.machine.total_bytes,
                          .available_bytes = probe.machine.available_bytes,
                          .headroom_bytes = probe.headroom_bytes,
                          .budget_bytes = budget.bytes,
                          .profile = recommend(probe.headroom_bytes)};
    (void)snprintf(out->cpu, sizeof out->cpu, "%.95s", snug_cpu_name("", cpu));
    (void)snprintf(out->isa, sizeof out->isa, "%s", snug_isa_name(isa));
    (void)snprintf(out->explanation, sizeof out->explanation, "%.*s",
                   (int)sizeof out->explanation - 1, probe.sentence);
    (void)snprintf(out->budget_origin, sizeof out->budget_origin, "%.*s",
                   (int)sizeof out->budget_origin - 1, budget.origin);
    read_limit(&probe, out);
    out->meets = probe.headroom_bytes >= options->require_bytes;
    return SNUG_OK;
}

static void write_text(const snug_machine *machine, snug_text *text)
{
    char total[SNUG_SIZE_TEXT_BYTES];
    char available[SNUG_SIZE_TEXT_BYTES];
    char limit[SNUG_SIZE_TEXT_BYTES];
    snug_text_add(text, "CPU       %s, %" PRId64 " %s for us, kernels for %s\n", machine->cpu,
                  machine->cores, machine->cores == 1 ? "core" : "cores", machine->isa);
    snug_text_add(text, "Memory    %s, %s available, %s%s\n",
                  snug_size_text(machine->total_bytes, total),
                  snug_size_text(machine->available_bytes, available),
                  machine->limit_bytes < 0 ? "no limit below that" : "tightest limit ",
                  machine->limit_bytes < 0 ? "" : snug_size_text(machine->limit_bytes, limit));
    snug_text_add(text, "Free      %s\n", machine->explanation);
    snug_text_add(text, "Budget    %s\n", machine->budget_origin);
    snug_text_add(text, "Profile   %s\n", machine->profile);
    snug_text_add(text,
                  "Next      snug train timeseries data.path=FOLDER --profile %s --budget %" PRId64
                  "MiB\n",
                  machine->profile, machine->budget_bytes >> 20);
}

static void write_json(const snug_machine *machine, snug_text *text)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"cores", machine->cores},
        {"total_bytes", machine->total_bytes},
        {"available_bytes", machine->available_bytes},
        {"limit_bytes", machine->limit_bytes},
        {"headroom_bytes", machine->headroom_bytes},
        {"budget_bytes", machine->budget_bytes},
    };
    const char *const words[][2] = {
        {"cpu", machine->cpu},
        {"isa", machine->isa},
        {"bound_by", machine->bound_by},
        {"explanation", machine->explanation},
        {"budget_origin", machine->budget_origin},
        {"profile", machine->profile},
    };
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.check/1");
    for (int64_t i = 0; i < SNUG_COUNT(words); i++) {
        snug_json_put_string(&json, words[i][0], words[i][1]);
    }
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        snug_json_key(&json, numbers[i].key);
        if (numbers[i].value < 0) {
            snug_json_null(&json);
        } else {
            snug_json_i64(&json, numbers[i].value);
        }
    }
    snug_json_put_bool(&json, "meets", machine->meets);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

snug_status snug_machine_write(const snug_machine *machine, snug_format format, snug_write write,
                               void *context, snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, REPORT_BYTES, err));
    if (format == SNUG_FORMAT_JSON) {
        write_json(machine, &report.text);
    } else {
        write_text(machine, &report.text);
    }
    return snug_report_send(&report, write, context, err);
}
