/* What was found out about the machine, as text and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "api/inside.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/translate.h"
#include "snug/machine.h"

enum { REPORT_BYTES = 32 << 10 };

static void write_memory(const snug_machine *machine, snug_text *text)
{
    char total[SNUG_SIZE_TEXT_BYTES];
    char part[SNUG_SIZE_TEXT_BYTES];
    char limit[SNUG_SIZE_TEXT_BYTES];
    snug_text_say(
        text, "Memory    %s, %s available, %s%s\n", snug_size_text(machine->total_bytes, total),
        snug_size_text(machine->available_bytes, part),
        snug_translated(machine->limit_bytes < 0 ? "no limit below that" : "tightest limit "),
        machine->limit_bytes < 0 ? "" : snug_size_text(machine->limit_bytes, limit));
    if (machine->swap_total_bytes > 0) {
        snug_text_say(text, "Swap      %s, %s free; snug does not count on it\n",
                      snug_size_text(machine->swap_total_bytes, total),
                      snug_size_text(machine->swap_free_bytes, part));
    } else {
        snug_text_say(text, "Swap      none\n");
    }
    if (machine->disk_free_bytes >= 0) {
        snug_text_say(text, "Disk      %s free here",
                      snug_size_text(machine->disk_free_bytes, part));
        if (machine->cache_free_bytes >= 0) {
            snug_text_say(text, ", %s for the cache",
                          snug_size_text(machine->cache_free_bytes, part));
        }
        snug_text_add(text, "\n");
    }
}

static void write_gpus(const snug_machine *machine, snug_text *text)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    if (machine->gpu_count == 0) {
        snug_text_say(text, "GPU       none: %s; snug computes on the processor\n",
                      snug_translated(machine->gpu_reason));
    }
    for (int32_t i = 0; i < machine->gpu_count; i++) {
        const snug_machine_gpu *gpu = &machine->gpus[i];
        snug_text_add(text, "%-10s%s", i == 0 ? "GPU" : "",
                      gpu->name[0] != '\0' ? gpu->name : snug_translated("unnamed"));
        if (gpu->total_bytes >= 0) {
            snug_text_add(text, ", %s", snug_size_text(gpu->total_bytes, size));
            snug_text_say(text, ", %s in use", snug_size_text(gpu->used_bytes, size));
        }
        if (gpu->temperature_celsius >= 0) {
            snug_text_say(text, ", %d degrees C", gpu->temperature_celsius);
        }
        snug_text_say(text, "; snug does not use it\n");
    }
    if (isnan(machine->temperature_celsius)) {
        snug_text_say(text, "Heat      not measured: there is no sensor\n");
    } else {
        snug_text_say(text, "Heat      %.0f degrees C at the hottest sensor\n",
                      machine->temperature_celsius);
    }
}

static void write_text(const snug_machine *machine, snug_text *text)
{
    snug_text_say(text, "CPU       %s, %" PRId64 " %s for us, kernels for %s\n", machine->cpu,
                  machine->cores, snug_translated(machine->cores == 1 ? "core" : "cores"),
                  machine->isa);
    snug_text_say(text, "Features  %s\n",
                  machine->features[0] != '\0' ? machine->features
                                               : snug_translated("none that kernels use"));
    write_memory(machine, text);
    write_gpus(machine, text);
    snug_text_say(text, "Free      %s\n", machine->explanation);
    snug_text_say(text, "Budget    %s\n", machine->budget_origin);
    for (int32_t i = 0; i < machine->warning_count; i++) {
        snug_text_say(text, "Warning   %s\n", machine->warnings[i]);
    }
    snug_text_say(text, "Profile   %s for time series, %s for text\n", machine->profile,
                  machine->text_profile);
    snug_text_say(text, "Next      %s\n          %s\n", machine->commands[0], machine->commands[1]);
}

/* A number, or null where the system does not tell. */
static void put_told(snug_json_writer *json, const char *key, int64_t value)
{
    snug_json_key(json, key);
    if (value < 0) {
        snug_json_null(json);
    } else {
        snug_json_i64(json, value);
    }
}

static void put_gpus(snug_json_writer *json, const snug_machine *machine)
{
    snug_json_key(json, "gpus");
    snug_json_array_begin(json);
    for (int32_t i = 0; i < machine->gpu_count; i++) {
        const snug_machine_gpu *gpu = &machine->gpus[i];
        snug_json_object_begin(json);
        snug_json_put_string(json, "name", gpu->name);
        put_told(json, "total_bytes", gpu->total_bytes);
        put_told(json, "used_bytes", gpu->used_bytes);
        put_told(json, "use_percent", gpu->use_percent);
        put_told(json, "temperature_celsius", gpu->temperature_celsius);
        snug_json_object_end(json);
    }
    snug_json_array_end(json);
    snug_json_key(json, "gpu_reason");
    if (machine->gpu_reason == NULL) {
        snug_json_null(json);
    } else {
        snug_json_string(json, machine->gpu_reason);
    }
}

static void put_lists(snug_json_writer *json, const snug_machine *machine)
{
    snug_json_put_f64(json, "temperature_celsius", machine->temperature_celsius);
    put_gpus(json, machine);
    snug_json_key(json, "commands");
    snug_json_object_begin(json);
    snug_json_put_string(json, "timeseries", machine->commands[0]);
    snug_json_put_string(json, "text", machine->commands[1]);
    snug_json_object_end(json);
    snug_json_key(json, "warnings");
    snug_json_array_begin(json);
    for (int32_t i = 0; i < machine->warning_count; i++) {
        snug_json_string(json, machine->warnings[i]);
    }
    snug_json_array_end(json);
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
        {"usable_bytes", machine->usable_bytes},
        {"swap_total_bytes", machine->swap_total_bytes},
        {"swap_free_bytes", machine->swap_free_bytes},
        {"disk_free_bytes", machine->disk_free_bytes},
        {"cache_free_bytes", machine->cache_free_bytes},
    };
    const char *const words[][2] = {
        {"cpu", machine->cpu},
        {"isa", machine->isa},
        {"bound_by", machine->bound_by},
        {"explanation", machine->explanation},
        {"budget_origin", machine->budget_origin},
        {"profile", machine->profile},
        {"features", machine->features},
        {"text_profile", machine->text_profile},
    };
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.check/1");
    for (int64_t i = 0; i < SNUG_COUNT(words); i++) {
        snug_json_put_string(&json, words[i][0], words[i][1]);
    }
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        put_told(&json, numbers[i].key, numbers[i].value);
    }
    put_lists(&json, machine);
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
