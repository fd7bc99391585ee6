#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/translate.h"
#include "sys/file_inside.h"

/* One system call moves at most 2 GiB; a rounder figure keeps signals responsive. */
enum { TRANSFER_BYTES_MAX = 256 << 20 };

snug_status snug_file_fail(snug_error *err, const char *action, const char *path, int reason)
{
    const bool full = reason == ENOSPC || reason == EDQUOT;
    return SNUG_FAIL(err, full ? SNUG_CODE_FULL : SNUG_CODE_IO, "cannot %s '%s': %s",
                     snug_translated(action), path, snug_translated(strerror(reason)));
}

int snug_file_open_raw(const char *path, int flags)
{
    int fd = -1;
    do {
        fd = open(path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

snug_status snug_file_write_raw(int fd, const char *path, int64_t offset, const void *data,
                                int64_t bytes, snug_error *err)
{
    const unsigned char *from = data;
    while (bytes > 0) {
        const size_t want = (size_t)snug_min_i64(bytes, TRANSFER_BYTES_MAX);
        const ssize_t done =
            offset < 0 ? write(fd, from, want) : pwrite(fd, from, want, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return snug_file_fail(err, "write", path, done < 0 ? errno : EIO);
        }
        from += done;
        bytes -= done;
        offset = offset < 0 ? offset : offset + done;
    }
    return SNUG_OK;
}

/* Says errno, which close() may change. */
static snug_status close_and_fail(int fd, const char *verb, const char *path, snug_error *err)
{
    const int reason = errno;
    (void)close(fd);
    return snug_file_fail(err, verb, path, reason);
}

snug_status snug_file_open(const char *path, snug_file *out, snug_error *err)
{
    struct stat facts = {0};
    /* Without blocking: opening a pipe that nobody writes would wait for ever. */
    const int fd = snug_file_open_raw(path, O_RDONLY | O_NONBLOCK);
    if (fd < 0) {
        return snug_file_fail(err, "open", path, errno);
    }
    if (fstat(fd, &facts) != 0) {
        return close_and_fail(fd, "open", path, err);
    }
    if (S_ISDIR(facts.st_mode) || S_ISFIFO(facts.st_mode) || S_ISSOCK(facts.st_mode)) {
        (void)close(fd);
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot open '%s': it is %s, not a file", path,
                         S_ISDIR(facts.st_mode) ? "a folder" : "a pipe or socket");
    }
    *out = (snug_file){.handle = fd + 1,
                       .path = path,
                       .bytes = (int64_t)facts.st_size,
                       .modified_ns = (int64_t)facts.st_mtim.tv_sec * 1000000000 +
                                      (int64_t)facts.st_mtim.tv_nsec};
    return SNUG_OK;
}

snug_status snug_file_open_stream(const char *path, snug_file *out, snug_error *err)
{
    struct stat facts = {0};
    /* A copy of standard input: closing it leaves the process its own. */
    const int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                          : snug_file_open_raw(path, O_RDONLY | O_NOCTTY);
    if (fd < 0) {
        return snug_file_fail(err, "open", path, errno);
    }
    if (fstat(fd, &facts) != 0) {
        return close_and_fail(fd, "open", path, err);
    }
    if (S_ISDIR(facts.st_mode)) {
        (void)close(fd);
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot open '%s': it is a folder, not a file", path);
    }
    *out = (snug_file){.handle = fd + 1, .path = path};
    return SNUG_OK;
}

snug_status snug_file_read_next(const snug_file *file, void *out, int64_t bytes, int64_t *out_bytes,
                                snug_error *err)
{
    const size_t want = (size_t)snug_min_i64(bytes, TRANSFER_BYTES_MAX);
    ssize_t got = -1;
    SNUG_ASSERT(file->handle > 0 && bytes >= 0);
    do {
        got = read(file->handle - 1, out, want);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return snug_file_fail(err, "read", file->path, errno);
    }
    *out_bytes = got;
    return SNUG_OK;
}

snug_status snug_file_open_append(const char *path, snug_file *out, snug_error *err)
{
    struct stat facts = {0};
    const int fd = snug_file_open_raw(path, O_RDWR | O_APPEND | O_CREAT | O_NOCTTY);
    if (fd < 0) {
        return snug_file_fail(err, "open", path, errno);
    }
    if (fstat(fd, &facts) != 0) {
        return close_and_fail(fd, "open", path, err);
    }
    *out = (snug_file){.handle = fd + 1, .path = path, .bytes = (int64_t)facts.st_size};
    return SNUG_OK;
}

void snug_file_close(snug_file *file)
{
    if (file != NULL && file->handle > 0) {
        (void)close(file->handle - 1);
        *file = (snug_file){0};
    }
}

snug_status snug_file_read_some(const snug_file *file, int64_t offset, void *out, int64_t bytes,
                                int64_t *out_bytes, snug_error *err)
{
    unsigned char *to = out;
    int64_t total = 0;
    SNUG_ASSERT(file->handle > 0 && offset >= 0 && bytes >= 0);
    while (total < bytes) {
        const size_t want = (size_t)snug_min_i64(bytes - total, TRANSFER_BYTES_MAX);
        const ssize_t done = pread(file->handle - 1, to + total, want, (off_t)(offset + total));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return snug_file_fail(err, "read", file->path, errno);
        }
        if (done == 0) {
            break;
        }
        total += done;
    }
    *out_bytes = total;
    return SNUG_OK;
}

snug_status snug_file_read_at(const snug_file *file, int64_t offset, void *out, int64_t bytes,
                              snug_error *err)
{
    int64_t got = 0;
    SNUG_TRY(snug_file_read_some(file, offset, out, bytes, &got, err));
    if (got != bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "'%s' ends at byte %lld; %lld bytes at %lld should be there", file->path,
                         (long long)(offset + got), (long long)bytes, (long long)offset);
    }
    return SNUG_OK;
}

