#include "snug/machine.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/translate.h"
#include "mem/budget.h"
#include "mem/probe.h"
#include "monitor/levels.h"
#include "monitor/sampler.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/file.h"
#include "sys/heap.h"

static const int64_t GIB = INT64_C(1) << 30;
_Static_assert((int)SNUG_MACHINE_GPUS_MAX == (int)SNUG_NVML_DEVICES_MAX, "all have a place");

/** What a look needs while it lasts; too much for a stack. */
typedef struct look {
    snug_probe probe;
    snug_sampler sampler;
    snug_levels levels;
    snug_reading reading;
} look;

const char *snug_version(void)
{
    return SNUG_VERSION;
}

/* The rule of both requirement documents: below 8 GB, up to 16 GB, above. */
static const char *choose_profile(int64_t bytes, const char *low, const char *middle,
                                  const char *high)
{
    if (bytes < 8 * GIB) {
        return low;
    }
    return bytes <= 16 * GIB ? middle : high;
}

/* The tightest limit besides the machine itself, and the words for what binds. */
static void read_limit(const snug_probe *probe, snug_machine *out)
{
    int64_t limit = INT64_MAX;
    for (int32_t i = 0; i < probe->group.level_count; i++) {
        limit = snug_min_i64(limit, probe->group.levels[i].limit_bytes);
    }
    limit = snug_min_i64(limit, probe->limits.address_bytes);
    limit = snug_min_i64(limit, probe->limits.data_bytes);
    out->limit_bytes = limit == INT64_MAX ? -1 : limit;
    out->usable_bytes = snug_min_i64(out->total_bytes, limit);
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

static void read_processor(const char *root, snug_isa isa, snug_machine *out)
{
    char name[SNUG_CPU_NAME_BYTES];
    snug_text text;
    const snug_cpu_features features = snug_cpu_features_read();
    const struct {
        bool has;
        const char *name;
    } all[] = {{features.avx2, "avx2"},
               {features.fma, "fma"},
               {features.avx512, "avx512"},
               {features.avx512_bf16, "avx512_bf16"}};
    (void)snprintf(out->cpu, sizeof out->cpu, "%.95s", snug_cpu_name(root, name));
    (void)snprintf(out->isa, sizeof out->isa, "%s", snug_isa_name(isa));
    out->cores = snug_cpu_cores(root);
    snug_text_init(&text, out->features, sizeof out->features);
    for (int64_t i = 0; i < SNUG_COUNT(all); i++) {
        if (all[i].has) {
            snug_text_add(&text, "%s%s", text.length > 0 ? " " : "", all[i].name);
        }
    }
}

/* A folder that is not there yet will be made on the file system of the nearest one above. */
static int64_t free_bytes_at(const char *path)
{
    char at[SNUG_PATH_BYTES];
    int64_t bytes = -1;
    (void)snprintf(at, sizeof at, "%s", path);
    while (snug_path_look(at) == SNUG_PATH_NONE) {
        char *slash = strrchr(at, '/');
        if (slash == NULL || slash == at) {
            return -1;
        }
        *slash = '\0';
    }
    return snug_failed(snug_disk_free(at, &bytes, NULL)) ? -1 : bytes;
}

static void read_disks(snug_machine *out)
{
    char cache[SNUG_PATH_BYTES];
    out->disk_free_bytes = free_bytes_at(".");
    out->cache_free_bytes = snug_cache_path("", cache) ? free_bytes_at(cache) : -1;
}

static void read_gpus(const snug_sampler *sampler, snug_machine *out)
{
    out->gpu_count = sampler->nvml.device_count;
    out->gpu_reason = out->gpu_count > 0 ? NULL : sampler->why_not[SNUG_FIELD_GPU_USED];
    for (int32_t i = 0; i < out->gpu_count; i++) {
        snug_machine_gpu *gpu = &out->gpus[i];
        snug_nvml_device device;
        char name[SNUG_NVML_NAME_BYTES];
        snug_nvml_read(&sampler->nvml, i, &device);
        *gpu = (snug_machine_gpu){.total_bytes = device.total_bytes,
                                  .used_bytes = device.used_bytes,
                                  .use_percent = device.use_percent,
                                  .temperature_celsius = snug_nvml_temperature(&sampler->nvml, i)};
        (void)snprintf(gpu->name, sizeof gpu->name, "%s", snug_nvml_name(&sampler->nvml, i, name));
    }
}

/* Called for at most SNUG_MACHINE_WARNINGS_MAX reasons. */
static void warn(snug_machine *out, const char *about, const char *what)
{
    snug_text text;
    snug_text_init(&text, out->warnings[out->warning_count++], SNUG_MACHINE_WARNING_BYTES);
    snug_text_add(&text, "%s%s", about, snug_translated(what));
}

/* The levels of the monitor, of which danger begins at the document's 90 % and 95 %. */
static void warn_of_level(look *at, const snug_reading *reading, const char *advice,
                          snug_machine *out)
{
    const snug_levels_options options = {.by_percent = true, .machine_bytes = out->total_bytes};
    snug_levels_init(&at->levels, &options);
    (void)snug_levels_update(&at->levels, reading);
    if (at->levels.level == SNUG_LEVEL_DANGER) {
        char reason[SNUG_LEVELS_REASON_BYTES];
        warn(out, snug_level_reason_text(&at->levels.reason, true, reason), advice);
    }
}

static void warn_of_heat(const snug_reading *reading, snug_log_field field, const char *what,
                         snug_machine *out)
{
    char text[64];
    const double celsius = snug_reading_get(reading, field, 0);
    if (celsius >= SNUG_HOT_CELSIUS) {
        (void)snprintf(text, sizeof text, snug_translated_format("%s is %.0f degrees C hot"),
                       snug_translated(what), celsius);
        warn(out, text, ": let it cool, and look at its fans, before a long run");
    }
}

static void read_warnings(look *at, snug_machine *out)
{
    snug_reading memory = at->reading;
    snug_reading gpu = {0};
    snug_reading_drop(&memory, SNUG_FIELD_GPU_PERCENT);
    if (snug_reading_has(&at->reading, SNUG_FIELD_GPU_PERCENT)) {
        snug_reading_set(&gpu, SNUG_FIELD_GPU_PERCENT,
                         snug_reading_get(&at->reading, SNUG_FIELD_GPU_PERCENT, 0));
    }
    warn_of_level(at, &memory, ": end other programs, or train in what is left by --budget", out);
    warn_of_level(at, &gpu, ": whoever uses it may fail; snug does not", out);
    warn_of_heat(&at->reading, SNUG_FIELD_TEMPERATURE, "the hottest sensor", out);
    warn_of_heat(&at->reading, SNUG_FIELD_GPU_TEMPERATURE, "a GPU", out);
}

/* Words to copy: what is written large is the user's to fill in. */
static void write_commands(snug_machine *out)
{
    const int64_t mebibytes = out->budget_bytes >> 20;
    (void)snprintf(out->commands[0], SNUG_MACHINE_COMMAND_BYTES,
                   "snug train timeseries data.path=FOLDER --profile %s --budget %" PRId64 "MiB",
                   out->profile, mebibytes);
    (void)snprintf(out->commands[1], SNUG_MACHINE_COMMAND_BYTES,
                   "snug train text --train_file FILE.csv --model_name FOLDER --profile %s "
                   "--budget %" PRId64 "MiB",
                   out->text_profile, mebibytes);
}

static snug_status look_at_machine(look *at, const snug_machine_options *options, snug_machine *out,
                                   snug_error *err)
{
    const char *root = options->root != NULL ? options->root : "";
    const snug_probe *probe = &at->probe;
    const snug_sampler_options sampling = {.root = root, .pss = SNUG_PSS_NEVER};
    snug_isa isa = SNUG_ISA_SCALAR;
    snug_budget budget;
    SNUG_TRY(snug_isa_choose(&isa, err));
    SNUG_TRY(snug_probe_read(root, &at->probe, err));
    SNUG_TRY(snug_budget_choose(options->budget, probe, &budget, err));
    SNUG_TRY(snug_sampler_open(&at->sampler, &sampling, err));
    snug_sampler_take(&at->sampler, snug_clock_ns(), &at->reading);

    *out = (snug_machine){.total_bytes = probe->machine.total_bytes,
                          .available_bytes = probe->machine.available_bytes,
                          .headroom_bytes = probe->headroom_bytes,
                          .budget_bytes = budget.bytes,
                          .swap_total_bytes = snug_max_i64(0, probe->machine.swap_total_bytes),
                          .swap_free_bytes = snug_max_i64(0, probe->machine.swap_free_bytes),
                          .meets = probe->headroom_bytes >= options->require_bytes};
    (void)snprintf(out->explanation, sizeof out->explanation, "%.*s",
                   (int)sizeof out->explanation - 1, probe->sentence);
    (void)snprintf(out->budget_origin, sizeof out->budget_origin, "%.*s",
                   (int)sizeof out->budget_origin - 1, budget.origin);
    out->temperature_celsius = snug_reading_get(&at->reading, SNUG_FIELD_TEMPERATURE, NAN);
    read_limit(probe, out);
    read_processor(root, isa, out);
    read_disks(out);
    read_gpus(&at->sampler, out);
    snug_sampler_close(&at->sampler);
    read_warnings(at, out);
    out->profile =
        choose_profile(probe->headroom_bytes, "low_memory", "default", "high_performance");
    out->text_profile = choose_profile(out->usable_bytes, "ultra_low_memory", "safe", "original");
    write_commands(out);
    return SNUG_OK;
}

snug_status snug_machine_check(const snug_machine_options *options, snug_machine *out,
                               snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(look), false, &memory, err));
    const snug_status status = look_at_machine(memory, options, out, err);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, (int64_t)sizeof(look));
    return status;
}
