#include "sys/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/translate.h"
#include "sys/cgroup.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/file_inside.h"
#include "sys/kept.h"

enum { NAME_BYTES = 96, FOLDER_BYTES = 2 * SNUG_CGROUP_PATH_BYTES };
static const double MOVE_PATIENCE_S = 10;
static const int64_t PAUSE_NS = 5000000;

/* Asks for the scope over the user's bus: systemd-run would replace this program by a command. */
static bool ask(const char *name)
{
    char pid[32];
    char answer[512];
    int exit = 0;
    (void)snprintf(pid, sizeof pid, "%" PRId64, snug_process_id());
    const char *const words[] = {"/usr/bin/env",
                                 "busctl",
                                 "--user",
                                 "--quiet",
                                 "call",
                                 "org.freedesktop.systemd1",
                                 "/org/freedesktop/systemd1",
                                 "org.freedesktop.systemd1.Manager",
                                 "StartTransientUnit",
                                 "ssa(sv)a(sa(sv))",
                                 name,
                                 "fail",
                                 "3",
                                 "PIDs",
                                 "au",
                                 "1",
                                 pid,
                                 "Delegate",
                                 "b",
                                 "true",
                                 "CollectMode",
                                 "s",
                                 "inactive-or-failed",
                                 "0",
                                 NULL};
    return !snug_failed(snug_child_run(words, answer, sizeof answer, &exit, NULL)) && exit == 0;
}

/* The own group, once it is the scope: the answer on the bus comes before the move. */
static bool wait_for_move(const char *name, char folder[FOLDER_BYTES])
{
    const int64_t start = snug_clock_ns();
    do {
        int32_t version = 0;
        int64_t top_bytes = 0;
        const char *last = NULL;
        if (!snug_failed(snug_cgroup_own("", 0, &version, folder, &top_bytes, NULL)) &&
            version == 2 && (last = strrchr(folder, '/')) != NULL && strcmp(last + 1, name) == 0) {
            return true;
        }
        snug_clock_sleep_ns(PAUSE_NS);
    } while (snug_clock_seconds_since(start) < MOVE_PATIENCE_S);
    return false;
}

/* Into a group below, so that the scope has no process of its own; 0 or the reason. */
static int step_aside(const char *folder)
{
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/supervisor", folder);
    if (mkdir(path, 0755) != 0) {
        return errno;
    }
    (void)snprintf(path, sizeof path, "%s/supervisor/cgroup.procs", folder);
    const int fd = snug_file_open_raw(path, O_WRONLY);
    if (fd < 0) {
        return errno;
    }
    /* 0 is whoever writes it. */
    const int reason = write(fd, "0", 1) == 1 ? 0 : errno;
    (void)close(fd);
    return reason;
}

bool snug_scope_enter(const char *root, const char *name, snug_text *why)
{
    char unit[NAME_BYTES];
    char folder[FOLDER_BYTES];
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/run/systemd/system", root);
    if (snug_path_look(path) != SNUG_PATH_FOLDER || root[0] != '\0') {
        snug_text_say(why, "systemd does not run here");
        return false;
    }
    if (getenv("XDG_RUNTIME_DIR") == NULL && getenv("DBUS_SESSION_BUS_ADDRESS") == NULL) {
        snug_text_say(why, "no user session (XDG_RUNTIME_DIR is not set)");
        return false;
    }
    if (snprintf(unit, sizeof unit, "%s.scope", name) >= (int)sizeof unit || !ask(unit)) {
        snug_text_say(why, "the user's systemd makes no scope (busctl --user)");
        return false;
    }
    if (!wait_for_move(unit, folder)) {
        snug_text_say(why, "systemd did not move this process into its scope");
        return false;
    }
    const int reason = step_aside(folder);
    if (reason != 0) {
        snug_text_say(why, "the scope may not be subdivided: %s",
                      snug_translated(strerror(reason)));
    }
    return reason == 0;
}
