/* How a memory limit is kept on a command: the strongest way that this machine allows. */
#ifndef SNUG_MONITOR_ENFORCE_H
#define SNUG_MONITOR_ENFORCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "sys/group.h"

/** What the user wants. */
typedef enum snug_enforce {
    SNUG_ENFORCE_AUTO,   /* The first rung that works. */
    SNUG_ENFORCE_CGROUP, /* Only what the kernel enforces for the whole tree. */
    SNUG_ENFORCE_RLIMIT,
    SNUG_ENFORCE_WATCH
} snug_enforce;

/** The ladder, the strongest first. */
typedef enum snug_rung {
    SNUG_RUNG_NONE,
    SNUG_RUNG_CGROUP_V2, /* Exact, for the tree, no swap; the whole group dies at once. */
    SNUG_RUNG_CGROUP_V1, /* Exact, for the tree; one process dies, the rest is ended by us. */
    SNUG_RUNG_SCOPE,     /* The same as v2 in a scope that the user's systemd hands to us. */
    SNUG_RUNG_RLIMIT,    /* RLIMIT_DATA of each process, and the tree watched. */
    SNUG_RUNG_WATCH      /* The tree looked at every 2 to 100 ms: not enforced. */
} snug_rung;

enum { SNUG_ENFORCE_WHY_BYTES = 1536 };

/** A limit in force. All zeros: none. */
typedef struct snug_enforcer {
    snug_rung rung;
    int64_t limit_bytes;              /* That is kept: the one asked for, or a tighter one above. */
    snug_group group;                 /* Of the cgroup rungs. */
    char why[SNUG_ENFORCE_WHY_BYTES]; /* Why the rungs above were not possible; "" for the first. */
} snug_enforcer;

typedef struct snug_enforce_options {
    const char *root; /* Before every path of /proc and /sys; "" is this machine. */
    snug_enforce choice;
    int64_t limit_bytes;
    const char *name; /* Of the group; unique while the process lives. */
} snug_enforce_options;

/**
 * Takes the first rung that works: tried, not guessed. SNUG_RUNG_SCOPE moves this process into a
 * scope, where it stays to its end; it is found there by the next call.
 * @mem     Allocates nothing. A group stays until snug_enforce_close().
 * @errors  SNUG_CODE_UNSUPPORTED with the reasons when the choice allows none.
 */
SNUG_MUST_CHECK snug_status snug_enforce_open(const snug_enforce_options *options,
                                              snug_enforcer *out, snug_error *err);
/** Removes the group; false when it stays because something is still in it. */
bool snug_enforce_close(snug_enforcer *enforcer);

/** "cgroup v2 memory.max", "RLIMIT_DATA and watching", ...; static. */
const char *snug_rung_name(snug_rung rung);
/** "cgroup_v2", "rlimit", ... for machines; static. */
const char *snug_rung_key(snug_rung rung);
/** Whether the tree must be watched for this rung. */
bool snug_rung_watches(snug_rung rung);

#endif
