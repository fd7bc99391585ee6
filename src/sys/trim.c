#include "sys/trim.h"

#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STRIPE_BYTES = 16 << 10, STRIPES_MAX = 1024 };

/* What is left to cut, and whether this is the first time. */
typedef struct trim_work {
    int64_t page_bytes;
    int64_t stripes_left;
    bool cut;
} trim_work;

/*
 * A page fault in a file brings in the pages around it that the cache has, 64 KiB at once, but
 * only those of the same mapping. Advice that differs from stripe to stripe makes each of them a
 * mapping of its own, some 200 bytes in the kernel, and a fault brings in no more than a stripe.
 */
static void cut_into_stripes(trim_work *work, uintptr_t start, uintptr_t end)
{
    bool odd = false;
    for (uintptr_t at = start; at < end && work->stripes_left > 0; at += STRIPE_BYTES) {
        const uintptr_t bytes = end - at < STRIPE_BYTES ? end - at : STRIPE_BYTES;
        if (odd) {
            /* An address is a number here, and a pointer for this call. */
            (void)madvise((void *)at, bytes, MADV_RANDOM);
        }
        odd = !odd;
        work->stripes_left--;
    }
}

/* Segments that are never written hold nothing that the file does not. */
static int trim_object(struct dl_phdr_info *info, size_t bytes, void *context)
{
    trim_work *work = context;
    const uintptr_t page = (uintptr_t)work->page_bytes;
    (void)bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) {
            continue;
        }
        const uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        const uintptr_t last = info->dlpi_addr + segment->p_vaddr + segment->p_filesz;
        const uintptr_t end = (last + page - 1) & ~(page - 1);
        if (work->cut) {
            cut_into_stripes(work, start, end);
        }
        (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void snug_trim_code(void)
{
    static atomic_flag cut_before = ATOMIC_FLAG_INIT;
    trim_work work = {.page_bytes = (int64_t)sysconf(_SC_PAGESIZE),
                      .stripes_left = STRIPES_MAX,
                      .cut = !atomic_flag_test_and_set(&cut_before)};
    (void)dl_iterate_phdr(trim_object, &work);
}
