#include "sys/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/text.h"
#include "sys/cgroup.h"
#include "sys/procfs.h"

static const char *const isa_names[] = {"scalar", "avx2", "avx512"};

const char *snug_isa_name(snug_isa isa)
{
    SNUG_ASSERT((int)isa >= 0 && (int)isa < (int)SNUG_COUNT(isa_names));
    return isa_names[isa];
}

snug_cpu_features snug_cpu_features_read(void)
{
    return (snug_cpu_features){
        .avx2 = SNUG_CPU_HAS("avx2"),
        .fma = SNUG_CPU_HAS("fma"),
        .avx512 = SNUG_CPU_HAS("avx512f") && SNUG_CPU_HAS("avx512dq") && SNUG_CPU_HAS("avx512bw") &&
                  SNUG_CPU_HAS("avx512vl"),
        .avx512_bf16 = SNUG_CPU_HAS("avx512bf16"),
    };
}

snug_status snug_isa_choose_from(const snug_cpu_features *features, const char *name, snug_isa *out,
                                 snug_error *err)
{
    snug_isa best = SNUG_ISA_SCALAR;
    if (features->avx2 && features->fma) {
        best = features->avx512 ? SNUG_ISA_AVX512 : SNUG_ISA_AVX2;
    }
    if (name == NULL || name[0] == '\0') {
        *out = best;
        return SNUG_OK;
    }
    for (int i = 0; i < (int)SNUG_COUNT(isa_names); i++) {
        if (strcmp(name, isa_names[i]) == 0) {
            if (i > (int)best) {
                return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                                 "SNUG_ISA=%s, but this machine only has %s", name,
                                 isa_names[best]);
            }
            *out = (snug_isa)i;
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_USAGE, "SNUG_ISA=%s is not one of scalar, avx2, avx512", name);
}

snug_status snug_isa_choose(snug_isa *out, snug_error *err)
{
    const snug_cpu_features features = snug_cpu_features_read();
    SNUG_TRY(snug_isa_choose_from(&features, getenv("SNUG_ISA"), out, err));
    return SNUG_OK;
}

const char *snug_cpu_name(const char *root, char out[SNUG_CPU_NAME_BYTES])
{
    static const char key[] = "model name";
    char path[SNUG_PATH_BYTES];
    snug_line_reader reader;
    snug_text text;
    char *line = NULL;
    (void)snprintf(out, SNUG_CPU_NAME_BYTES, "unknown");
    snug_text_init(&text, path, sizeof path);
    snug_text_add(&text, "%s/proc/cpuinfo", root);
    if (snug_lines_open(&reader, path, NULL) != SNUG_OK) {
        return out;
    }
    while (snug_lines_next(&reader, &line, NULL) == SNUG_OK && line != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, sizeof key - 1) == 0 && colon != NULL) {
            (void)snprintf(out, SNUG_CPU_NAME_BYTES, "%s", colon + 1 + strspn(colon + 1, " \t"));
            break;
        }
    }
    snug_lines_close(&reader);
    return out;
}

int32_t snug_cpu_cores(const char *root)
{
    cpu_set_t set;
    double quota = 0;
    CPU_ZERO(&set);
    int64_t cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        cores = CPU_COUNT(&set);
    }
    if (snug_cgroup_cpu_quota(root, &quota, NULL) == SNUG_OK && quota > 0) {
        /* Rounded down: threads beyond the quota only wait for each other. */
        cores = snug_min_i64(cores, (int64_t)quota);
    }
    return (int32_t)snug_max_i64(1, cores);
}

#if defined(__x86_64__)
void snug_cpu_flush(void *memory, int64_t bytes)
{
    unsigned char *at = memory;
    /* Every processor with these has the flush that waits for no other flush. */
    const bool is_weak = SNUG_CPU_HAS("avx512vl");
    for (int64_t i = 0; i < bytes; i += SNUG_ALIGN) {
        if (is_weak) {
            __asm__ volatile("clflushopt %0" : "+m"(at[i]));
        } else {
            __builtin_ia32_clflush(at + i);
        }
    }
    __builtin_ia32_mfence();
}
#else
void snug_cpu_flush(void *memory, int64_t bytes)
{
    SNUG_UNUSED(memory);
    SNUG_UNUSED(bytes);
}
#endif
