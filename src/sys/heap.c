#include "sys/heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/translate.h"
#include "sys/procfs.h"

#if !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE                                                                        \
    23 /* Linux 5.14; older kernels answer EINVAL and pages are touched.                           \
        */
#endif

enum { HEAP_HUGE_BYTES = 2 << 20, MALLOC_THRESHOLD_BYTES = 256 << 10, MALLOC_PAD_BYTES = 64 << 10 };

static atomic_llong current_bytes[SNUG_CATEGORY_COUNT];
static atomic_llong peak_bytes[SNUG_CATEGORY_COUNT];
static atomic_llong total_bytes;
static atomic_llong total_peak_bytes;
static atomic_llong requests_after_seal;
static atomic_llong fail_countdown;
static atomic_bool sealed;
static struct rlimit limit_before;
static bool limit_changed;

static int64_t page_bytes(void)
{
    return (int64_t)sysconf(_SC_PAGESIZE);
}

static void raise_peak(atomic_llong *peak, long long value)
{
    long long seen = atomic_load(peak);
    while (seen < value && !atomic_compare_exchange_weak(peak, &seen, value)) {
    }
}

static void account(snug_category category, int64_t bytes)
{
    const long long current = atomic_fetch_add(&current_bytes[category], bytes) + bytes;
    const long long total = atomic_fetch_add(&total_bytes, bytes) + bytes;
    SNUG_ASSERT(current >= 0);
    raise_peak(&peak_bytes[category], current);
    raise_peak(&total_peak_bytes, total);
}

/* True when this request is the one that a test wants to fail. */
static bool must_fail_now(void)
{
    long long left = atomic_load(&fail_countdown);
    while (left > 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) {
            return left == 1;
        }
    }
    return false;
}

/* Anonymous memory whose start allows huge pages when it is large enough to have any. */
static void *map_pages(int64_t bytes)
{
    const int prot = PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (bytes >= HEAP_HUGE_BYTES) {
        unsigned char *wide = mmap(NULL, (size_t)(bytes + HEAP_HUGE_BYTES), prot, flags, -1, 0);
        if (wide != MAP_FAILED) {
            const int64_t lead = (int64_t)(-(uintptr_t)wide & (uintptr_t)(HEAP_HUGE_BYTES - 1));
            if (lead > 0) {
                (void)munmap(wide, (size_t)lead);
            }
            if (lead < HEAP_HUGE_BYTES) {
                (void)munmap(wide + lead + bytes, (size_t)(HEAP_HUGE_BYTES - lead));
            }
            return wide + lead;
        }
        /* A tight address limit may still allow the plain request. */
    }
    return mmap(NULL, (size_t)bytes, prot, flags, -1, 0);
}

static bool populate_pages(unsigned char *memory, int64_t bytes)
{
    if (bytes >= HEAP_HUGE_BYTES) {
        (void)madvise(memory, (size_t)bytes, MADV_HUGEPAGE);
    }
    if (madvise(memory, (size_t)bytes, MADV_POPULATE_WRITE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    const int64_t step = page_bytes();
    for (int64_t i = 0; i < bytes; i += step) {
        *(volatile unsigned char *)(memory + i) = 0;
    }
    return true;
}

snug_status snug_heap_map(snug_category category, int64_t bytes, bool populate, void **out,
                          snug_error *err)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    SNUG_ASSERT((int)category >= 0 && (int)category < SNUG_CATEGORY_COUNT);
    SNUG_ASSERT(bytes > 0);
    if (atomic_load(&sealed)) {
        atomic_fetch_add(&requests_after_seal, 1);
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the heap is sealed: %s for %s refused",
                         snug_size_text(bytes, size),
                         snug_translated(snug_category_name(category)));
    }
    if (bytes > INT64_MAX - 2 * HEAP_HUGE_BYTES || must_fail_now()) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "the system has no %s for %s",
                         snug_size_text(bytes, size),
                         snug_translated(snug_category_name(category)));
    }
    const int64_t rounded = snug_align_up(bytes, page_bytes());
    unsigned char *memory = map_pages(rounded);
    if (memory == MAP_FAILED) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "the system has no %s for %s: %s",
                         snug_size_text(bytes, size), snug_translated(snug_category_name(category)),
                         snug_translated(strerror(errno)));
    }
    if (populate && !populate_pages(memory, rounded)) {
        const int reason = errno;
        (void)munmap(memory, (size_t)rounded);
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "the system has no pages for %s of %s: %s",
                         snug_size_text(bytes, size), snug_translated(snug_category_name(category)),
                         snug_translated(strerror(reason)));
    }
    account(category, rounded);
    *out = memory;
    return SNUG_OK;
}

void snug_heap_shrink(snug_category category, void *memory, int64_t old_bytes, int64_t new_bytes)
{
    const int64_t page = page_bytes();
    const int64_t before = snug_align_up(old_bytes, page), after = snug_align_up(new_bytes, page);
    SNUG_ASSERT(new_bytes > 0 && new_bytes <= old_bytes);
    if (after < before) {
        (void)munmap((unsigned char *)memory + after, (size_t)(before - after));
        account(category, after - before);
    }
}

