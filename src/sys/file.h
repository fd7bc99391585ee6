/* Files and folders: exact reads, writes that appear whole or not at all, locks, free space. */
#ifndef SNUG_SYS_FILE_H
#define SNUG_SYS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"

/*
 * Errors of this module: SNUG_CODE_IO with the path and the system's reason, SNUG_CODE_FULL when
 * the disk or quota is full. Nothing here allocates, except into the caller's arena. Paths in
 * structs are borrowed until the close. All zeros is a closed file.
 */

/** A file open for reading or appending. Reads at a place may come from several threads at once. */
typedef struct snug_file {
    int handle;       /* File descriptor + 1; 0 is closed. */
    const char *path; /* Borrowed. */
    int64_t bytes;    /* Size at the open. */
    int64_t
        modified_ns; /* Time of the last change at the open, for reading; compare, do not print. */
} snug_file;

/** Opens for reading; a folder, pipe or socket is SNUG_CODE_IO. */
SNUG_MUST_CHECK snug_status snug_file_open(const char *path, snug_file *out, snug_error *err);
/**
 * Opens what can only be read forward, by snug_file_read_next alone: "-" is standard input; a pipe
 * waits for its writer. A folder is SNUG_CODE_IO.
 */
SNUG_MUST_CHECK snug_status snug_file_open_stream(const char *path, snug_file *out,
                                                  snug_error *err);
/** Opens for appending and makes the file when there is none. */
SNUG_MUST_CHECK snug_status snug_file_open_append(const char *path, snug_file *out,
                                                  snug_error *err);
/** Closes; NULL and a closed file are allowed. */
void snug_file_close(snug_file *file);

/** Reads exactly `bytes` at `offset`; SNUG_CODE_FORMAT when the file ends before. */
SNUG_MUST_CHECK snug_status snug_file_read_at(const snug_file *file, int64_t offset, void *out,
                                              int64_t bytes, snug_error *err);
/** Reads up to `bytes` at `offset`; fewer only at the end of the file. */
SNUG_MUST_CHECK snug_status snug_file_read_some(const snug_file *file, int64_t offset, void *out,
                                                int64_t bytes, int64_t *out_bytes, snug_error *err);
/** Reads what comes next, 1 to `bytes`, waiting for it; 0 bytes are the end. */
SNUG_MUST_CHECK snug_status snug_file_read_next(const snug_file *file, void *out, int64_t bytes,
                                                int64_t *out_bytes, snug_error *err);
/** Writes all `bytes` at the end of a file opened for appending. */
SNUG_MUST_CHECK snug_status snug_file_append(snug_file *file, const void *data, int64_t bytes,
                                             snug_error *err);
/** Cuts a file opened for appending to `bytes`. */
SNUG_MUST_CHECK snug_status snug_file_truncate(snug_file *file, int64_t bytes, snug_error *err);
/** What was appended is on the disk when this returns. */
SNUG_MUST_CHECK snug_status snug_file_sync(const snug_file *file, snug_error *err);
/** Lets the system forget cached pages of a range (0 bytes: to the end); advice, cannot fail. */
void snug_file_drop_cache(const snug_file *file, int64_t offset, int64_t bytes);

/**
 * A whole small file in the arena, with a zero after its last byte.
 * @errors  SNUG_CODE_LIMIT when it is larger than `bytes_max`; the arena is as before on failure.
 */
SNUG_MUST_CHECK snug_status snug_file_read_all(const char *path, int64_t bytes_max,
                                               snug_arena *arena, const char **out_data,
                                               int64_t *out_bytes, snug_error *err);
/**
 * A whole file of unknown size (as under /proc) into `buffer`, with a zero after its last byte.
 * @errors  SNUG_CODE_LIMIT when it does not fit into `capacity` - 1 bytes.
 */
SNUG_MUST_CHECK snug_status snug_file_read_into(const char *path, char *buffer, int64_t capacity,
                                                int64_t *out_bytes, snug_error *err);

/**
 * Writes a file that appears at `path` whole or not at all: to "PATH.partial", synced, renamed over
 * `path`, the folder synced. Full parts are sent to the disk and dropped from the page cache on
 * the way, so that a large file does not fill a memory cgroup. One thread at a time.
 */
typedef struct snug_file_writer {
    int handle;            /* File descriptor + 1; 0 is closed. */
    const char *path;      /* Borrowed. */
    unsigned char *buffer; /* Borrowed. */
    int64_t buffer_bytes;
    int64_t buffered;
    int64_t written_bytes; /* On their way to the disk, the buffered ones not included. */
    int64_t dropped_bytes; /* On the disk and out of the page cache. */
} snug_file_writer;

