#include "monitor/log_format.h"

#include <string.h>

const snug_log_field_info snug_log_fields[SNUG_FIELD_COUNT] = {
    [SNUG_FIELD_RSS] = {"rss", SNUG_UNIT_BYTES, "resident memory, sum over the processes"},
    [SNUG_FIELD_PSS] = {"pss", SNUG_UNIT_BYTES, "proportional share: shared pages divided up"},
    [SNUG_FIELD_USS] = {"uss", SNUG_UNIT_BYTES, "private memory: free if all of them ended"},
    [SNUG_FIELD_ANON] = {"anon", SNUG_UNIT_BYTES, "resident anonymous memory"},
    [SNUG_FIELD_FILE] = {"file", SNUG_UNIT_BYTES, "resident pages of mapped files"},
    [SNUG_FIELD_SHMEM] = {"shmem", SNUG_UNIT_BYTES, "resident shared memory, tmpfs included"},
    [SNUG_FIELD_SWAP] = {"swap", SNUG_UNIT_BYTES, "memory of the processes that is in swap"},
    [SNUG_FIELD_PEAK] = {"peak", SNUG_UNIT_BYTES, "VmHWM of the first process"},
    [SNUG_FIELD_CPU] = {"cpu", SNUG_UNIT_PERCENT, "processor time; 100 is one core"},
    [SNUG_FIELD_THREADS] = {"threads", SNUG_UNIT_COUNT, "threads"},
    [SNUG_FIELD_PROCESSES] = {"procs", SNUG_UNIT_COUNT, "processes"},
    [SNUG_FIELD_CGROUP] = {"cgroup", SNUG_UNIT_BYTES, "use of the control group that binds"},
    [SNUG_FIELD_CGROUP_LIMIT] = {"cgroup_limit", SNUG_UNIT_BYTES, "its limit"},
    [SNUG_FIELD_CGROUP_PEAK] = {"cgroup_peak", SNUG_UNIT_BYTES, "its highest use, by the kernel"},
    [SNUG_FIELD_CGROUP_CACHE] = {"cgroup_cache", SNUG_UNIT_BYTES, "its inactive file pages"},
    [SNUG_FIELD_PSI_SOME] = {"psi_some", SNUG_UNIT_PERCENT, "time some task waited for memory"},
    [SNUG_FIELD_PSI_FULL] = {"psi_full", SNUG_UNIT_PERCENT, "time all tasks waited for memory"},
    [SNUG_FIELD_AVAILABLE] = {"available", SNUG_UNIT_BYTES, "MemAvailable of the machine"},
    [SNUG_FIELD_USED] = {"used", SNUG_UNIT_BYTES, "memory of the machine that is not available"},
    [SNUG_FIELD_SWAP_USED] = {"swap_used", SNUG_UNIT_BYTES, "swap in use on the machine"},
    [SNUG_FIELD_TEMPERATURE] = {"temp", SNUG_UNIT_CELSIUS, "the hottest sensor"},
    [SNUG_FIELD_GPU_USED] = {"gpu_used", SNUG_UNIT_BYTES, "GPU memory in use, all devices"},
    [SNUG_FIELD_GPU_TOTAL] = {"gpu_total", SNUG_UNIT_BYTES, "GPU memory there is, all devices"},
    [SNUG_FIELD_GPU_PERCENT] = {"gpu_percent", SNUG_UNIT_PERCENT, "memory of the fullest GPU"},
    [SNUG_FIELD_GPU_UTIL] = {"gpu_util", SNUG_UNIT_PERCENT, "use of the busiest GPU"},
    [SNUG_FIELD_GPU_TEMPERATURE] = {"gpu_temp", SNUG_UNIT_CELSIUS, "the hottest GPU"},
    [SNUG_FIELD_LIVE] = {"live", SNUG_UNIT_BYTES, "what the program counts itself"},
    [SNUG_FIELD_LATE_MS] = {"late_ms", SNUG_UNIT_MILLISECONDS, "how late this sample was"},
    [SNUG_FIELD_GPU_TARGET] = {"gpu_own", SNUG_UNIT_BYTES, "GPU memory of the processes alone"},
};

snug_log_field snug_log_field_find(const char *key, int64_t bytes)
{
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        if (strlen(snug_log_fields[field].key) == (size_t)bytes &&
            memcmp(snug_log_fields[field].key, key, (size_t)bytes) == 0) {
            return (snug_log_field)field;
        }
    }
    return SNUG_FIELD_COUNT;
}