snug_status snug_file_append(snug_file *file, const void *data, int64_t bytes, snug_error *err)
{
    SNUG_ASSERT(file->handle > 0 && bytes >= 0);
    SNUG_TRY(snug_file_write_raw(file->handle - 1, file->path, -1, data, bytes, err));
    file->bytes += bytes;
    return SNUG_OK;
}

snug_status snug_file_truncate(snug_file *file, int64_t bytes, snug_error *err)
{
    SNUG_ASSERT(file->handle > 0 && bytes >= 0);
    if (ftruncate(file->handle - 1, (off_t)bytes) != 0) {
        return snug_file_fail(err, "cut", file->path, errno);
    }
    file->bytes = bytes;
    return SNUG_OK;
}

snug_status snug_file_sync(const snug_file *file, snug_error *err)
{
    SNUG_ASSERT(file->handle > 0);
    if (fsync(file->handle - 1) != 0) {
        return snug_file_fail(err, "sync", file->path, errno);
    }
    return SNUG_OK;
}

void snug_file_drop_cache(const snug_file *file, int64_t offset, int64_t bytes)
{
    SNUG_ASSERT(file->handle > 0);
    (void)posix_fadvise(file->handle - 1, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

snug_status snug_file_read_all(const char *path, int64_t bytes_max, snug_arena *arena,
                               const char **out_data, int64_t *out_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_file file = {0};
    void *memory = NULL;
    SNUG_TRY(snug_file_open(path, &file, err));
    if (file.bytes > bytes_max) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "'%s' has %lld bytes; the limit is %lld", path,
                       (long long)file.bytes, (long long)bytes_max);
    }
    SNUG_TRY_DONE(snug_arena_alloc(arena, file.bytes + 1, &memory, err));
    SNUG_TRY_DONE(snug_file_read_at(&file, 0, memory, file.bytes, err));
    *out_data = memory;
    *out_bytes = file.bytes;
done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    snug_file_close(&file);
    return status;
}

