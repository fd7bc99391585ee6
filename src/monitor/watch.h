/* A memory limit for a tree of processes kept by looking: how often, how much, when to end it. */
#ifndef SNUG_MONITOR_WATCH_H
#define SNUG_MONITOR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/descendants.h"

/**
 * How long it is safe not to look: at most as long as memory that is filled at 8 GiB/s takes to use
 * up the headroom, between 2 ms and 100 ms.
 */
int64_t snug_watch_interval_ns(int64_t headroom_bytes);

/**
 * Watches everything below this process. What counts is what the kernel could not drop: anonymous
 * pages and shared memory, pages with several owners once. A quick look takes the sum over the
 * processes, which is never too low but for copies made on write; when the sum is over the limit
 * the tree is stopped and its shares are measured. All zeros, then snug_watch_begin(). About 8 KiB.
 */
typedef struct snug_watch {
    int64_t limit_bytes;     /* INT64_MAX: only measure. */
    int64_t except;          /* A child that does not belong to it; 0: none. */
    int64_t used_bytes;      /* By the last look. */
    int64_t peak_bytes;      /* Highest of all looks. */
    int64_t data_peak_bytes; /* Highest VmData of one process; only with `reads_data`. */
    bool reads_data;
    int64_t duplicate_bytes; /* Anonymous pages that the quick sum counts more than once. */
    int64_t file_bytes;      /* Mapped files in the quick sum. */
    int64_t measured_ns;     /* When both were measured; 0: never. */
    int64_t measure_cost_ns;
    int64_t measures, looks;
    int64_t clock; /* snug_pids_clock() of `tree`. */
    int64_t tree_ns, tree_cost_ns;
    snug_pids tree;
} snug_watch;

void snug_watch_begin(snug_watch *watch, int64_t limit_bytes, int64_t except);

/**
 * Looks once. True when the tree is over the limit: then it is stopped (SIGSTOP) and the caller
 * ends it.
 */
bool snug_watch_look(snug_watch *watch);

#endif
