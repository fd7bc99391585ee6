#include "monitor/sampler.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/procfs.h"

static const int64_t MEDIUM_NS = INT64_C(1000000000);
static const int64_t SLOW_NS = 5 * INT64_C(1000000000);
static const int64_t GROUP_NS = 10 * INT64_C(1000000000);
/* A second is over when it is nearly over: samples are never exactly on time. */
static const int64_t EARLY_NS = 50000000;
static const int64_t STALL_NS_DEFAULT = 100000;
/* Reading PSS may take this part of the time: 1/100. */
static const int64_t PSS_DUTY = 100;
/* Before the first read: what a page of 4 KiB costs. Huge pages cost next to nothing. */
static const double PSS_NS_PER_BYTE = 10.0e6 / (1 << 30);

static snug_look open_at(snug_sampler *sampler, const char *path, snug_kept *out)
{
    char whole[SNUG_PATH_BYTES];
    snug_text text;
    snug_text_init(&text, whole, sizeof whole);
    snug_text_add(&text, "%s%s", sampler->options.root, path);
    return text.truncated ? SNUG_LOOK_FAILED : snug_kept_open(whole, out);
}

static bool read_kept(snug_sampler *sampler, const snug_kept *kept)
{
    int64_t bytes = 0;
    return kept->handle != 0 &&
           snug_kept_read(kept, sampler->buffer, sizeof sampler->buffer, &bytes) == SNUG_LOOK_OK;
}

/* The number behind "\nKEY" and white space; false when the key is not there. */
static bool find_number(const char *text, const char *key, int64_t *out)
{
    const size_t length = strlen(key);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n' ? 1 : 0;
        if (strncmp(at, key, length) == 0 && (at[length] == ' ' || at[length] == ':')) {
            return snug_procfs_number(at + length + 1 + strspn(at + length + 1, " \t"), out);
        }
    }
    return false;
}

/* hwmon first, which has every sensor; thermal zones where there is none. */
static void open_sensors(snug_sampler *sampler)
{
    enum { CHIPS = 16, INPUTS = 8, ZONES = 16 };
    char path[96];
    for (int chip = 0; chip < CHIPS; chip++) {
        for (int input = 1; input <= INPUTS && sampler->sensor_count < SNUG_SENSORS_MAX; input++) {
            (void)snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/temp%d_input", chip, input);
            sampler->sensor_count +=
                open_at(sampler, path, &sampler->sensors[sampler->sensor_count]) == SNUG_LOOK_OK;
        }
    }
    for (int zone = 0; zone < ZONES && sampler->sensor_count == zone; zone++) {
        (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", zone);
        sampler->sensor_count +=
            open_at(sampler, path, &sampler->sensors[sampler->sensor_count]) == SNUG_LOOK_OK;
    }
    if (sampler->sensor_count == 0) {
        sampler->why_not[SNUG_FIELD_TEMPERATURE] = "no hwmon and no thermal zone";
    }
}

/* The level with the least room below its limit; the own one when none has a limit. */
static int32_t binding_level(const snug_cgroup *group)
{
    int32_t best = group->level_count > 0 ? 0 : -1;
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < group->level_count; i++) {
        const int64_t headroom = snug_cgroup_level_headroom(&group->levels[i]);
        if (headroom < least) {
            least = headroom;
            best = i;
        }
    }
    return best;
}

static void open_level_file(const snug_cgroup *group, int32_t level, const char *name,
                            snug_kept *kept)
{
    char path[SNUG_PATH_BYTES];
    const char *below =
        strcmp(group->levels[level].path, "/") == 0 ? "" : group->levels[level].path;
    snug_text text;
    snug_kept_close(kept);
    snug_text_init(&text, path, sizeof path);
    snug_text_add(&text, "%s%s/%s", group->mount, below, name);
    if (!text.truncated) {
        const snug_look look = snug_kept_open(path, kept);
        (void)look;
    }
}

