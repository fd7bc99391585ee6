/* Measured costs on disk: one small file for each machine, instruction set, number of threads. */
#ifndef SNUG_EXEC_COST_FILE_H
#define SNUG_EXEC_COST_FILE_H

#include <stdbool.h>

#include "plan/costs.h"

/** What costs depend on beside the call. */
typedef struct snug_cost_machine {
    const char *cpu; /* Model name. */
    const char *isa;
    const char *version; /* Of this program. */
    int32_t threads;
} snug_cost_machine;

enum { SNUG_COST_POINTS_MAX = 2048 };

/**
 * The path of a machine's file: $XDG_CACHE_HOME/snug, else $HOME/.cache/snug.
 * @return false: neither variable names an absolute folder, so there is no file.
 */
bool snug_cost_file_path(const snug_cost_machine *machine, char out[SNUG_PATH_BYTES]);

/**
 * Reads the file into the table, which is empty before. A file that is damaged, of another machine
 * or of another version leaves it empty.
 * @param scratch  Room for the file; rewound before return.
 * @return Whether something was read.
 */
bool snug_cost_file_read(const char *path, const snug_cost_machine *machine, snug_arena *scratch,
                         snug_cost_table *table);

/** Writes the table; the folder is made. The file appears whole or not at all. */
SNUG_MUST_CHECK snug_status snug_cost_file_write(const char *path, const snug_cost_machine *machine,
                                                 const snug_cost_table *table, snug_arena *scratch,
                                                 snug_error *err);

#endif
