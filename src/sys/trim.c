#include "sys/trim.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Segments that are never written hold nothing that the file does not. */
static int trim_object(struct dl_phdr_info *info, size_t bytes, void *context)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)bytes;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) {
            continue;
        }
        const uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        const uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_filesz;
        /* An address is a number here, and a pointer for this call. */
        (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void snug_trim_code(void)
{
    (void)dl_iterate_phdr(trim_object, NULL);
}