/* Limits and the place of a process change while it runs. */
static void look_at_group(snug_sampler *sampler)
{
    snug_cgroup *group = &sampler->group;
    const int32_t before = sampler->group_level;
    const int64_t limit_before = sampler->limit_bytes;
    char path_before[SNUG_CGROUP_PATH_BYTES];
    (void)snprintf(path_before, sizeof path_before, "%s",
                   before >= 0 ? group->levels[before].path : "");
    if (snug_cgroup_read_process(sampler->options.root, sampler->options.pid, group, NULL) !=
        SNUG_OK) {
        /* It is just ending, or is no longer ours to see. The files that are open stay. */
        return;
    }
    int32_t level = binding_level(group);
    if (sampler->options.pid == 0 && level >= 0 && group->levels[level].limit_bytes == INT64_MAX) {
        /* Of the machine it would say nothing: it is the group of this watch. */
        level = -1;
    }
    sampler->group_level = level;
    sampler->limit_bytes = level >= 0 ? group->levels[level].limit_bytes : INT64_MAX;
    sampler->limit_changed = sampler->limit_bytes != limit_before && sampler->group_ns != 0;
    if (level < 0 || (before >= 0 && strcmp(path_before, group->levels[level].path) == 0)) {
        return;
    }
    const bool first = group->version == 1;
    open_level_file(group, level, first ? "memory.usage_in_bytes" : "memory.current",
                    &sampler->usage);
    open_level_file(group, level, first ? "memory.max_usage_in_bytes" : "memory.peak",
                    &sampler->peak);
    open_level_file(group, level, "memory.stat", &sampler->group_stat);
    open_level_file(group, level, first ? "memory.oom_control" : "memory.events",
                    &sampler->group_events);
}

/* Pressure of the target's own group where there is one, else of the machine. */
static void open_pressure(snug_sampler *sampler)
{
    char path[SNUG_PATH_BYTES];
    snug_text text;
    snug_look look = SNUG_LOOK_GONE;
    snug_text_init(&text, path, sizeof path);
    snug_text_add(&text, "%s/memory.pressure", sampler->group.unified);
    if (sampler->group.unified[0] != '\0' && sampler->options.pid != 0 && !text.truncated) {
        look = snug_kept_open(path, &sampler->pressure);
    }
    if (look != SNUG_LOOK_OK) {
        look = open_at(sampler, "/proc/pressure/memory", &sampler->pressure);
    }
    if (look != SNUG_LOOK_OK) {
        sampler->why_not[SNUG_FIELD_PSI_SOME] = snug_look_words(look);
        sampler->why_not[SNUG_FIELD_PSI_FULL] = snug_look_words(look);
    }
}

static void note_group(snug_sampler *sampler)
{
    static const snug_log_field fields[] = {SNUG_FIELD_CGROUP, SNUG_FIELD_CGROUP_LIMIT,
                                            SNUG_FIELD_CGROUP_PEAK, SNUG_FIELD_CGROUP_CACHE};
    if (sampler->group_level < 0) {
        for (int64_t i = 0; i < SNUG_COUNT(fields); i++) {
            sampler->why_not[fields[i]] = sampler->group.level_count > 0
                                              ? "no control group has a limit"
                                              : "no control group with memory accounting";
        }
        return;
    }
    if (sampler->limit_bytes == INT64_MAX) {
        sampler->why_not[SNUG_FIELD_CGROUP_LIMIT] = "no control group has a limit";
    }
    if (sampler->peak.handle == 0) {
        sampler->why_not[SNUG_FIELD_CGROUP_PEAK] = "the kernel keeps none";
    }
}

snug_status snug_sampler_open(snug_sampler *sampler, const snug_sampler_options *options,
                              snug_error *err)
{
    snug_machine_memory memory = {0};
    memset(sampler, 0, sizeof *sampler);
    sampler->options = *options;
    sampler->group_level = -1;
    sampler->limit_bytes = INT64_MAX;
    sampler->oom_kills = -1;
    sampler->busy_ticks = -1;
    sampler->pss_ns_per_byte = PSS_NS_PER_BYTE;
    sampler->pss_rate_before = PSS_NS_PER_BYTE;
    if (options->stall_ns == 0) {
        sampler->options.stall_ns = STALL_NS_DEFAULT;
    }
    if (options->pid != 0) {
        SNUG_TRY(snug_processes_open(&sampler->processes, options->root, options->pid,
                                     options->whole, options->adopted, err));
    }
    snug_status status = SNUG_OK;
    SNUG_TRY_DONE(snug_procfs_machine(options->root, &memory, err));
    sampler->machine_bytes = memory.total_bytes;
    /* Once with its messages: groups that are too deep are worth one. */
    SNUG_TRY_DONE(snug_cgroup_read_process(options->root, options->pid, &sampler->group, err));
    look_at_group(sampler);
    note_group(sampler);
    open_pressure(sampler);
    open_sensors(sampler);
    if (open_at(sampler, "/proc/meminfo", &sampler->meminfo) != SNUG_LOOK_OK ||
        (options->pid == 0 &&
         (open_at(sampler, "/proc/stat", &sampler->machine_stat) != SNUG_LOOK_OK ||
          open_at(sampler, "/proc/loadavg", &sampler->loadavg) != SNUG_LOOK_OK))) {
        sampler->why_not[SNUG_FIELD_CPU] = "cannot be read";
    }
    if (options->no_gpu) {
        sampler->why_not[SNUG_FIELD_GPU_USED] = "turned off";
    } else {
        (void)snug_nvml_open(&sampler->nvml, &sampler->why_not[SNUG_FIELD_GPU_USED]);
    }
    if (sampler->nvml.device_count > 0 && options->pid != 0) {
        /* In a container the driver may show numbers that mean nothing here: that is not 0. */
        sampler->why_not[SNUG_FIELD_GPU_TARGET] = "the driver lists no process of the target";
    }
    /* A command that is just being set up has no memory map worth reading. */
    sampler->pss_ns = options->adopted ? snug_clock_ns() + MEDIUM_NS - EARLY_NS : 0;
    if (options->pid != 0 && options->pss == SNUG_PSS_NEVER) {
        sampler->why_not[SNUG_FIELD_PSS] = "turned off";
    }

done:
    if (snug_failed(status)) {
        snug_sampler_close(sampler);
    }
    return status;
}