snug_status snug_file_read_into(const char *path, char *buffer, int64_t capacity,
                                int64_t *out_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    int64_t got = 0;
    SNUG_ASSERT(capacity >= 1);
    SNUG_TRY(snug_file_open(path, &file, err));
    SNUG_TRY_DONE(snug_file_read_some(&file, 0, buffer, capacity, &got, err));
    if (got == capacity) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "'%s' has more than %lld bytes", path,
                       (long long)(capacity - 1));
    }
    buffer[got] = '\0';
    *out_bytes = got;
done:
    snug_file_close(&file);
    return status;
}

snug_status snug_file_remove(const char *path, snug_error *err)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return snug_file_fail(err, "remove", path, errno);
    }
    return SNUG_OK;
}

snug_path_kind snug_path_look(const char *path)
{
    struct stat facts = {0};
    if (stat(path, &facts) != 0) {
        return SNUG_PATH_NONE;
    }
    if (S_ISDIR(facts.st_mode)) {
        return SNUG_PATH_FOLDER;
    }
    return S_ISREG(facts.st_mode) ? SNUG_PATH_FILE : SNUG_PATH_OTHER;
}

snug_status snug_path_join(const char *folder, const char *name, char out[SNUG_PATH_BYTES],
                           snug_error *err)
{
    const size_t folder_bytes = strlen(folder);
    const size_t name_bytes = strlen(name);
    const bool slash = folder_bytes > 0 && folder[folder_bytes - 1] != '/';
    if (folder_bytes + name_bytes + 2 > SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%.200s.../%.200s' is too long", folder,
                         name);
    }
    /* `out` may be `folder` itself: only what follows is written last. */
    memmove(out, folder, folder_bytes);
    if (slash) {
        out[folder_bytes] = '/';
    }
    memcpy(out + folder_bytes + (slash ? 1 : 0), name, name_bytes + 1);
    return SNUG_OK;
}

const char *snug_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

snug_status snug_lock_acquire(const char *path, snug_lock *out, snug_error *err)
{
    const int fd = snug_file_open_raw(path, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (fd < 0) {
        return snug_file_fail(err, "lock", path, errno);
    }
    bool busy = false;
    const int reason = snug_file_lock_raw(fd, &busy);
    if (reason != 0 || busy) {
        char holder[32] = {0};
        const ssize_t got = pread(fd, holder, sizeof holder - 1, 0);
        holder[strcspn(holder, "\n")] = '\0';
        (void)close(fd);
        if (!busy) {
            return snug_file_fail(err, "lock", path, reason);
        }
        return SNUG_FAIL(err, SNUG_CODE_BUSY, "'%s' is locked by another process%s%s", path,
                         got > 0 ? ", pid " : "", holder);
    }
    /* For the message of whoever comes second; the lock itself is the kernel's. */
    char pid[32];
    snug_text text;
    snug_text_init(&text, pid, sizeof pid);
    snug_text_add(&text, "%lld\n", (long long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)text.length, 0) != text.length) {
        return close_and_fail(fd, "write", path, err);
    }
    *out = (snug_lock){.handle = fd + 1};
    return SNUG_OK;
}

void snug_lock_release(snug_lock *lock)
{
    if (lock != NULL && lock->handle > 0) {
        (void)close(lock->handle - 1);
        *lock = (snug_lock){0};
    }
}

int snug_file_lock_raw(int fd, bool *out_busy)
{
    /* Bound to the open file, not to the process: two opens in one process exclude each other. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result = -1;
    *out_busy = false;
    do {
        result = fcntl(fd, F_OFD_SETLK, &whole);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return 0;
    }
    *out_busy = errno == EAGAIN || errno == EACCES;
    return *out_busy ? 0 : errno;
}
