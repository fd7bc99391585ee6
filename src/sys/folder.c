#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/file_inside.h"

/*
 * Entries are read with the system call itself: opendir() takes 32 KiB from malloc, and checkpoints
 * are pruned after the seal.
 */
typedef struct folder_reader {
    int fd;
    long got;
    long at;
    _Alignas(8) char block[4096];
} folder_reader;

static snug_status reader_open(const char *path, folder_reader *reader, snug_error *err)
{
    reader->fd = snug_file_open_raw(path, O_RDONLY | O_DIRECTORY);
    reader->got = 0;
    reader->at = 0;
    if (reader->fd < 0) {
        return snug_file_fail(err, "open folder", path, errno);
    }
    return SNUG_OK;
}

/* The next entry that is not "." or "..", or NULL at the end or (with *out_reason set) on failure.
 */
static const struct dirent64 *reader_next(folder_reader *reader, int *out_reason)
{
    *out_reason = 0;
    for (;;) {
        if (reader->at >= reader->got) {
            reader->got = syscall(SYS_getdents64, reader->fd, reader->block, sizeof reader->block);
            reader->at = 0;
            if (reader->got <= 0) {
                *out_reason = reader->got < 0 ? errno : 0;
                return NULL;
            }
        }
        const void *place = reader->block + reader->at;
        const struct dirent64 *entry = place;
        reader->at += entry->d_reclen;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return entry;
        }
    }
}

static snug_path_kind entry_kind(int folder_fd, const struct dirent64 *entry, bool follow)
{
    struct stat facts = {0};
    if (entry->d_type == DT_DIR) {
        return SNUG_PATH_FOLDER;
    }
    if (entry->d_type == DT_REG) {
        return SNUG_PATH_FILE;
    }
    if (fstatat(folder_fd, entry->d_name, &facts, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        return SNUG_PATH_OTHER;
    }
    if (S_ISDIR(facts.st_mode)) {
        return SNUG_PATH_FOLDER;
    }
    return S_ISREG(facts.st_mode) ? SNUG_PATH_FILE : SNUG_PATH_OTHER;
}

static snug_status make_one(const char *path, snug_error *err)
{
    if (mkdir(path, 0777) == 0) {
        return SNUG_OK;
    }
    const int reason = errno;
    if (reason == EEXIST && snug_path_look(path) != SNUG_PATH_FOLDER) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot make folder '%s': a file is in the way", path);
    }
    if (reason != EEXIST) {
        return snug_file_fail(err, "make folder", path, reason);
    }
    return SNUG_OK;
}

snug_status snug_folder_make(const char *path, snug_error *err)
{
    char part[SNUG_PATH_BYTES];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot make folder '%.200s': %s", path,
                         length == 0 ? "the name is empty" : "the path is too long");
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (part[i] == '/' && part[i - 1] != '/') {
            part[i] = '\0';
            /* Only what is missing is made: a parent may be there without being writable. */
            if (snug_path_look(part) != SNUG_PATH_FOLDER) {
                SNUG_TRY(make_one(part, err));
            }
            part[i] = '/';
        }
    }
    SNUG_TRY(make_one(path, err));
    return SNUG_OK;
}

static void sift_down(snug_folder_entry *entries, int64_t root, int64_t count)
{
    for (;;) {
        int64_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && strcmp(entries[child].name, entries[child + 1].name) < 0) {
            child++;
        }
        if (strcmp(entries[root].name, entries[child].name) >= 0) {
            return;
        }
        const snug_folder_entry swap = entries[root];
        entries[root] = entries[child];
        entries[child] = swap;
        root = child;
    }
}

/* Heap sort: the C library's qsort may allocate. */
static void sort_entries(snug_folder_entry *entries, int64_t count)
{
    for (int64_t i = count / 2 - 1; i >= 0; i--) {
        sift_down(entries, i, count);
    }
    for (int64_t i = count - 1; i > 0; i--) {
        const snug_folder_entry swap = entries[0];
        entries[0] = entries[i];
        entries[i] = swap;
        sift_down(entries, 0, i);
    }
}