void snug_sampler_close(snug_sampler *sampler)
{
    snug_kept *const files[] = {&sampler->meminfo,    &sampler->machine_stat, &sampler->loadavg,
                                &sampler->pressure,   &sampler->usage,        &sampler->peak,
                                &sampler->group_stat, &sampler->group_events};
    for (int64_t i = 0; i < SNUG_COUNT(files); i++) {
        snug_kept_close(files[i]);
    }
    for (int32_t i = 0; i < sampler->sensor_count; i++) {
        snug_kept_close(&sampler->sensors[i]);
    }
    sampler->sensor_count = 0;
    snug_nvml_close(&sampler->nvml);
    snug_processes_close(&sampler->processes);
}

static void take_machine(snug_sampler *sampler, snug_reading *out)
{
    int64_t total = 0;
    int64_t available = 0;
    int64_t swap_total = 0;
    int64_t swap_free = 0;
    if (!read_kept(sampler, &sampler->meminfo)) {
        return;
    }
    if (find_number(sampler->buffer, "MemTotal", &total) &&
        find_number(sampler->buffer, "MemAvailable", &available)) {
        snug_reading_set(out, SNUG_FIELD_AVAILABLE, (double)(available * 1024));
        snug_reading_set(out, SNUG_FIELD_USED, (double)((total - available) * 1024));
    }
    if (find_number(sampler->buffer, "SwapTotal", &swap_total) && swap_total > 0 &&
        find_number(sampler->buffer, "SwapFree", &swap_free)) {
        snug_reading_set(out, SNUG_FIELD_SWAP_USED, (double)((swap_total - swap_free) * 1024));
    }
}

static bool find_average(const char *text, const char *kind, double *out)
{
    const char *line = strstr(text, kind);
    const char *average = line != NULL ? strstr(line, "avg10=") : NULL;
    int64_t whole = 0;
    int64_t cents = 0;
    if (average == NULL || !snug_procfs_number(average + 6, &whole)) {
        return false;
    }
    const char *point = average + 6 + strspn(average + 6, "0123456789");
    if (*point == '.') {
        (void)snug_procfs_number(point + 1, &cents);
    }
    *out = (double)whole + (double)cents / 100;
    return true;
}

static void take_pressure(snug_sampler *sampler, snug_reading *out)
{
    double average = 0;
    if (!read_kept(sampler, &sampler->pressure)) {
        return;
    }
    if (find_average(sampler->buffer, "some", &average)) {
        snug_reading_set(out, SNUG_FIELD_PSI_SOME, average);
    }
    if (find_average(sampler->buffer, "full", &average)) {
        snug_reading_set(out, SNUG_FIELD_PSI_FULL, average);
    }
}

static void take_group(snug_sampler *sampler, snug_reading *out)
{
    int64_t value = 0;
    if (read_kept(sampler, &sampler->usage) && snug_procfs_number(sampler->buffer, &value)) {
        snug_reading_set(out, SNUG_FIELD_CGROUP, (double)value);
    }
    if (sampler->limit_bytes != INT64_MAX) {
        snug_reading_set(out, SNUG_FIELD_CGROUP_LIMIT, (double)sampler->limit_bytes);
    }
}

int64_t snug_sampler_oom_kills(snug_sampler *sampler)
{
    int64_t value = 0;
    const int64_t before = sampler->oom_kills;
    if (!read_kept(sampler, &sampler->group_events) ||
        !find_number(sampler->buffer, "oom_kill", &value)) {
        return 0;
    }
    sampler->oom_kills = value;
    return before >= 0 ? snug_max_i64(0, value - before) : 0;
}

