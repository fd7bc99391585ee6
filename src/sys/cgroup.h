/* The control groups that this process lives in: memory limits of all visible levels, CPU quota. */
#ifndef SNUG_SYS_CGROUP_H
#define SNUG_SYS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { SNUG_CGROUP_LEVELS_MAX = 32, SNUG_CGROUP_PATH_BYTES = 512 };

/** One level of the hierarchy that has memory accounting. */
typedef struct snug_cgroup_level {
    char path[SNUG_CGROUP_PATH_BYTES]; /* Inside the hierarchy, "/" for the top that is visible. */
    int64_t limit_bytes;               /* The lower of max and high; INT64_MAX for no limit. */
    const char *limit_file;            /* "memory.max", "memory.high", ...; static. */
    int64_t usage_bytes;               /* Of the whole sub-tree, siblings included. */
    int64_t inactive_file_bytes;       /* Part of the usage that the kernel gives up first. */
    int64_t active_file_bytes;         /* Page cache that it gives up after that. */
    int64_t peak_bytes;                /* -1 where the kernel does not keep it. */
} snug_cgroup_level;

/** Own group first, then its ancestors as far as they can be seen. */
typedef struct snug_cgroup {
    int32_t version;       /* 1 or 2: where the memory controller is; 0: nowhere. */
    bool own_hidden;       /* The own group is outside of what is mounted; ancestors only. */
    bool ancestors_hidden; /* Groups above the last level exist and cannot be seen. */
    int32_t level_count;
    char mount[SNUG_CGROUP_PATH_BYTES];   /* The files of level i are in mount + levels[i].path. */
    char unified[SNUG_CGROUP_PATH_BYTES]; /* Own folder in the v2 hierarchy, where memory.pressure
                                             is whoever counts the memory; "" for none. */
    snug_cgroup_level levels[SNUG_CGROUP_LEVELS_MAX];
} snug_cgroup;

/**
 * Reads /proc/self/cgroup, /proc/self/mountinfo and the files of each level. Limits change while
 * a program runs: read again when it matters.
 *
 * @param root  Goes before every path; "" is this machine.
 * @mem     Allocates nothing. `out` is about 18 KiB.
 * @errors  SNUG_CODE_LIMIT for more than SNUG_CGROUP_LEVELS_MAX levels or too long a path. A
 * machine without control groups is version 0 and no error; so is a file that may not be read.
 */
SNUG_MUST_CHECK snug_status snug_cgroup_read(const char *root, snug_cgroup *out, snug_error *err);
/** The same for another process, as far as its groups can be seen from here; 0 is this one. */
SNUG_MUST_CHECK snug_status snug_cgroup_read_process(const char *root, int64_t pid,
                                                     snug_cgroup *out, snug_error *err);

/**
 * Bytes that may still be used below this level's limit; INT64_MAX without a limit, never
 * negative. Inactive file pages count as free: the kernel drops them before it kills.
 */
int64_t snug_cgroup_level_headroom(const snug_cgroup_level *level);

/**
 * The folder of a process's own group in the hierarchy that has the memory controller, `root`
 * before it.
 *
 * @param      pid            0 is the calling process.
 * @param[out] out_version    1 or 2; 0: nowhere, or the own group cannot be seen.
 * @param[out] out_top_bytes  So much of `out_folder` is the mount; ancestors end there.
 */
SNUG_MUST_CHECK snug_status snug_cgroup_own(const char *root, int64_t pid,
                                            int32_t *out_version,
                                            char out_folder[2 * SNUG_CGROUP_PATH_BYTES],
                                            int64_t *out_top_bytes, snug_error *err);

/**
 * A number of a group's file: "max", "-1" and what v1 writes for no limit are INT64_MAX. False when
 * the file cannot be read.
 */
bool snug_cgroup_number(const char *folder, const char *name, int64_t *out);
/** "NAME 123" in a file of such lines (memory.stat, memory.events); `fallback` when not there. */
int64_t snug_cgroup_entry(const char *folder, const char *file, const char *name,
                          int64_t fallback);

/** The smallest CPU quota of all visible levels in cores; 0 when there is none. */
SNUG_MUST_CHECK snug_status snug_cgroup_cpu_quota(const char *root, double *out_cores,
                                                  snug_error *err);

#endif
