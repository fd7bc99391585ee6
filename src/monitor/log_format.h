/* The words of a memory log: JSON lines of schema memlog/1, written here and read by analysis. */
#ifndef SNUG_MONITOR_LOG_FORMAT_H
#define SNUG_MONITOR_LOG_FORMAT_H

#include <stdint.h>

/*
 * One JSON object per line, UTF-8, each line written by one write(2). The last line may be cut off.
 * Every line has "type" and, but for the header, "t": seconds since the header by a clock that
 * never goes back. What could not be measured has no key; it is never 0 and never null.
 *
 *   header   once, first: "schema":"memlog/1", "started" (RFC 3339, UTC), "program", "machine",
 *            "target", "command", "pid", "interval", "unavailable":{field: reason}, ...
 *   sample   "t" and the fields of snug_log_fields; a late one has "late_ms"
 *   phase    "name" ("epoch", "validation", ...), "index"; "live":{category: bytes} where the
 *            program counts its own memory
 *   event    "event" (one of SNUG_LOG_EVENT_*), "text" for people, often "level" or "value"
 *   summary  once, last, when the watcher itself was not killed
 *
 * doc/monitor.md has every key.
 */
#define SNUG_LOG_SCHEMA "memlog/1"

#define SNUG_LOG_TYPE_HEADER "header"
#define SNUG_LOG_TYPE_SAMPLE "sample"
#define SNUG_LOG_TYPE_PHASE "phase"
#define SNUG_LOG_TYPE_EVENT "event"
#define SNUG_LOG_TYPE_SUMMARY "summary"

/* Values of "event". */
#define SNUG_LOG_EVENT_LEVEL "level"             /* "level": "ok", "notice", "warning", "danger" */
#define SNUG_LOG_EVENT_EXITED "target_exited"    /* "status": 0 to 255 where it is known */
#define SNUG_LOG_EVENT_REUSED "pid_reused"       /* The number belongs to another process now. */
#define SNUG_LOG_EVENT_DENIED "target_hidden"    /* It lives, and may no longer be looked at. */
#define SNUG_LOG_EVENT_LIMIT "limit_changed"     /* "cgroup_limit": bytes */
#define SNUG_LOG_EVENT_OOM_KILL "oom_kill"       /* "count": kills in the control group */
#define SNUG_LOG_EVENT_GAP "log_gap"             /* "lost": lines that a full disk took */
#define SNUG_LOG_EVENT_INTERRUPTED "interrupted" /* The watcher was asked to stop. */
#define SNUG_LOG_EVENT_LEAK "leak" /* Memory grows steadily: "rate", "rate_low", "rate_high" */
#define SNUG_LOG_EVENT_MARK "mark" /* Somebody marked this moment: "text". */

/** Fields of a sample. New ones are appended. */
typedef enum snug_log_field {
    SNUG_FIELD_RSS, /* Sums over the processes of the target. */
    SNUG_FIELD_PSS,
    SNUG_FIELD_USS,
    SNUG_FIELD_ANON,
    SNUG_FIELD_FILE,
    SNUG_FIELD_SHMEM,
    SNUG_FIELD_SWAP,
    SNUG_FIELD_PEAK, /* VmHWM of the first process: the kernel's own watermark. */
    SNUG_FIELD_CPU,
    SNUG_FIELD_THREADS,
    SNUG_FIELD_PROCESSES,
    SNUG_FIELD_CGROUP, /* The level of the control groups that binds. */
    SNUG_FIELD_CGROUP_LIMIT,
    SNUG_FIELD_CGROUP_PEAK,
    SNUG_FIELD_CGROUP_CACHE, /* Inactive file pages: what the kernel gives up first. */
    SNUG_FIELD_PSI_SOME,
    SNUG_FIELD_PSI_FULL,
    SNUG_FIELD_AVAILABLE, /* Of the machine. */
    SNUG_FIELD_USED,
    SNUG_FIELD_SWAP_USED,
    SNUG_FIELD_TEMPERATURE,
    SNUG_FIELD_GPU_USED, /* Sum over the devices. */
    SNUG_FIELD_GPU_TOTAL,
    SNUG_FIELD_GPU_PERCENT, /* Of the fullest device. */
    SNUG_FIELD_GPU_UTIL,    /* Of the busiest device. */
    SNUG_FIELD_GPU_TEMPERATURE,
    SNUG_FIELD_LIVE, /* What the program's own allocator has handed out. */
    SNUG_FIELD_LATE_MS,
    SNUG_FIELD_GPU_TARGET, /* Of the watched processes alone. */
    SNUG_FIELD_COUNT
} snug_log_field;

typedef enum snug_log_unit {
    SNUG_UNIT_BYTES,   /* A whole number. */
    SNUG_UNIT_COUNT,   /* A whole number. */
    SNUG_UNIT_PERCENT, /* A decimal number; of CPU, 100 is one core. */
    SNUG_UNIT_CELSIUS,
    SNUG_UNIT_MILLISECONDS
} snug_log_unit;

typedef struct snug_log_field_info {
    const char *key; /* In the sample. */
    snug_log_unit unit;
    const char *help; /* One line. */
} snug_log_field_info;

/** What each field is called; index it by snug_log_field. */
extern const snug_log_field_info snug_log_fields[SNUG_FIELD_COUNT];

/** The field with this key of `bytes` letters, or SNUG_FIELD_COUNT. */
snug_log_field snug_log_field_find(const char *key, int64_t bytes);

#endif
