/* Watching memory: of a process and all below it, of the machine, or of the caller itself. */
#ifndef SNUG_MONITOR_H
#define SNUG_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A watch. Owned by one thread; between snug_monitor_start() and snug_monitor_finish() any thread
 * may call the functions that say so. Everything it needs is taken at the open: nothing is
 * allocated from the first sample on.
 */
typedef struct snug_monitor snug_monitor;

typedef enum snug_monitor_target {
    SNUG_MONITOR_MACHINE, /**< All of it: for who trains something else beside this program. */
    SNUG_MONITOR_SELF,    /**< The calling process. */
    SNUG_MONITOR_PID,
    SNUG_MONITOR_NAME,   /**< The one process that is called so. */
    SNUG_MONITOR_COMMAND /**< A command that is started now, with our streams. */
} snug_monitor_target;

/** When the proportional share is read. A read holds the target's memory map: about 10 ms a GiB. */
typedef enum snug_monitor_pss {
    SNUG_MONITOR_PSS_AUTO,   /**< When one takes no longer than `pss_stall_ms`. */
    SNUG_MONITOR_PSS_ALWAYS, /**< But for at most 1 % of the time. */
    SNUG_MONITOR_PSS_NEVER
} snug_monitor_pss;

/** All zeros: the machine, every second, no log, until it is stopped. Texts are borrowed until the
 *  close. */
typedef struct snug_monitor_options {
    snug_monitor_target target;
    int64_t pid;                /**< PID. */
    const char *name;           /**< NAME: of the program's file or script. */
    const char *const *command; /**< COMMAND: words, NULL-ended; the first is looked up in PATH. */
    bool alone;                 /**< Without the processes below the target. */
    double interval_s;          /**< 0.001 to 86,400; 0: one second. */
    bool steady;                /**< Not more often either when a limit is near. */
    double duration_s;          /**< 0: until the target ends or somebody stops it. */
    const char *log;            /**< JSON lines of schema memlog/1; NULL: none. */
    bool force;                 /**< An old log is written over. */
    const char *plot;           /**< SVG or, by its name, PNG, drawn at the end; NULL: none. */
    double plot_interval_s;     /**< And every so often before; 0: only at the end. */
    snug_monitor_pss pss;
    double pss_stall_ms;      /**< 0: 0.1. */
    bool no_gpu;              /**< Leave NVML alone. */
    int64_t limit_bytes;      /**< Of the target, for the alarm only; 0: none. */
    bool no_percent;          /**< No alarm by percent of a limit. */
    bool no_headroom;         /**< No alarm by what is left and how fast it shrinks. */
    double memory_percent[3]; /**< Notice, warning, danger; all 0: 70, 80, 90. */
    double gpu_percent[3];    /**< The same; all 0: 80, 90, 95. */
} snug_monitor_options;

/**
 * Gives the code that a program's start ran through back to the page cache. For the first line of a
 * program that is about to watch: the kernel's mark of its peak (VmHWM) then ends at what loading
 * it took, and what follows brings in only what it uses. Advice; cannot fail. @threads Any.
 */
SNUG_API void snug_monitor_prepare(void);

/**
 * Finds or starts the target and opens what there is to read.
 *
 * @param[out] out_monitor  Owned by the caller: snug_monitor_close().
 * @param[out] out_exit  When a command does not start: 127 not found, 126 not executable, 125; else
 *                       0. May be NULL.
 * @mem     About 1 MiB is mapped, some 200 KiB of it touched; with a GPU what its library needs.
 * @threads COMMAND takes SIGINT, SIGTERM, SIGHUP and SIGCHLD of the process until the close and
 *          reaps all children: for a program whose business this is.
 * @errors  SNUG_CODE_NOT_FOUND for a process or command; SNUG_CODE_USAGE when a name is that of
 *          several processes, which the message lists; SNUG_CODE_BUSY when the log is there
 *          already; SNUG_CODE_IO, SNUG_CODE_FULL, SNUG_CODE_MEMORY.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_open(const snug_monitor_options *options,
                                                       snug_monitor **out_monitor, int *out_exit,
                                                       snug_error *err);
/** Ends the watch if it runs and closes; a command goes on. NULL is allowed. */
SNUG_API void snug_monitor_close(snug_monitor *monitor);

enum { SNUG_MONITOR_FIELDS = 29 };

/** What a value of a sample is. */
typedef struct snug_monitor_field {
    const char *key;  /**< As in the log: "rss", "cgroup", ...; static. */
    const char *unit; /**< "bytes", "count", "percent", "celsius", "ms". */
    const char *help; /**< One line. */
} snug_monitor_field;

/** Field `index` of [0, SNUG_MONITOR_FIELDS). @threads Reentrant. */
SNUG_API snug_monitor_field snug_monitor_field_at(int64_t index);
/** The index of the field with this key, or -1. @threads Reentrant. */
SNUG_API int64_t snug_monitor_field_find(const char *key);

/** One moment. */
typedef struct snug_monitor_sample {
    double t;                           /**< Seconds since the start. */
    double values[SNUG_MONITOR_FIELDS]; /**< NaN: not measured. */
} snug_monitor_sample;

