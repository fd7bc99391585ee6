#include "sys/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/file_inside.h"
#include "sys/procfs.h"

static snug_look look_of(int reason)
{
    switch (reason) {
    case ENOENT:
    case ESRCH:
    case ENOTDIR:
    case ENODEV:
        return SNUG_LOOK_GONE;
    case EACCES:
    case EPERM:
        return SNUG_LOOK_DENIED;
    default:
        return SNUG_LOOK_FAILED;
    }
}

const char *snug_look_words(snug_look look)
{
    static const char *const words[] = {"", "no such file", "permission denied", "cannot be read"};
    return words[look];
}

snug_look snug_kept_open(const char *path, snug_kept *out)
{
    const int fd = snug_file_open_raw(path, O_RDONLY);
    if (fd < 0) {
        return look_of(errno);
    }
    out->handle = fd + 1;
    return SNUG_LOOK_OK;
}

void snug_kept_close(snug_kept *kept)
{
    if (kept->handle != 0) {
        (void)close(kept->handle - 1);
        kept->handle = 0;
    }
}

snug_look snug_kept_read(const snug_kept *kept, char *buffer, int64_t capacity, int64_t *out_bytes)
{
    ssize_t got = 0;
    SNUG_ASSERT(kept->handle != 0);
    SNUG_ASSERT(capacity >= 2);
    do {
        got = pread(kept->handle - 1, buffer, (size_t)(capacity - 1), 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return look_of(errno);
    }
    buffer[got] = '\0';
    *out_bytes = got;
    return SNUG_LOOK_OK;
}

snug_look snug_look_read(const char *path, char *buffer, int64_t capacity, int64_t *out_bytes)
{
    snug_kept kept = {0};
    snug_look look = snug_kept_open(path, &kept);
    if (look == SNUG_LOOK_OK) {
        look = snug_kept_read(&kept, buffer, capacity, out_bytes);
    }
    snug_kept_close(&kept);
    return look;
}

/* One entry of the kernel's own form; the C library's readdir() would allocate. */
typedef struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t bytes;
    uint8_t type;
    char name[];
} kernel_entry;

snug_look snug_look_numbers(const char *path, int64_t *out, int64_t capacity, int64_t *out_count)
{
    alignas(kernel_entry) char block[4096];
    snug_look look = SNUG_LOOK_OK;
    int64_t count = 0;
    const int fd = snug_file_open_raw(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return look_of(errno);
    }
    for (;;) {
        const long got = syscall(SYS_getdents64, fd, block, sizeof block);
        if (got < 0) {
            look = look_of(errno);
        }
        if (got <= 0) {
            break;
        }
        for (long at = 0; at < got;) {
            const kernel_entry *entry = (const kernel_entry *)(const void *)(block + at);
            int64_t number = 0;
            if (count < capacity && snug_procfs_number(entry->name, &number)) {
                out[count++] = number;
            }
            at += entry->bytes;
        }
    }
    (void)close(fd);
    if (look == SNUG_LOOK_OK) {
        *out_count = count;
    }
    return look;
}

int64_t snug_process_id(void)
{
    return getpid();
}

int64_t snug_process_ticks(void)
{
    const long ticks = sysconf(_SC_CLK_TCK);
    return ticks > 0 ? ticks : 100;
}

int64_t snug_process_page_bytes(void)
{
    const long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? bytes : 4096;
}
