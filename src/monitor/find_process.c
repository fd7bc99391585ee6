#include "monitor/find_process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/kept.h"

enum { PROCESSES_MAX = 4096, COMMAND_BYTES = 1024, LIST_BYTES = 700, SHOWN_BYTES = 60 };

/* Words are ended by zeros; the first two names are those of the program and of its script. */
static bool command_has(const char *command, int64_t bytes, const char *name)
{
    const char *at = command;
    for (int word = 0; word < 2 && at < command + bytes; word++) {
        if (strcmp(snug_path_name(at), name) == 0) {
            return true;
        }
        at += strlen(at) + 1;
    }
    return false;
}

static bool is_called(const char *root, int64_t pid, const char *name, char command[COMMAND_BYTES])
{
    char path[SNUG_PATH_BYTES];
    char comm[64] = "";
    int64_t bytes = 0;
    (void)snprintf(path, sizeof path, "%.200s/proc/%" PRId64 "/comm", root, pid);
    if (snug_look_read(path, comm, sizeof comm, &bytes) != SNUG_LOOK_OK) {
        return false;
    }
    comm[strcspn(comm, "\n")] = '\0';
    (void)snprintf(path, sizeof path, "%.200s/proc/%" PRId64 "/cmdline", root, pid);
    if (snug_look_read(path, command, COMMAND_BYTES, &bytes) != SNUG_LOOK_OK) {
        bytes = 0;
        command[0] = '\0';
    }
    const bool found = strcmp(comm, name) == 0 || command_has(command, bytes, name);
    for (int64_t i = 0; i + 1 < bytes; i++) {
        command[i] = (unsigned char)command[i] < ' ' ? ' ' : command[i];
    }
    return found;
}

snug_status snug_find_process(const char *root, const char *name, int64_t *out_pid, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    int64_t pids[PROCESSES_MAX];
    char list[LIST_BYTES];
    snug_text text;
    int64_t count = 0;
    int64_t found = 0;
    int64_t pid = 0;
    (void)snprintf(path, sizeof path, "%.200s/proc", root);
    const snug_look look = snug_look_numbers(path, pids, PROCESSES_MAX, &count);
    if (look != SNUG_LOOK_OK) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot list '%s': %s", path, snug_look_words(look));
    }
    snug_text_init(&text, list, sizeof list);
    for (int64_t i = 0; i < count; i++) {
        char command[COMMAND_BYTES];
        if (pids[i] == snug_process_id() || !is_called(root, pids[i], name, command)) {
            continue;
        }
        found++;
        pid = pids[i];
        snug_text_add(&text, "%s%" PRId64 " %.*s", found > 1 ? "; " : "", pid, SHOWN_BYTES,
                      command);
    }
    if (found == 0) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "there is no process called '%.100s', or /proc hides it", name);
    }
    if (found > 1) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "%" PRId64 " processes are called '%.60s', choose by --pid: %s%s", found,
                         name, list, text.truncated ? " ..." : "");
    }
    *out_pid = pid;
    return SNUG_OK;
}
