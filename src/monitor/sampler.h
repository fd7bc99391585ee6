/* Takes samples of a process tree or of the machine: cheap things often, costly things seldom. */
#ifndef SNUG_MONITOR_SAMPLER_H
#define SNUG_MONITOR_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "monitor/processes.h"
#include "monitor/reading.h"
#include "sys/cgroup.h"
#include "sys/kept.h"
#include "sys/nvml.h"

enum {
    SNUG_SENSORS_MAX = 16,
    SNUG_SAMPLER_BUFFER_BYTES = 16 << 10, /* memory.stat and meminfo fit. */
    SNUG_REASON_BYTES = 160
};

/** When the proportional share (PSS) is read: it makes the target wait for its memory map. */
typedef enum snug_pss_mode {
    SNUG_PSS_AUTO,   /* When a read takes no longer than `stall_ns`, and at most 1 % of the time. */
    SNUG_PSS_ALWAYS, /* At most 1 % of the time. */
    SNUG_PSS_NEVER
} snug_pss_mode;

typedef struct snug_sampler_options {
    const char *root; /* Before /proc, /sys and mounts; "" is this machine. Borrowed. */
    int64_t pid;      /* The first process; 0: the machine. */
    bool whole;       /* With all processes below it. */
    bool adopted;     /* It was started by us, and orphans below it come to us. */
    snug_pss_mode pss;
    int64_t stall_ns; /* That a read of PSS may take; 0: 100,000. */
    bool no_gpu;
} snug_sampler_options;

/** What a sample is made of. Large: about 120 KiB. One owner at a time. */
typedef struct snug_sampler {
    snug_sampler_options options;
    snug_processes processes;
    snug_kept meminfo, machine_stat, loadavg, pressure;
    snug_kept usage, peak, group_stat, group_events;
    snug_kept sensors[SNUG_SENSORS_MAX];
    int32_t sensor_count;
    snug_nvml nvml;
    snug_cgroup group;
    int32_t group_level;   /* That binds; -1: none. */
    int64_t oom_kills;     /* In the group, by the last look; -1: not known. */
    int64_t oom_kills_new; /* At the last sample. */
    int64_t limit_bytes;   /* Of the level that binds; INT64_MAX: none. */
    bool limit_changed;    /* At the last sample. */
    int64_t medium_ns, slow_ns, group_ns, pss_ns; /* When each of them is due. */
    double pss_ns_per_byte;                       /* What the next read is expected to take. */
    double pss_rate_before;                       /* What the last one took. */
    int64_t pss_stall_ns_max;                     /* The longest read so far. */
    int64_t busy_ticks; /* Of the machine's processors, at the last look; -1: none yet. */
    int64_t busy_at_ns;
    bool gpu_target_seen;                  /* The driver has listed a process of the target. */
    int64_t machine_bytes;                 /* RAM. */
    const char *why_not[SNUG_FIELD_COUNT]; /* Why a field is not there; NULL: it is, or may be. */
    char pss_reason[SNUG_REASON_BYTES];
    char buffer[SNUG_SAMPLER_BUFFER_BYTES];
} snug_sampler;

/**
 * Opens every file that is there; what is missing is noted in `why_not` and left out.
 * @mem     Allocates nothing, but for what a GPU library needs.
 * @errors  As snug_processes_open(); SNUG_CODE_LIMIT for control groups that are too deep.
 */
SNUG_MUST_CHECK snug_status snug_sampler_open(snug_sampler *sampler,
                                              const snug_sampler_options *options, snug_error *err);
void snug_sampler_close(snug_sampler *sampler);

/**
 * Takes a sample: what changes fast always (RSS, control group, pressure, MemAvailable, GPU
 * memory), the rest when a second is over, temperatures every five seconds, PSS when it is cheap.
 * @param now_ns  snug_clock_ns(), ascending.
 * @param[out] out  All but `t`.
 * @mem     Allocates nothing.
 */
void snug_sampler_take(snug_sampler *sampler, int64_t now_ns, snug_reading *out);

/** How PSS is read from now on; what made it impossible before is tried again. */
void snug_sampler_set_pss(snug_sampler *sampler, snug_pss_mode mode);

/** Kills in the control group since the last look; 0 where it cannot be known. */
int64_t snug_sampler_oom_kills(snug_sampler *sampler);

/** What became of the target; a machine lives for ever. */
snug_target_state snug_sampler_state(const snug_sampler *sampler);

#endif