/**
 * @param buffer  Bounce buffer, >= 1 byte; 1 MiB is plenty.
 * @errors  SNUG_CODE_BUSY when another process writes the same file now.
 */
SNUG_MUST_CHECK snug_status snug_file_writer_open(const char *path, void *buffer,
                                                  int64_t buffer_bytes, snug_file_writer *out,
                                                  snug_error *err);
SNUG_MUST_CHECK snug_status snug_file_writer_add(snug_file_writer *writer, const void *data,
                                                 int64_t bytes, snug_error *err);
/** Overwrites bytes that were added before. */
SNUG_MUST_CHECK snug_status snug_file_writer_patch(snug_file_writer *writer, int64_t offset,
                                                   const void *data, int64_t bytes,
                                                   snug_error *err);
/** Bytes added so far. */
int64_t snug_file_writer_position(const snug_file_writer *writer);
/** Makes the file real and closes the writer; on failure the old file stays and nothing is left. */
SNUG_MUST_CHECK snug_status snug_file_writer_commit(snug_file_writer *writer, snug_error *err);
/** Gives up: removes the partial file. NULL, closed and committed writers are allowed. */
void snug_file_writer_abort(snug_file_writer *writer);

/** A small file at once, by the same road. */
SNUG_MUST_CHECK snug_status snug_file_write_all(const char *path, const void *data, int64_t bytes,
                                                snug_error *err);
/** Removes a file; one that is not there is fine. */
SNUG_MUST_CHECK snug_status snug_file_remove(const char *path, snug_error *err);

typedef enum snug_path_kind {
    SNUG_PATH_NONE,
    SNUG_PATH_FILE,
    SNUG_PATH_FOLDER,
    SNUG_PATH_OTHER
} snug_path_kind;

/** What stands at `path`, links followed; NONE when it cannot be seen. */
snug_path_kind snug_path_look(const char *path);
/** "folder/name" into `out`; SNUG_CODE_LIMIT when it is longer than SNUG_PATH_BYTES allows. */
SNUG_MUST_CHECK snug_status snug_path_join(const char *folder, const char *name,
                                           char out[SNUG_PATH_BYTES], snug_error *err);
/** The part after the last '/'; points into `path`. */
const char *snug_path_name(const char *path);

/** Makes a folder and its parents; one that is there already is fine. */
SNUG_MUST_CHECK snug_status snug_folder_make(const char *path, snug_error *err);

typedef struct snug_folder_entry {
    const char *name; /* In the arena. */
    snug_path_kind kind;
} snug_folder_entry;

/**
 * The entries of a folder in byte order of their names, without "." and "..".
 * @mem     Entries and names from `arena`, which is as before on failure.
 * @errors  SNUG_CODE_LIMIT above SNUG_FILES_MAX entries.
 */
SNUG_MUST_CHECK snug_status snug_folder_list(const char *path, snug_arena *arena,
                                             const snug_folder_entry **out, int64_t *out_count,
                                             snug_error *err);
/** Removes a file or a folder with all it holds, links not followed; nothing there is fine. */
SNUG_MUST_CHECK snug_status snug_folder_remove(const char *path, snug_error *err);
/**
 * Puts the folder `from` where `to` is or was, at once where the file system can exchange names;
 * what `to` held is removed. The folder above is synced.
 */
SNUG_MUST_CHECK snug_status snug_folder_replace(const char *from, const char *to, snug_error *err);
/** Names made or removed in this folder are on the disk when this returns. */
SNUG_MUST_CHECK snug_status snug_folder_sync(const char *path, snug_error *err);

/** Bytes that this user may still write on the file system of `path`. */
SNUG_MUST_CHECK snug_status snug_disk_free(const char *path, int64_t *out_bytes, snug_error *err);

/** An exclusive lock by a file, released by the kernel if the process dies. All zeros: not held. */
typedef struct snug_lock {
    int handle; /* File descriptor + 1. */
} snug_lock;

/** Takes the lock or says who holds it: SNUG_CODE_BUSY. The file stays when the lock goes. */
SNUG_MUST_CHECK snug_status snug_lock_acquire(const char *path, snug_lock *out, snug_error *err);
void snug_lock_release(snug_lock *lock);

/**
 * Where something that can be made again is kept: $XDG_CACHE_HOME/snug/NAME, else
 * $HOME/.cache/snug/NAME; false when neither is an absolute path, or it is too long.
 */
bool snug_cache_path(const char *name, char out[SNUG_PATH_BYTES]);

#endif
