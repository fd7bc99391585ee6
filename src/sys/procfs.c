#include "sys/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/text.h"
#include "sys/file_inside.h"

snug_status snug_lines_open(snug_line_reader *reader, const char *path, snug_error *err)
{
    reader->offset = 0;
    reader->used = 0;
    reader->at = 0;
    reader->skipping = false;
    reader->ended = false;
    SNUG_TRY(snug_file_open(path, &reader->file, err));
    return SNUG_OK;
}

static snug_status fill(snug_line_reader *reader, snug_error *err)
{
    int64_t got = 0;
    memmove(reader->block, reader->block + reader->at, (size_t)(reader->used - reader->at));
    reader->used -= reader->at;
    reader->at = 0;
    /* One byte stays free for the zero of a last line without a newline. */
    const int64_t room = (int64_t)sizeof reader->block - 1 - reader->used;
    SNUG_TRY(snug_file_read_some(&reader->file, reader->offset, reader->block + reader->used, room,
                                 &got, err));
    reader->offset += got;
    reader->used += got;
    reader->ended = got < room;
    return SNUG_OK;
}

snug_status snug_lines_next(snug_line_reader *reader, char **out_line, snug_error *err)
{
    for (;;) {
        char *start = reader->block + reader->at;
        const int64_t left = reader->used - reader->at;
        char *end = left > 0 ? memchr(start, '\n', (size_t)left) : NULL;
        if (end != NULL || (reader->ended && left > 0)) {
            const int64_t length = end != NULL ? end - start : left;
            const bool whole = !reader->skipping;
            start[length] = '\0';
            reader->at += snug_min_i64(length + 1, left);
            reader->skipping = false;
            if (whole) {
                *out_line = start;
                return SNUG_OK;
            }
            continue;
        }
        if (reader->ended) {
            *out_line = NULL;
            return SNUG_OK;
        }
        if (left >= (int64_t)sizeof reader->block - 1) {
            reader->at = reader->used;
            reader->skipping = true;
        }
        SNUG_TRY(fill(reader, err));
    }
}

void snug_lines_close(snug_line_reader *reader)
{
    snug_file_close(&reader->file);
}

bool snug_procfs_number(const char *text, int64_t *out)
{
    int64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (!snug_mul_i64(value, 10, &value) || !snug_add_i64(value, *at - '0', &value)) {
            return false;
        }
    }
    if (at == text) {
        return false;
    }
    *out = value;
    return true;
}

/* One "Key:  123 kB" that is wanted, and where its bytes go. */
typedef struct wanted_field {
    const char *key;
    int64_t *out;
} wanted_field;

static void take_field(const char *line, const wanted_field *fields, int64_t count)
{
    const char *colon = strchr(line, ':');
    if (colon == NULL) {
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        const size_t length = strlen(fields[i].key);
        if (length != (size_t)(colon - line) || memcmp(line, fields[i].key, length) != 0) {
            continue;
        }
        const char *digits = colon + 1 + strspn(colon + 1, " \t");
        int64_t value = 0;
        int64_t bytes = 0;
        if (snug_procfs_number(digits, &value) && snug_mul_i64(value, 1024, &bytes)) {
            *fields[i].out = bytes;
        }
    }
}

static snug_status read_fields(const char *path, const wanted_field *fields, int64_t count,
                               snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_line_reader reader;
    char *line = NULL;
    SNUG_TRY(snug_lines_open(&reader, path, err));
    for (;;) {
        SNUG_TRY_DONE(snug_lines_next(&reader, &line, err));
        if (line == NULL) {
            break;
        }
        take_field(line, fields, count);
    }
done:
    snug_lines_close(&reader);
    return status;
}

snug_status snug_procfs_process(const char *root, int64_t pid, snug_process_memory *out,
                                snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    snug_text text;
    snug_process_memory memory = {-1, -1, -1, -1, -1, -1, -1, -1, -1};
    const wanted_field fields[] = {
        {"VmRSS", &memory.resident_bytes},    {"VmHWM", &memory.resident_peak_bytes},
        {"RssAnon", &memory.anonymous_bytes}, {"RssFile", &memory.file_bytes},
        {"RssShmem", &memory.shared_bytes},   {"VmData", &memory.data_bytes},
        {"VmSize", &memory.address_bytes},    {"VmPTE", &memory.page_table_bytes},
        {"VmSwap", &memory.swap_bytes},
    };
    snug_text_init(&text, path, sizeof path);
    if (pid == 0) {
        snug_text_add(&text, "%s/proc/self/status", root);
    } else {
        snug_text_add(&text, "%s/proc/%lld/status", root, (long long)pid);
    }
    SNUG_TRY(read_fields(path, fields, SNUG_COUNT(fields), err));
    if (memory.resident_bytes < 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'%s' has no VmRSS", path);
    }
    *out = memory;
    return SNUG_OK;
}

snug_status snug_procfs_reset_peak(snug_error *err)
{
    static const char path[] = "/proc/self/clear_refs";
    const int fd = snug_file_open_raw(path, O_WRONLY);
    if (fd < 0) {
        return snug_file_fail(err, "open", path, errno);
    }
    const ssize_t done = write(fd, "5", 1);
    const int reason = errno;
    (void)close(fd);
    if (done != 1) {
        return snug_file_fail(err, "write", path, reason);
    }
    return SNUG_OK;
}

snug_status snug_procfs_machine(const char *root, snug_machine_memory *out, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    snug_text text;
    snug_machine_memory memory = {-1, -1, -1, -1, -1, -1};
    int64_t buffers = 0;
    int64_t shared = 0;
    const wanted_field fields[] = {
        {"MemTotal", &memory.total_bytes},
        {"MemFree", &memory.free_bytes},
        {"MemAvailable", &memory.available_bytes},
        {"Cached", &memory.cached_bytes},
        {"SwapTotal", &memory.swap_total_bytes},
        {"SwapFree", &memory.swap_free_bytes},
        {"Buffers", &buffers},
        {"Shmem", &shared},
    };
    snug_text_init(&text, path, sizeof path);
    snug_text_add(&text, "%s/proc/meminfo", root);
    SNUG_TRY(read_fields(path, fields, SNUG_COUNT(fields), err));
    if (memory.total_bytes < 0 || memory.free_bytes < 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'%s' has no MemTotal or MemFree", path);
    }
    if (memory.available_bytes < 0) {
        /* Before Linux 3.14. Shared memory is counted as cache and cannot be dropped. */
        const int64_t cache = snug_max_i64(memory.cached_bytes, 0) + buffers - shared;
        memory.available_bytes = memory.free_bytes + snug_max_i64(cache, 0);
    }
    *out = memory;
    return SNUG_OK;
}
