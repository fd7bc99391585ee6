/* What /proc says about memory: of a process, and of the machine. */
#ifndef SNUG_SYS_PROCFS_H
#define SNUG_SYS_PROCFS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "sys/file.h"

/*
 * `root` goes before "/proc" in every path of this module: "" is this machine, another folder is a
 * copy of somebody else's tree. Nothing allocates. Values that the kernel does not give are -1.
 */

/** Memory of one process, bytes. */
typedef struct snug_process_memory {
    int64_t resident_bytes;      /* VmRSS */
    int64_t resident_peak_bytes; /* VmHWM */
    int64_t anonymous_bytes;     /* RssAnon */
    int64_t file_bytes;          /* RssFile */
    int64_t shared_bytes;        /* RssShmem */
    int64_t data_bytes;          /* VmData: private writable, what RLIMIT_DATA counts */
    int64_t address_bytes;       /* VmSize: what RLIMIT_AS counts */
    int64_t page_table_bytes;    /* VmPTE */
    int64_t swap_bytes;          /* VmSwap */
} snug_process_memory;

/** @param pid  0 is the calling process. */
SNUG_MUST_CHECK snug_status snug_procfs_process(const char *root, int64_t pid,
                                                snug_process_memory *out, snug_error *err);

/** Starts VmHWM of this process again from what is resident now. */
SNUG_MUST_CHECK snug_status snug_procfs_reset_peak(snug_error *err);

/** Memory of the machine, bytes. */
typedef struct snug_machine_memory {
    int64_t total_bytes;
    int64_t free_bytes;
    int64_t available_bytes; /* Estimated where an old kernel does not say. */
    int64_t cached_bytes;
    int64_t swap_total_bytes;
    int64_t swap_free_bytes;
} snug_machine_memory;

SNUG_MUST_CHECK snug_status snug_procfs_machine(const char *root, snug_machine_memory *out,
                                                snug_error *err);

enum { SNUG_LINE_BYTES = 4096 };

/**
 * Lines of a file of unknown length, one at a time, without allocation. A line longer than the
 * buffer is skipped whole. Large: about 8 KiB.
 */
typedef struct snug_line_reader {
    snug_file file;
    int64_t offset; /* Of the next read. */
    int64_t used;   /* Bytes of `block` that are valid. */
    int64_t at;     /* The next line starts here. */
    bool skipping;  /* Inside a line that is too long. */
    bool ended;
    char block[2 * SNUG_LINE_BYTES];
} snug_line_reader;

/** `path` is borrowed until the close. */
SNUG_MUST_CHECK snug_status snug_lines_open(snug_line_reader *reader, const char *path,
                                            snug_error *err);
/** The next line without its newline, valid until the next call; NULL at the end. */
SNUG_MUST_CHECK snug_status snug_lines_next(snug_line_reader *reader, char **out_line,
                                            snug_error *err);
void snug_lines_close(snug_line_reader *reader);

/** Reads a non-negative decimal number at the start of `text`; false when there is none. */
bool snug_procfs_number(const char *text, int64_t *out);

#endif