typedef enum snug_monitor_level {
    SNUG_MONITOR_OK,
    SNUG_MONITOR_NOTICE,
    SNUG_MONITOR_WARNING,
    SNUG_MONITOR_DANGER
} snug_monitor_level;

/** Who looks on. Any function may be NULL. Called on the thread that samples. */
typedef struct snug_monitor_observer {
    void *context;
    void (*sample)(void *context, const snug_monitor_sample *sample);
    /** The level is another now; `reason` is one line, "" when all is well again. */
    void (*level)(void *context, snug_monitor_level level, const char *reason);
    /** Something went wrong that does not end the watch: the log's disk is full. */
    void (*warning)(void *context, const char *text);
    /** Memory has grown steadily for long: `text` says how fast. Once at most. */
    void (*leak)(void *context, const char *text);
    /** Standard input can be read or has ended, or a signal's handler ran: false ends the watch. */
    bool (*input)(void *context);
} snug_monitor_observer;

/**
 * Watches until the target ends, the duration is over, or a signal says so. Ctrl-C, SIGTERM and
 * SIGHUP end a watch, or are passed on to the command, whose end is then waited for.
 * @param observer  Borrowed; may be NULL.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FULL from drawing; the log's troubles are warnings.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_run(snug_monitor *monitor,
                                                      const snug_monitor_observer *observer,
                                                      snug_error *err);

/** Watches on a thread of its own instead; not for COMMAND. */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_start(snug_monitor *monitor, snug_error *err);
/** Ends that thread. The log has its summary then, and a plot is drawn if one was asked for. */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_finish(snug_monitor *monitor, snug_error *err);

/** The last sample; false while there is none. @threads Safe. */
SNUG_API bool snug_monitor_last(snug_monitor *monitor, snug_monitor_sample *out);
/** The level now. @threads Safe. */
SNUG_API snug_monitor_level snug_monitor_level_now(snug_monitor *monitor);
/** "ok", "notice", "warning", "danger"; static. @threads Reentrant. */
SNUG_API const char *snug_monitor_level_name(snug_monitor_level level);
/** Tells what the program counts itself, for the samples from now on. @threads Safe. */
SNUG_API void snug_monitor_set_live(snug_monitor *monitor, int64_t bytes);
/** Notes the end of a round ("epoch", 3), for those who look for leaks. @threads Safe. */
SNUG_API void snug_monitor_phase(snug_monitor *monitor, const char *name, int64_t index);
/** How the proportional share is read from now on. @threads Safe. */
SNUG_API void snug_monitor_set_pss(snug_monitor *monitor, snug_monitor_pss pss);
/** Notes this moment. @threads Safe. */
SNUG_API void snug_monitor_mark(snug_monitor *monitor, const char *text);

/** How a watch ended, and what it saw. */
typedef struct snug_monitor_end {
    const char *reason; /**< "target_exited", "pid_reused", "target_hidden", "duration",
                             "interrupted"; "" while it runs. Static. */
    int exit_status;    /**< Of a command, 128 + the signal; -1: not known. */
    int64_t samples;
    double seconds;
    int64_t peak_sampled_bytes;
    int64_t peak_kernel_bytes; /**< 0: not known. */
    snug_monitor_level highest;
    double own_cpu_percent;    /**< Of one core, for taking and writing samples. */
    int64_t own_rss_bytes;     /**< Of this process. */
    int64_t own_private_bytes; /**< Of that, what is no page of a file. */
    double pss_ms_max;         /**< The longest time the target's memory map was held. */
    int64_t lost_lines;        /**< Of the log. */
} snug_monitor_end;

SNUG_API void snug_monitor_end_read(snug_monitor *monitor, snug_monitor_end *out);

/** Writes the report: a table with levels and advice for people, or schema snug.monitor/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_write(snug_monitor *monitor, snug_format format,
                                                        snug_write write, void *context,
                                                        snug_error *err);
/** Draws what was seen so far as an SVG file, or as PNG when the name ends in .png: that takes
 *  libcairo.so.2 at run time (SNUG_CODE_USAGE without it) and some 0.1 s of a child process. */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_draw(snug_monitor *monitor, const char *path,
                                                       snug_error *err);

/** How a chart for a terminal looks. */
typedef struct snug_monitor_chart_options {
    int64_t columns;  /**< 40 to 500. */
    int64_t rows;     /**< Lines in all, 8 to 60. */
    bool ascii;       /**< No braille. */
    bool color;       /**< With escape sequences for colours. */
    bool clear;       /**< Each line clears what stands behind it. */
    double window_s;  /**< Only the last seconds; 0: all. */
    double until_t;   /**< As it was at this second of the watch; 0: now. */
    const char *foot; /**< One more line below, within `rows`; NULL: none. Borrowed. */
} snug_monitor_chart_options;

/** Writes `rows` lines: the curve so far, and the figures of the last sample. */
SNUG_API SNUG_MUST_CHECK snug_status snug_monitor_chart(snug_monitor *monitor,
                                                        const snug_monitor_chart_options *options,
                                                        snug_write write, void *context,
                                                        snug_error *err);
/** The last sample as one line of text, at most `out_bytes` with its zero; returns `out`. */
SNUG_API const char *snug_monitor_line(snug_monitor *monitor, char *out, int64_t out_bytes);

#ifdef __cplusplus
}
#endif
#endif