static void take_group_details(snug_sampler *sampler, snug_reading *out)
{
    int64_t value = 0;
    if (read_kept(sampler, &sampler->peak) && snug_procfs_number(sampler->buffer, &value)) {
        snug_reading_set(out, SNUG_FIELD_CGROUP_PEAK, (double)value);
    }
    if (read_kept(sampler, &sampler->group_stat) &&
        /* On v1 the plain name leaves out what is below; on v2 there is only that. */
        (find_number(sampler->buffer, "total_inactive_file", &value) ||
         find_number(sampler->buffer, "inactive_file", &value))) {
        snug_reading_set(out, SNUG_FIELD_CGROUP_CACHE, (double)value);
    }
    sampler->oom_kills_new = snug_sampler_oom_kills(sampler);
}

static void take_gpus(snug_sampler *sampler, snug_reading *out)
{
    double fullest = -1;
    int32_t busiest = -1;
    for (int32_t i = 0; i < sampler->nvml.device_count; i++) {
        snug_nvml_device device;
        snug_nvml_read(&sampler->nvml, i, &device);
        if (device.total_bytes > 0) {
            const double percent = 100 * (double)device.used_bytes / (double)device.total_bytes;
            fullest = percent > fullest ? percent : fullest;
            snug_reading_add(out, SNUG_FIELD_GPU_USED, (double)device.used_bytes);
            snug_reading_add(out, SNUG_FIELD_GPU_TOTAL, (double)device.total_bytes);
        }
        busiest = device.use_percent > busiest ? device.use_percent : busiest;
    }
    if (fullest >= 0) {
        snug_reading_set(out, SNUG_FIELD_GPU_PERCENT, fullest);
    }
    if (busiest >= 0) {
        snug_reading_set(out, SNUG_FIELD_GPU_UTIL, busiest);
    }
}

static void take_temperatures(snug_sampler *sampler, snug_reading *out)
{
    int64_t hottest = -1;
    int32_t gpu = -1;
    for (int32_t i = 0; i < sampler->sensor_count; i++) {
        int64_t value = 0;
        if (read_kept(sampler, &sampler->sensors[i]) &&
            snug_procfs_number(sampler->buffer, &value)) {
            hottest = snug_max_i64(hottest, value);
        }
    }
    if (hottest >= 0) {
        snug_reading_set(out, SNUG_FIELD_TEMPERATURE, (double)hottest / 1000);
    }
    for (int32_t i = 0; i < sampler->nvml.device_count; i++) {
        const int32_t celsius = snug_nvml_temperature(&sampler->nvml, i);
        gpu = celsius > gpu ? celsius : gpu;
    }
    if (gpu >= 0) {
        snug_reading_set(out, SNUG_FIELD_GPU_TEMPERATURE, gpu);
    }
}

/* "cpu user nice system idle iowait irq softirq steal ...": all but idle and iowait is work. */
static void take_machine_work(snug_sampler *sampler, int64_t now_ns, snug_reading *out)
{
    enum { IDLE = 3, WAIT = 4, FIELDS = 8 };
    int64_t busy = 0;
    if (read_kept(sampler, &sampler->loadavg)) {
        const char *slash = strchr(sampler->buffer, '/');
        int64_t threads = 0;
        if (slash != NULL && snug_procfs_number(slash + 1, &threads)) {
            snug_reading_set(out, SNUG_FIELD_THREADS, (double)threads);
        }
    }
    if (!read_kept(sampler, &sampler->machine_stat) || strncmp(sampler->buffer, "cpu ", 4) != 0) {
        return;
    }
    const char *at = sampler->buffer + 4;
    for (int field = 0; field < FIELDS; field++) {
        int64_t value = 0;
        at += strspn(at, " ");
        if (!snug_procfs_number(at, &value)) {
            return;
        }
        at += strspn(at, "0123456789");
        busy += field == IDLE || field == WAIT ? 0 : value;
    }
    if (sampler->busy_ticks >= 0 && now_ns > sampler->busy_at_ns) {
        const double seconds = (double)(now_ns - sampler->busy_at_ns) * 1e-9;
        const double used = (double)(busy - sampler->busy_ticks) / (double)snug_process_ticks();
        snug_reading_set(out, SNUG_FIELD_CPU, 100 * used / seconds);
    }
    sampler->busy_ticks = busy;
    sampler->busy_at_ns = now_ns;
}

