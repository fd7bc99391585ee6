#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "sys/file.h"
#include "sys/file_inside.h"

/* Dirty pages count against a memory cgroup until they are written: never more than two parts. */
enum { DROP_BYTES = 8 << 20, PARTIAL_TRIES_MAX = 16 };

static const char partial_suffix[] = ".partial";

static snug_status partial_path(const char *path, char out[SNUG_PATH_BYTES], snug_error *err)
{
    const size_t length = strlen(path);
    if (length + sizeof partial_suffix > SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%.200s...' is too long", path);
    }
    memcpy(out, path, length);
    memcpy(out + length, partial_suffix, sizeof partial_suffix);
    return SNUG_OK;
}

/*
 * The partial name is always the same, so that a killed run leaves at most one of them and the next
 * one takes it over. Whoever holds its lock owns it; between open and lock the previous owner may
 * have renamed it to the real name, so the name is looked up once more.
 */
static snug_status open_partial(const char *partial, int *out_fd, snug_error *err)
{
    for (int i = 0; i < PARTIAL_TRIES_MAX; i++) {
        struct stat opened = {0};
        struct stat named = {0};
        bool busy = false;
        const int fd = snug_file_open_raw(partial, O_RDWR | O_CREAT | O_NOFOLLOW);
        if (fd < 0) {
            return snug_file_fail(err, "create", partial, errno);
        }
        /* A file system without locks still writes; it only cannot say "busy". */
        (void)snug_file_lock_raw(fd, &busy);
        if (busy) {
            (void)close(fd);
            return SNUG_FAIL(err, SNUG_CODE_BUSY, "'%s' is being written by another process",
                             partial);
        }
        if (fstat(fd, &opened) == 0 && stat(partial, &named) == 0 &&
            opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
            if (ftruncate(fd, 0) != 0) {
                const int reason = errno;
                (void)close(fd);
                return snug_file_fail(err, "cut", partial, reason);
            }
            *out_fd = fd;
            return SNUG_OK;
        }
        (void)close(fd);
    }
    return SNUG_FAIL(err, SNUG_CODE_BUSY, "'%s' is being written by other processes", partial);
}

snug_status snug_file_writer_open(const char *path, void *buffer, int64_t buffer_bytes,
                                  snug_file_writer *out, snug_error *err)
{
    char partial[SNUG_PATH_BYTES];
    int fd = -1;
    SNUG_ASSERT(buffer_bytes >= 1);
    SNUG_TRY(partial_path(path, partial, err));
    SNUG_TRY(open_partial(partial, &fd, err));
    *out = (snug_file_writer){
        .handle = fd + 1, .path = path, .buffer = buffer, .buffer_bytes = buffer_bytes};
    return SNUG_OK;
}

/* Sends full parts to the disk and forgets their pages; a failure shows again in the final sync. */
static void drop_written(snug_file_writer *writer)
{
    const int fd = writer->handle - 1;
    while (writer->written_bytes - writer->dropped_bytes >= DROP_BYTES) {
        const off_t from = (off_t)writer->dropped_bytes;
        (void)sync_file_range(fd, from, DROP_BYTES,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
        (void)posix_fadvise(fd, from, DROP_BYTES, POSIX_FADV_DONTNEED);
        writer->dropped_bytes += DROP_BYTES;
    }
}

/* In pieces: one call with a gigabyte would make a gigabyte of dirty pages before any is dropped.
 */
static snug_status write_out(snug_file_writer *writer, const unsigned char *data, int64_t bytes,
                             snug_error *err)
{
    while (bytes > 0) {
        const int64_t piece = snug_min_i64(bytes, DROP_BYTES);
        SNUG_TRY(snug_file_write_raw(writer->handle - 1, writer->path, writer->written_bytes, data,
                                     piece, err));
        writer->written_bytes += piece;
        data += piece;
        bytes -= piece;
        drop_written(writer);
    }
    return SNUG_OK;
}

static snug_status flush(snug_file_writer *writer, snug_error *err)
{
    SNUG_TRY(write_out(writer, writer->buffer, writer->buffered, err));
    writer->buffered = 0;
    return SNUG_OK;
}

snug_status snug_file_writer_add(snug_file_writer *writer, const void *data, int64_t bytes,
                                 snug_error *err)
{
    const unsigned char *from = data;
    SNUG_ASSERT(writer->handle > 0 && bytes >= 0);
    if (bytes > writer->buffer_bytes - writer->buffered) {
        SNUG_TRY(flush(writer, err));
    }
    if (bytes >= writer->buffer_bytes) {
        SNUG_TRY(write_out(writer, from, bytes, err));
        return SNUG_OK;
    }
    if (bytes > 0) {
        memcpy(writer->buffer + writer->buffered, from, (size_t)bytes);
        writer->buffered += bytes;
    }
    return SNUG_OK;
}

snug_status snug_file_writer_patch(snug_file_writer *writer, int64_t offset, const void *data,
                                   int64_t bytes, snug_error *err)
{
    SNUG_ASSERT(writer->handle > 0 && offset >= 0 && bytes >= 0);
    SNUG_ASSERT(bytes <= snug_file_writer_position(writer) - offset);
    SNUG_TRY(flush(writer, err));
    SNUG_TRY(snug_file_write_raw(writer->handle - 1, writer->path, offset, data, bytes, err));
    return SNUG_OK;
}

int64_t snug_file_writer_position(const snug_file_writer *writer)
{
    return writer->written_bytes + writer->buffered;
}

snug_status snug_file_writer_commit(snug_file_writer *writer, snug_error *err)
{
    snug_status status = SNUG_OK;
    char partial[SNUG_PATH_BYTES];
    SNUG_ASSERT(writer->handle > 0);
    const int fd = writer->handle - 1;
    SNUG_TRY_DONE(partial_path(writer->path, partial, err));
    SNUG_TRY_DONE(flush(writer, err));
    if (fsync(fd) != 0) {
        status = snug_file_fail(err, "sync", partial, errno);
        goto done;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (rename(partial, writer->path) != 0) {
        status = snug_file_fail(err, "rename to", writer->path, errno);
        goto done;
    }
    /* From here on the new file is in place; only its survival of a power cut is open. */
    status = snug_file_sync_above(writer->path, err);
    (void)close(fd);
    *writer = (snug_file_writer){0};
    return status;
done:
    snug_file_writer_abort(writer);
    return status;
}

void snug_file_writer_abort(snug_file_writer *writer)
{
    char partial[SNUG_PATH_BYTES];
    if (writer == NULL || writer->handle == 0) {
        return;
    }
    if (partial_path(writer->path, partial, NULL) == SNUG_OK) {
        (void)unlink(partial);
    }
    (void)close(writer->handle - 1);
    *writer = (snug_file_writer){0};
}

snug_status snug_file_write_all(const char *path, const void *data, int64_t bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file_writer writer = {0};
    unsigned char buffer[1];
    SNUG_TRY(snug_file_writer_open(path, buffer, sizeof buffer, &writer, err));
    SNUG_TRY_DONE(snug_file_writer_add(&writer, data, bytes, err));
    SNUG_TRY_DONE(snug_file_writer_commit(&writer, err));
done:
    snug_file_writer_abort(&writer);
    return status;
}
