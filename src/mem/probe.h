/* What memory there is for this process now, and which limit says so. */
#ifndef SNUG_MEM_PROBE_H
#define SNUG_MEM_PROBE_H

#include <stdint.h>

#include "base/status.h"
#include "sys/cgroup.h"
#include "sys/procfs.h"
#include "sys/rlimit.h"

typedef enum snug_bound {
    SNUG_BOUND_MACHINE, /* MemAvailable. */
    SNUG_BOUND_CGROUP,
    SNUG_BOUND_ADDRESS, /* RLIMIT_AS. */
    SNUG_BOUND_DATA     /* RLIMIT_DATA. */
} snug_bound;

enum { SNUG_PROBE_TEXT_BYTES = 1024 };

/** A look at all limits at one instant. Large: about 20 KiB. */
typedef struct snug_probe {
    int64_t headroom_bytes; /* That may be used on top of what this process has now; >= 0. */
    snug_bound bound;       /* Which limit the headroom comes from. */
    int32_t bound_level;    /* Of `group.levels`, when bound by a control group; else -1. */
    char sentence[SNUG_PROBE_TEXT_BYTES]; /* "7.2 GiB free: bound by ..., not by ...". */
    snug_machine_memory machine;
    snug_process_memory process;
    snug_cgroup group;
    snug_rlimits limits;
} snug_probe;

/**
 * headroom = min(MemAvailable, for every visible control group: limit - usage + inactive file
 * pages, RLIMIT_AS - VmSize, RLIMIT_DATA - VmData).
 *
 * @param root  Goes before "/proc" and every mount; "" is this machine.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FORMAT when /proc cannot be read, SNUG_CODE_LIMIT.
 */
SNUG_MUST_CHECK snug_status snug_probe_read(const char *root, snug_probe *out, snug_error *err);

/** The same from facts already in `probe` (machine, process, group, limits), which it completes. */
void snug_probe_decide(snug_probe *probe);

#endif
