/* Which process is meant by a name. */
#ifndef SNUG_MONITOR_FIND_PROCESS_H
#define SNUG_MONITOR_FIND_PROCESS_H

#include <stdint.h>

#include "base/status.h"

/**
 * The one process with this name: of the process as the kernel has it, of its program's file, or of
 * the script that an interpreter runs (python train.py is "train.py" too). The calling process does
 * not count.
 *
 * @param root  Goes before "/proc"; "" is this machine.
 * @mem     Allocates nothing; 40 KiB of stack.
 * @errors  SNUG_CODE_NOT_FOUND; SNUG_CODE_USAGE for several, with a list of them; SNUG_CODE_IO when
 *          /proc cannot be listed.
 */
SNUG_MUST_CHECK snug_status snug_find_process(const char *root, const char *name, int64_t *out_pid,
                                              snug_error *err);

#endif