static snug_status measure_folder(const char *path, int64_t *out_count, int64_t *out_name_bytes,
                                  snug_error *err)
{
    folder_reader reader;
    int reason = 0;
    int64_t count = 0;
    int64_t name_bytes = 0;
    SNUG_TRY(reader_open(path, &reader, err));
    for (const struct dirent64 *entry = reader_next(&reader, &reason); entry != NULL;
         entry = reader_next(&reader, &reason)) {
        count++;
        name_bytes += (int64_t)strlen(entry->d_name) + 1;
    }
    (void)close(reader.fd);
    if (reason != 0) {
        return snug_file_fail(err, "read folder", path, reason);
    }
    if (count > SNUG_FILES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "folder '%s' has more than %d entries", path,
                         SNUG_FILES_MAX);
    }
    *out_count = count;
    *out_name_bytes = name_bytes;
    return SNUG_OK;
}

snug_status snug_folder_list(const char *path, snug_arena *arena, const snug_folder_entry **out,
                             int64_t *out_count, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    folder_reader reader = {.fd = -1};
    void *memory = NULL;
    void *names = NULL;
    int reason = 0;
    int64_t count_max = 0;
    int64_t name_bytes = 0;
    int64_t count = 0;
    int64_t used = 0;
    SNUG_TRY(measure_folder(path, &count_max, &name_bytes, err));
    SNUG_TRY_DONE(
        snug_arena_array(arena, count_max, (int64_t)sizeof(snug_folder_entry), &memory, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, name_bytes, &names, err));
    snug_folder_entry *entries = memory;
    SNUG_TRY_DONE(reader_open(path, &reader, err));
    for (const struct dirent64 *entry = reader_next(&reader, &reason); entry != NULL;
         entry = reader_next(&reader, &reason)) {
        const int64_t length = (int64_t)strlen(entry->d_name) + 1;
        if (count == count_max || used + length > name_bytes) {
            /* Somebody adds files while we look: what was there at first is enough. */
            break;
        }
        char *name = (char *)names + used;
        memcpy(name, entry->d_name, (size_t)length);
        used += length;
        entries[count++] =
            (snug_folder_entry){.name = name, .kind = entry_kind(reader.fd, entry, true)};
    }
    if (reason != 0) {
        status = snug_file_fail(err, "read folder", path, reason);
        goto done;
    }
    sort_entries(entries, count);
    *out = entries;
    *out_count = count;
done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    if (reader.fd >= 0) {
        (void)close(reader.fd);
    }
    return status;
}

/* Removes the files of one folder; stops at the first sub-folder and gives its name. */
static snug_status clear_files(const char *path, char out_folder[256], bool *out_found,
                               snug_error *err)
{
    snug_status status = SNUG_OK;
    folder_reader reader;
    int reason = 0;
    *out_found = false;
    SNUG_TRY(reader_open(path, &reader, err));
    while (!*out_found) {
        const struct dirent64 *entry = reader_next(&reader, &reason);
        if (entry == NULL) {
            break;
        }
        if (entry_kind(reader.fd, entry, false) == SNUG_PATH_FOLDER) {
            (void)snprintf(out_folder, 256, "%s", entry->d_name);
            *out_found = true;
        } else if (unlinkat(reader.fd, entry->d_name, 0) != 0 && errno != ENOENT) {
            status = snug_file_fail(err, "remove a file in", path, errno);
            goto done;
        }
    }
    if (reason != 0) {
        status = snug_file_fail(err, "read folder", path, reason);
    }
done:
    (void)close(reader.fd);
    return status;
}