void snug_heap_unmap(snug_category category, void *memory, int64_t bytes)
{
    SNUG_ASSERT((int)category >= 0 && (int)category < SNUG_CATEGORY_COUNT);
    if (memory == NULL) {
        return;
    }
    SNUG_ASSERT(bytes > 0);
    const int64_t rounded = snug_align_up(bytes, page_bytes());
    const int result = munmap(memory, (size_t)rounded);
    SNUG_ASSERT(result == 0);
    account(category, -rounded);
}

/* The context of a heap arena is a number: whole pages of block size, the category below them. */
static snug_status grow_arena(void *context, int64_t bytes, void **out_block,
                              int64_t *out_block_bytes, snug_error *err)
{
    const int64_t packed = (int64_t)(uintptr_t)context;
    const snug_category category = (snug_category)(packed & (page_bytes() - 1));
    const int64_t wanted = snug_max_i64(packed & ~(page_bytes() - 1), bytes);
    const int64_t rounded = snug_align_up(wanted, page_bytes());
    SNUG_TRY(snug_heap_map(category, rounded, false, out_block, err));
    *out_block_bytes = rounded;
    return SNUG_OK;
}

void snug_heap_arena_init(snug_arena *arena, const char *name, snug_category category,
                          int64_t block_bytes)
{
    SNUG_ASSERT(block_bytes > 0);
    const int64_t packed = snug_align_up(block_bytes, page_bytes()) | (int64_t)category;
    snug_arena_init_growing(arena, name, grow_arena, (void *)(uintptr_t)packed);
}

void snug_heap_arena_trim(snug_arena *arena, snug_category category)
{
    while (arena->block_count > arena->current + 1) {
        const int32_t last = --arena->block_count;
        snug_heap_unmap(category, arena->blocks[last].base, arena->blocks[last].bytes);
    }
}

void snug_heap_arena_deinit(snug_arena *arena, snug_category category)
{
    for (int32_t i = 0; i < arena->block_count; i++) {
        snug_heap_unmap(category, arena->blocks[i].base, arena->blocks[i].bytes);
    }
    *arena =
        (snug_arena){.name = arena->name, .grow = arena->grow, .grow_context = arena->grow_context};
}

void snug_heap_usage_read(snug_heap_usage *out)
{
    snug_heap_usage usage = {0};
    for (int i = 0; i < SNUG_CATEGORY_COUNT; i++) {
        usage.current_bytes[i] = atomic_load(&current_bytes[i]);
        usage.peak_bytes[i] = atomic_load(&peak_bytes[i]);
    }
    usage.total_peak_bytes = atomic_load(&total_peak_bytes);
    usage.requests_after_seal = atomic_load(&requests_after_seal);
    *out = usage;
}

snug_status snug_heap_seal(bool limit_process, int64_t slack_bytes, snug_error *err)
{
    SNUG_ASSERT(slack_bytes >= 0);
    SNUG_ASSERT(!atomic_load(&sealed));
    if (limit_process) {
        struct rlimit limit = {0};
        snug_process_memory process = {0};
        SNUG_TRY(snug_procfs_process("", 0, &process, err));
        if (process.data_bytes < 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the kernel does not tell VmData");
        }
        if (getrlimit(RLIMIT_DATA, &limit) != 0) {
            return SNUG_FAIL(err, SNUG_CODE_IO, "cannot read RLIMIT_DATA: %s",
                             snug_translated(strerror(errno)));
        }
        const rlim_t wanted = (rlim_t)process.data_bytes + (rlim_t)slack_bytes;
        if (limit.rlim_cur == RLIM_INFINITY || wanted < limit.rlim_cur) {
            const struct rlimit tight = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};
            if (setrlimit(RLIMIT_DATA, &tight) != 0) {
                return SNUG_FAIL(err, SNUG_CODE_IO, "cannot set RLIMIT_DATA: %s",
                                 snug_translated(strerror(errno)));
            }
            limit_before = limit;
            limit_changed = true;
        }
    }
    atomic_store(&requests_after_seal, 0);
    atomic_store(&sealed, true);
    return SNUG_OK;
}

void snug_heap_unseal(void)
{
    if (limit_changed) {
        const int result = setrlimit(RLIMIT_DATA, &limit_before);
        SNUG_ASSERT(result == 0);
        limit_changed = false;
    }
    atomic_store(&sealed, false);
}

bool snug_heap_sealed(void)
{
    return atomic_load(&sealed);
}

void snug_heap_fail_at(int64_t n)
{
    SNUG_ASSERT(n >= 0);
    atomic_store(&fail_countdown, n);
}

void snug_heap_tame_malloc(void)
{
    /* Setting a threshold also stops the library from moving it by itself. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, MALLOC_THRESHOLD_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MALLOC_THRESHOLD_BYTES);
    (void)mallopt(M_TOP_PAD, MALLOC_PAD_BYTES);
}

void snug_heap_trim_malloc(void)
{
    (void)malloc_trim(0);
}
