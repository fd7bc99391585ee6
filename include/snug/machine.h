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
} snug_machine_options;

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
    const char *profile;     /**< Recommended; static. */
    bool meets;              /**< headroom_bytes >= require_bytes. */
    char explanation[512];   /**< One sentence: what binds, and what does not. */
    char budget_origin[512]; /**< One sentence: where budget_bytes comes from. */
} snug_machine;

/** Looks at the machine; takes well under 100 ms and no memory to speak of. @threads Reentrant. */
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