snug_status snug_folder_remove(const char *path, snug_error *err)
{
    char at[SNUG_PATH_BYTES];
    struct stat facts = {0};
    const size_t root_length = strlen(path);
    if (lstat(path, &facts) != 0) {
        return errno == ENOENT ? SNUG_OK : snug_file_fail(err, "remove", path, errno);
    }
    if (!S_ISDIR(facts.st_mode)) {
        SNUG_TRY(snug_file_remove(path, err));
        return SNUG_OK;
    }
    SNUG_TRY(snug_path_join("", path, at, err));
    /* Down to a folder without folders, remove it, up to its parent, look again. */
    for (;;) {
        char child[256];
        bool found = false;
        SNUG_TRY(clear_files(at, child, &found, err));
        if (found) {
            SNUG_TRY(snug_path_join(at, child, at, err));
            continue;
        }
        if (rmdir(at) != 0 && errno != ENOENT) {
            return snug_file_fail(err, "remove folder", at, errno);
        }
        if (strlen(at) <= root_length) {
            return SNUG_OK;
        }
        char *slash = strrchr(at, '/');
        SNUG_ASSERT(slash != NULL);
        *slash = '\0';
        if (strlen(at) < root_length) {
            /* The root was written with a slash at its end. */
            SNUG_TRY(snug_path_join("", path, at, err));
        }
    }
}

snug_status snug_file_sync_above(const char *path, snug_error *err)
{
    char folder[SNUG_PATH_BYTES];
    size_t length = strlen(path);
    if (length >= sizeof folder) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%.200s...' is too long", path);
    }
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    while (length > 0 && path[length - 1] != '/') {
        length--;
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    SNUG_TRY(snug_folder_sync(length > 0 ? folder : ".", err));
    return SNUG_OK;
}

snug_status snug_folder_replace(const char *from, const char *to, snug_error *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) {
        SNUG_TRY(snug_file_sync_above(to, err));
        SNUG_TRY(snug_folder_remove(from, err));
        return SNUG_OK;
    }
    if (errno != ENOENT && errno != EINVAL && errno != ENOSYS) {
        return snug_file_fail(err, "replace", to, errno);
    }
    /* Nothing to exchange with, or a file system that cannot: the old one goes first. */
    SNUG_TRY(snug_folder_remove(to, err));
    if (rename(from, to) != 0) {
        return snug_file_fail(err, "rename to", to, errno);
    }
    SNUG_TRY(snug_file_sync_above(to, err));
    return SNUG_OK;
}

snug_status snug_folder_sync(const char *path, snug_error *err)
{
    const int fd = snug_file_open_raw(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return snug_file_fail(err, "open folder", path, errno);
    }
    const int result = fsync(fd);
    const int reason = errno;
    (void)close(fd);
    /* Some file systems cannot sync a folder and need not. */
    if (result != 0 && reason != EINVAL && reason != ENOTSUP) {
        return snug_file_fail(err, "sync folder", path, reason);
    }
    return SNUG_OK;
}

snug_status snug_disk_free(const char *path, int64_t *out_bytes, snug_error *err)
{
    struct statvfs facts = {0};
    int64_t bytes = 0;
    if (statvfs(path, &facts) != 0) {
        return snug_file_fail(err, "ask for free space of", path, errno);
    }
    if (!snug_mul_i64((int64_t)facts.f_bavail, (int64_t)facts.f_frsize, &bytes)) {
        bytes = INT64_MAX;
    }
    *out_bytes = bytes;
    return SNUG_OK;
}

bool snug_cache_path(const char *name, char out[SNUG_PATH_BYTES])
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    const bool own = cache != NULL && cache[0] == '/';
    snug_text text;
    if (!own && (home == NULL || home[0] != '/')) {
        return false;
    }
    snug_text_init(&text, out, SNUG_PATH_BYTES);
    snug_text_add(&text, "%s%s/snug/%s", own ? cache : home, own ? "" : "/.cache", name);
    return !text.truncated;
}
