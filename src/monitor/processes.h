/* The processes of a target: the first one and all below it, found again and read at each sample.
 */
#ifndef SNUG_MONITOR_PROCESSES_H
#define SNUG_MONITOR_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "monitor/reading.h"
#include "sys/kept.h"

enum {
    SNUG_WATCHED_MAX = 256,          /* More are not read; SNUG_FIELD_PROCESSES stays at this. */
    SNUG_WATCHED_KEPT_MAX = 32,      /* Of these the files stay open. */
    SNUG_WATCHED_NUMBERS_MAX = 4096, /* Threads of one process, or processes of the machine, that
                                        are looked at when children are searched. */
    SNUG_WATCHED_BUFFER_BYTES = 4096
};

/** One process. The files belong to this very process: a later one with its number is another. */
typedef struct snug_watched_process {
    int64_t pid;
    int64_t start_ticks; /* When it started; with the number it names the process for ever. */
    int64_t cpu_ticks;   /* Used when it was read last. */
    int64_t resident_bytes;
    snug_kept stat, status, statm;
    bool found; /* By the walk that is under way. */
    bool gone;  /* It could not be read any more. */
} snug_watched_process;

/** What became of the first process. */
typedef enum snug_target_state {
    SNUG_TARGET_ALIVE,
    SNUG_TARGET_ENDED,
    SNUG_TARGET_REUSED, /* Its number belongs to another process now. */
    SNUG_TARGET_HIDDEN  /* /proc no longer shows it to us. */
} snug_target_state;

/** Large: about 90 KiB, of which few pages are touched. One owner at a time. */
typedef struct snug_processes {
    const char *root; /* Before "/proc"; borrowed. */
    bool whole;       /* With what is below the first process. */
    bool adopted;     /* What lost its parent came to us and belongs to the target too. */
    int64_t own_pid;
    int64_t ticks_per_second;
    int64_t page_bytes;
    int64_t count; /* The first process is processes[0]. */
    snug_watched_process processes[SNUG_WATCHED_MAX];
    snug_target_state state;
    bool no_children_files; /* /proc has none: all processes are searched by parent. */
    snug_kept newest;       /* /proc/loadavg: its last number is that of the newest process. */
    int64_t newest_pid;     /* At the last walk. */
    bool lost_one;          /* One of them has ended since the last walk. */
    int64_t first_walk_ns, walk_total_ns;
    int64_t next_walk_ns; /* By the clock; not earlier, so that walks stay cheap. */
    int64_t next_deep_ns; /* When all threads are asked, not only the first. */
    int64_t cpu_at_ns;    /* When the CPU times were read last; 0: never. */
    int64_t numbers[SNUG_WATCHED_NUMBERS_MAX];
    int64_t parents[SNUG_WATCHED_NUMBERS_MAX]; /* Of `numbers`; -1: not of interest. */
    char buffer[SNUG_WATCHED_BUFFER_BYTES];
} snug_processes;

/**
 * Takes the process `pid` as the first of the tree.
 * @param root  Goes before "/proc"; borrowed as long as the tree; at most 200 bytes.
 * @param whole    With what is below it.
 * @param adopted  It is a child of this process, to which orphans below it come; it may have ended.
 * @errors  SNUG_CODE_NOT_FOUND when there is no such process, SNUG_CODE_IO when it may not be read.
 */
SNUG_MUST_CHECK snug_status snug_processes_open(snug_processes *tree, const char *root, int64_t pid,
                                                bool whole, bool adopted, snug_error *err);
void snug_processes_close(snug_processes *tree);

/**
 * Looks for new and ended processes when one was started on the machine or has ended here, at most
 * once a second, and so that at most 0.025 % of the time goes into it in the long run.
 */
void snug_processes_walk(snug_processes *tree, int64_t now_ns);

/**
 * Sums over all processes: with `quick` only SNUG_FIELD_RSS from statm, else also anonymous, file
 * and shared memory, swap, peak, CPU, threads and processes. Sets `state`.
 */
void snug_processes_read(snug_processes *tree, bool quick, int64_t now_ns, snug_reading *sample);

/** What reading proportional shares costs, to decide whether to do it. */
typedef struct snug_pss_cost {
    int64_t stall_ns;  /* The longest single read: so long a target may wait for its memory map. */
    int64_t total_ns;  /* All reads. */
    int64_t rss_bytes; /* Of the process with the longest read. */
    snug_look look;    /* The first process's. */
} snug_pss_cost;

/** Reads smaps_rollup of every process: PSS and USS of the sample. Costly: see snug_pss_cost. */
void snug_processes_read_pss(snug_processes *tree, snug_reading *sample, snug_pss_cost *out);

/** Resident bytes of the largest process, by the last read. */
/** Whether this process is one of them. */
bool snug_processes_has(const snug_processes *tree, int64_t pid);
int64_t snug_processes_largest(const snug_processes *tree);

#endif
