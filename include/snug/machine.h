/* The machine: how much memory a run may use here, what limits it, and what to do with that. */
#ifndef SNUG_MACHINE_H
#define SNUG_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct snug_machine_options {
    const char *budget;    /**< "600MiB", "60%", "auto"; NULL: "auto". */
    int64_t require_bytes; /**< `meets` says whether the budget is at least this; 0: nothing. */
    const char *root;      /**< Goes before /proc and /sys: another machine's copy of them, of which
                                GPUs, disks and instruction sets are still this one's; NULL: "". */
} snug_machine_options;

enum {
    SNUG_MACHINE_GPUS_MAX = 16,
    SNUG_MACHINE_WARNINGS_MAX = 4,
    SNUG_MACHINE_WARNING_BYTES = 240,
    SNUG_MACHINE_COMMAND_BYTES = 160
};

/** A GPU, as its driver's library (NVML) tells. snug computes on the processor: for information. */
typedef struct snug_machine_gpu {
    char name[96];
    int64_t total_bytes, used_bytes; /**< -1: not told. */
    int32_t use_percent;             /**< Of the last second; -1: not told. */
    int32_t temperature_celsius;     /**< -1: not told. */
} snug_machine_gpu;

/** What there is. Bytes are -1 where there is no such limit or the system does not tell. */
typedef struct snug_machine {
    char cpu[96];            /**< Model name. */
    char isa[16];            /**< What kernels will use: "avx2", "avx512", "scalar". */
    int64_t cores;           /**< That this process may use, cgroup quota included. */
    int64_t total_bytes;     /**< Of the host. */
    int64_t available_bytes; /**< MemAvailable. */
    int64_t limit_bytes;     /**< The tightest limit: cgroup or rlimit. */
    char bound_by[160];      /**< What binds: "machine", "cgroup /job", "RLIMIT_DATA". */
    int64_t headroom_bytes;  /**< Free for us now, all limits considered. */
    int64_t budget_bytes;    /**< Proposed or asked for. */
    const char *profile;     /**< Recommended for time series; static. */
    bool meets;              /**< headroom_bytes >= require_bytes. */
    char explanation[512];   /**< One sentence: what binds, and what does not. */
    char budget_origin[512]; /**< One sentence: where budget_bytes comes from. */

    char features[64];            /**< Of the processor: "avx2 fma avx512 avx512_bf16". */
    int64_t usable_bytes;         /**< The smaller of total_bytes and limit_bytes. */
    int64_t swap_total_bytes;     /**< 0: there is none. */
    int64_t swap_free_bytes;
    int64_t disk_free_bytes;      /**< That we may write where we are: runs go there. */
    int64_t cache_free_bytes;     /**< The same of the cache: prepared texts go there. */
    double temperature_celsius;   /**< Of the hottest sensor; NaN: there is none. */
    int32_t gpu_count;
    snug_machine_gpu gpus[SNUG_MACHINE_GPUS_MAX];
    const char *gpu_reason;       /**< Why there is none; NULL: there is one; static. */
    const char *text_profile;     /**< Recommended for text classification; static. */
    char commands[2][SNUG_MACHINE_COMMAND_BYTES]; /**< To run next: time series, text. */
    int32_t warning_count;
    char warnings[SNUG_MACHINE_WARNINGS_MAX][SNUG_MACHINE_WARNING_BYTES]; /**< A sentence each. */
} snug_machine;

/**
 * Looks at the machine; takes well under 100 ms (a GPU's driver may need longer) and little memory.
 *
 * The profile for text is the one that the tables of its three scripts give for usable_bytes: below
 * 8 GiB ultra_low_memory, up to 16 GiB safe, above original. GPUs do not count, since nothing is
 * computed there. Warnings: above 90 % of a limit of memory in use, above 95 % of a GPU's, and a
 * processor or a GPU of 85 degrees or more.
 *
 * @threads Reentrant.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_machine_check(const snug_machine_options *options,
                                                        snug_machine *out, snug_error *err);

/** Writes it: for people, with the command to run next, or schema snug.check/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_machine_write(const snug_machine *machine,
                                                        snug_format format, snug_write write,
                                                        void *context, snug_error *err);

/** Version of the library, "0.1.0"; static. */
SNUG_API const char *snug_version(void);

#ifdef __cplusplus
}
#endif
#endif