static void take_pss(snug_sampler *sampler, int64_t now_ns, snug_reading *out)
{
    const snug_sampler_options *options = &sampler->options;
    snug_pss_cost cost = {0};
    const double expected_ns =
        sampler->pss_ns_per_byte * (double)snug_processes_largest(&sampler->processes);
    if (options->pss == SNUG_PSS_NEVER || now_ns < sampler->pss_ns) {
        return;
    }
    if (options->pss == SNUG_PSS_AUTO && expected_ns > (double)options->stall_ns) {
        (void)snprintf(sampler->pss_reason, sizeof sampler->pss_reason,
                       "reading it would hold the target's memory map for about %.1f ms, more than "
                       "%.1f; --pss always does",
                       expected_ns * 1e-6, (double)options->stall_ns * 1e-6);
        sampler->why_not[SNUG_FIELD_PSS] = sampler->pss_reason;
        return;
    }
    snug_processes_read_pss(&sampler->processes, out, &cost);
    sampler->why_not[SNUG_FIELD_PSS] = NULL;
    if (cost.look != SNUG_LOOK_OK && cost.look != SNUG_LOOK_GONE) {
        sampler->why_not[SNUG_FIELD_PSS] = snug_look_words(cost.look);
        sampler->pss_ns = INT64_MAX;
        return;
    }
    if (cost.rss_bytes > 0) {
        /* The cheaper of two reads: one that was interrupted says nothing about the target. */
        const double rate = (double)cost.stall_ns / (double)cost.rss_bytes;
        sampler->pss_ns_per_byte =
            rate < sampler->pss_rate_before ? rate : sampler->pss_rate_before;
        sampler->pss_rate_before = rate;
    }
    sampler->pss_stall_ns_max = snug_max_i64(sampler->pss_stall_ns_max, cost.stall_ns);
    sampler->pss_ns = now_ns + PSS_DUTY * cost.total_ns;
}

void snug_sampler_set_pss(snug_sampler *sampler, snug_pss_mode mode)
{
    sampler->options.pss = mode;
    sampler->pss_ns = 0;
    sampler->why_not[SNUG_FIELD_PSS] = mode == SNUG_PSS_NEVER ? "turned off" : NULL;
}

/* GPU memory of the watched processes; before the first of them is found nothing is known. */
static void take_gpu_target(snug_sampler *sampler, snug_reading *out)
{
    snug_nvml_process found[SNUG_NVML_PROCESSES_MAX];
    int64_t bytes = 0;
    bool any = false;
    bool known = sampler->nvml.device_count > 0;
    for (int32_t i = 0; i < sampler->nvml.device_count; i++) {
        const int64_t count = snug_nvml_processes(&sampler->nvml, i, found);
        known = known && count >= 0;
        for (int64_t k = 0; k < count; k++) {
            if (snug_processes_has(&sampler->processes, found[k].pid) && found[k].used_bytes >= 0) {
                bytes += found[k].used_bytes;
                any = true;
            }
        }
    }
    sampler->gpu_target_seen = sampler->gpu_target_seen || any;
    if (known && sampler->gpu_target_seen) {
        snug_reading_set(out, SNUG_FIELD_GPU_TARGET, (double)bytes);
        sampler->why_not[SNUG_FIELD_GPU_TARGET] = NULL;
    }
}

void snug_sampler_take(snug_sampler *sampler, int64_t now_ns, snug_reading *out)
{
    const bool medium = now_ns >= sampler->medium_ns - EARLY_NS;
    *out = (snug_reading){0};
    sampler->limit_changed = false;
    sampler->oom_kills_new = 0;
    if (now_ns >= sampler->group_ns) {
        look_at_group(sampler);
        sampler->group_ns = now_ns + GROUP_NS;
    }
    if (sampler->options.pid != 0) {
        snug_processes_walk(&sampler->processes, now_ns);
        snug_processes_read(&sampler->processes, !medium, now_ns, out);
        if (medium && sampler->processes.state == SNUG_TARGET_ALIVE) {
            take_pss(sampler, now_ns, out);
        }
    } else if (medium) {
        take_machine_work(sampler, now_ns, out);
    }
    take_machine(sampler, out);
    take_pressure(sampler, out);
    take_group(sampler, out);
    take_gpus(sampler, out);
    if (medium) {
        take_group_details(sampler, out);
        sampler->medium_ns = now_ns + MEDIUM_NS;
    }
    if (now_ns >= sampler->slow_ns - EARLY_NS) {
        take_temperatures(sampler, out);
        if (sampler->options.pid != 0) {
            take_gpu_target(sampler, out);
        }
        sampler->slow_ns = now_ns + SLOW_NS;
    }
}

snug_target_state snug_sampler_state(const snug_sampler *sampler)
{
    return sampler->options.pid == 0 ? SNUG_TARGET_ALIVE : sampler->processes.state;
}
