/* The limits of this process that bind memory: address space and private data. */
#ifndef SNUG_SYS_RLIMIT_H
#define SNUG_SYS_RLIMIT_H

#include <stdint.h>

#include "base/status.h"

/** Soft limits in bytes; INT64_MAX where there is none. */
typedef struct snug_rlimits {
    int64_t address_bytes; /* RLIMIT_AS, counts VmSize. */
    int64_t data_bytes;    /* RLIMIT_DATA, counts VmData. */
} snug_rlimits;

SNUG_MUST_CHECK snug_status snug_rlimits_read(snug_rlimits *out, snug_error *err);

#endif
