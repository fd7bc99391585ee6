/* The processor: instruction sets, its name, and how many cores we may really use. */
#ifndef SNUG_SYS_CPU_H
#define SNUG_SYS_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** Instruction sets that kernels are written for, in order: one that runs a set runs all before. */
typedef enum snug_isa { SNUG_ISA_SCALAR, SNUG_ISA_AVX2, SNUG_ISA_AVX512 } snug_isa;

/** "scalar", "avx2", "avx512". */
const char *snug_isa_name(snug_isa isa);

typedef struct snug_cpu_features {
    bool avx2;
    bool fma;
    bool avx512; /* F, DQ, BW and VL together. */
    bool avx512_bf16;
} snug_cpu_features;

/** What the processor has and the system lets us use. */
snug_cpu_features snug_cpu_features_read(void);

/**
 * The best set of this machine, or the one that the environment variable SNUG_ISA names.
 * @errors  SNUG_CODE_USAGE for an unknown name, SNUG_CODE_UNSUPPORTED for a set that the machine
 *          lacks.
 */
SNUG_MUST_CHECK snug_status snug_isa_choose(snug_isa *out, snug_error *err);

/** The same with the name as an argument; NULL and "" pick the best of `features`. */
SNUG_MUST_CHECK snug_status snug_isa_choose_from(const snug_cpu_features *features,
                                                 const char *name, snug_isa *out, snug_error *err);

enum { SNUG_CPU_NAME_BYTES = 128 };
/** The model name from /proc/cpuinfo, or "unknown", into `out`; returns `out`. */
const char *snug_cpu_name(const char *root, char out[SNUG_CPU_NAME_BYTES]);

/**
 * Cores that this process may use: its affinity, and the whole cores of the smallest CPU quota of
 * its control groups; at least 1.
 */
int32_t snug_cpu_cores(const char *root);

/**
 * Puts `bytes` bytes from `memory`, which is aligned to SNUG_ALIGN, out of the caches of all cores,
 * for measuring; what they hold stays as it is. Does nothing where no instruction does that.
 */
void snug_cpu_flush(void *memory, int64_t bytes);

#endif
