/* A control group of our own with a memory limit: made, joined, read, emptied and removed. */
#ifndef SNUG_SYS_GROUP_H
#define SNUG_SYS_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"
#include "sys/cgroup.h"
#include "sys/descendants.h"

enum { SNUG_GROUP_PATH_BYTES = 2 * SNUG_CGROUP_PATH_BYTES + 64 };

/** A group that this process made. All zeros: none. */
typedef struct snug_group {
    int32_t version; /* 1 or 2; 0: none. */
    char folder[SNUG_GROUP_PATH_BYTES];
    int64_t
        limit_bytes; /* What the kernel keeps: less than asked where a group above is tighter. */
} snug_group;

/**
 * Makes a group `name` below the own group, or on v2, where that may not have children with
 * memory, below an ancestor: the limits of the groups that are passed over then hold here too.
 * The limit is set before anything can be in it; no swap; on v2 the whole group dies at once.
 *
 * @param version  1 or 2: only where the memory controller is of this kind.
 * @param[out] why One clause for each place where it was not possible, for people.
 * @return False when it is not possible; nothing is left behind then.
 * @mem     Allocates nothing.
 */
bool snug_group_make(const char *root, int32_t version, const char *name, int64_t limit_bytes,
                     snug_group *out, snug_text *why);

/** Sets the limit of a group whose folder is there; false, with the reason in `why`, if it fails.
 */
bool snug_group_limit(snug_group *group, int64_t limit_bytes, snug_text *why);

/** "FOLDER/cgroup.procs" into `out`. */
const char *snug_group_procs(const snug_group *group, char out[SNUG_GROUP_PATH_BYTES]);

/** Bytes charged now, page cache included; -1 when unknown. */
int64_t snug_group_usage(const snug_group *group);
/** The kernel's own highest usage; -1 where it does not keep one. */
int64_t snug_group_peak(const snug_group *group);
/** Processes that were killed for this group's limit, up to now; 0 where it is not counted. */
int64_t snug_group_kills(const snug_group *group);
/** Processes in the group itself. */
void snug_group_members(const snug_group *group, snug_pids *out);

/** Kills what is in the group, until it is empty or `patience_s` are over; true when empty. */
bool snug_group_kill(const snug_group *group, double patience_s);
/** Removes an empty group; false when it stays. One that was never made is allowed. */
bool snug_group_remove(snug_group *group);

/**
 * Removes empty groups "PREFIXpid" beside where ours would be whose process is gone: what a killed
 * supervisor left.
 * @return How many were removed.
 */
int64_t snug_group_sweep(const char *root, const char *prefix);

/** Kills on the whole machine or container because memory was out, up to now; -1 if unknown. */
int64_t snug_machine_oom_kills(void);

#endif
