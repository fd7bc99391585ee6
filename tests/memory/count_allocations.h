/* Counts every request for memory of the whole process, libraries included, by standing in its way.
 */
#ifndef SNUG_TESTS_MEMORY_COUNT_ALLOCATIONS_H
#define SNUG_TESTS_MEMORY_COUNT_ALLOCATIONS_H

/*
 * Include it in one file of a test program. It defines malloc and its family, mmap, mremap, brk and
 * sbrk; a dynamic linker prefers the program's definitions, so libyaml, libdeflate, libc's stdio
 * and everybody else come through here. Calls that libc makes to itself below malloc are not seen,
 * but each of them serves a malloc that was. Free and munmap are not requests and are not counted.
 *
 *     count_allocations_begin();
 *     step();
 *     assert_int_equal(count_allocations_end().requests, 0);
 *
 * All threads are counted. With SNUG_TRAP_ALLOCATION=1 in the environment the first request inside
 * the counted part stops the program where it is made, for a debugger. Under a sanitizer, which has
 * an allocator of its own, count_allocations_work() is false and nothing is counted.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNT_ALLOCATIONS_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNT_ALLOCATIONS_OFF 1
#endif
#endif

typedef struct allocation_counts {
    int64_t requests;      /* Of any kind. */
    int64_t bytes;         /* Asked for in all. */
    int64_t system_calls;  /* Those that were mmap, mremap, brk or sbrk. */
    int64_t largest_bytes; /* Largest single request. */
} allocation_counts;

static atomic_bool counting;
static atomic_bool counting_traps;
static atomic_llong counted_requests;
static atomic_llong counted_bytes;
static atomic_llong counted_system_calls;
static atomic_llong counted_largest;

static inline bool count_allocations_work(void)
{
#if defined(COUNT_ALLOCATIONS_OFF)
    return false;
#else
    return true;
#endif
}

static inline void count_allocations_begin(void)
{
    const char *trap = getenv("SNUG_TRAP_ALLOCATION");
    atomic_store(&counting_traps, trap != NULL && trap[0] == '1');
    atomic_store(&counted_requests, 0);
    atomic_store(&counted_bytes, 0);
    atomic_store(&counted_system_calls, 0);
    atomic_store(&counted_largest, 0);
    atomic_store(&counting, true);
}

static inline allocation_counts count_allocations_end(void)
{
    atomic_store(&counting, false);
    return (allocation_counts){.requests = atomic_load(&counted_requests),
                               .bytes = atomic_load(&counted_bytes),
                               .system_calls = atomic_load(&counted_system_calls),
                               .largest_bytes = atomic_load(&counted_largest)};
}

#if !defined(COUNT_ALLOCATIONS_OFF)

static void count_request(size_t bytes, bool system_call)
{
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) {
        return;
    }
    if (atomic_load_explicit(&counting_traps, memory_order_relaxed)) {
        (void)raise(SIGTRAP);
    }
    atomic_fetch_add(&counted_requests, 1);
    atomic_fetch_add(&counted_bytes, (long long)bytes);
    atomic_fetch_add(&counted_system_calls, system_call ? 1 : 0);
    long long seen = atomic_load(&counted_largest);
    while (seen < (long long)bytes &&
           !atomic_compare_exchange_weak(&counted_largest, &seen, (long long)bytes)) {
    }
}

/* glibc's own names for what is replaced below; looking them up needs no dlsym, which allocates. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
extern void *__curbrk;

/* Tests are built with hidden symbols; these must be seen by the libraries. */
#define COUNTED __attribute__((visibility("default"), used))

COUNTED void *malloc(size_t bytes)
{
    count_request(bytes, false);
    return __libc_malloc(bytes);
}

COUNTED void *calloc(size_t count, size_t bytes)
{
    count_request(count * bytes, false);
    return __libc_calloc(count, bytes);
}

COUNTED void *realloc(void *memory, size_t bytes)
{
    count_request(bytes, false);
    return __libc_realloc(memory, bytes);
}

COUNTED void *aligned_alloc(size_t alignment, size_t bytes)
{
    count_request(bytes, false);
    return __libc_memalign(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes);
COUNTED void *memalign(size_t alignment, size_t bytes)
{
    count_request(bytes, false);
    return __libc_memalign(alignment, bytes);
}

COUNTED int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    count_request(bytes, false);
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) {
        return EINVAL;
    }
    void *memory = __libc_memalign(alignment, bytes);
    if (memory == NULL && bytes > 0) {
        return ENOMEM;
    }
    *out = memory;
    return 0;
}

COUNTED void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    count_request(bytes, true);
    const long result = syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
    return result == -1 ? MAP_FAILED : (void *)(uintptr_t)result;
}

COUNTED void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
    return mmap(address, bytes, protection, flags, fd, offset);
}

COUNTED void *mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...)
{
    count_request(new_bytes > old_bytes ? new_bytes - old_bytes : 0, true);
    /* With MREMAP_FIXED there is a fifth argument; nobody in these programs uses it. */
    const long result = syscall(SYS_mremap, address, old_bytes, new_bytes, flags, NULL);
    return result == -1 ? MAP_FAILED : (void *)(uintptr_t)result;
}

COUNTED int brk(void *end)
{
    count_request(0, true);
    __curbrk = (void *)(uintptr_t)syscall(SYS_brk, end);
    if ((uintptr_t)__curbrk < (uintptr_t)end) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

COUNTED void *sbrk(intptr_t change)
{
    count_request(change > 0 ? (size_t)change : 0, change != 0);
    if (__curbrk == NULL) {
        __curbrk = (void *)(uintptr_t)syscall(SYS_brk, 0);
    }
    unsigned char *before = __curbrk;
    if (change != 0) {
        unsigned char *wanted = before + change;
        if ((uintptr_t)syscall(SYS_brk, wanted) != (uintptr_t)wanted) {
            errno = ENOMEM;
            return (void *)-1;
        }
        __curbrk = wanted;
    }
    return before;
}

#endif
#endif
