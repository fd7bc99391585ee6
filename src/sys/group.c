#include "sys/group.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/translate.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/file_inside.h"
#include "sys/procfs.h"

static const int64_t PAUSE_NS = 2000000;

/* 0, or the system's reason. Files of a control group are never made, only written. */
static int write_word(const char *folder, const char *name, const char *word)
{
    char path[SNUG_PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return ENAMETOOLONG;
    }
    const int fd = snug_file_open_raw(path, O_WRONLY);
    if (fd < 0) {
        return errno;
    }
    const ssize_t written = write(fd, word, strlen(word));
    const int reason = written < 0 ? errno : 0;
    (void)close(fd);
    return reason;
}

static bool has_file(const char *folder, const char *name)
{
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return snug_path_look(path) == SNUG_PATH_FILE;
}

bool snug_group_limit(snug_group *group, int64_t limit_bytes, snug_text *why)
{
    const char *file = group->version == 2 ? "memory.max" : "memory.limit_in_bytes";
    char number[32];
    int64_t kept = 0;
    (void)snprintf(number, sizeof number, "%" PRId64, limit_bytes);
    const int reason = write_word(group->folder, file, number);
    if (reason != 0) {
        snug_text_say(why, "%s cannot be set: %s", file, snug_translated(strerror(reason)));
        return false;
    }
    if (!snug_cgroup_number(group->folder, file, &kept) || kept > limit_bytes) {
        snug_text_say(why, "%s does not keep what is set", file);
        return false;
    }
    group->limit_bytes = kept;
    /* What follows is not everywhere: no swap accounting, old kernels. */
    if (group->version == 2) {
        (void)write_word(group->folder, "memory.swap.max", "0");
        (void)write_word(group->folder, "memory.oom.group", "1");
    } else {
        (void)write_word(group->folder, "memory.memsw.limit_in_bytes", number);
        (void)write_word(group->folder, "memory.swappiness", "0");
    }
    return true;
}

const char *snug_group_procs(const snug_group *group, char out[SNUG_GROUP_PATH_BYTES])
{
    if (snprintf(out, SNUG_GROUP_PATH_BYTES, "%.*s/cgroup.procs", SNUG_GROUP_PATH_BYTES - 16,
                 group->folder) < 0) {
        out[0] = '\0';
    }
    return out;
}

/* On v2 children of a group have memory files only when the group says so. */
static bool hands_memory_down(const char *parent, const char *folder, snug_text *why)
{
    if (has_file(folder, "memory.max")) {
        return true;
    }
    const int reason = write_word(parent, "cgroup.subtree_control", "+memory");
    if (reason == 0 && has_file(folder, "memory.max")) {
        return true;
    }
    snug_text_say(why, "%s does not hand memory down: %s", parent,
                  reason == EBUSY ? snug_translated("it has processes of its own")
                  : reason != 0   ? snug_translated(strerror(reason))
                                  : snug_translated("no memory controller"));
    return false;
}

/* One place; `limit_bytes` is what may be set there. */
static bool make_below(const char *parent, int32_t version, const char *name, int64_t limit_bytes,
                       snug_group *out, snug_text *why)
{
    char procs[SNUG_GROUP_PATH_BYTES];
    snug_group group = {.version = version};
    if (snprintf(group.folder, sizeof group.folder, "%s/%s", parent, name) >=
        (int)sizeof group.folder - 16) {
        snug_text_say(why, "the path of the group is too long");
        return false;
    }
    /* A folder that is there already is a dead process's of the same number. */
    (void)rmdir(group.folder);
    if (mkdir(group.folder, 0755) != 0) {
        snug_text_add(why, "%s: %s", parent, snug_translated(strerror(errno)));
        return false;
    }
    bool good = version == 1 || hands_memory_down(parent, group.folder, why);
    good = good && snug_group_limit(&group, limit_bytes, why);
    if (good && !snug_child_can_join(snug_group_procs(&group, procs))) {
        snug_text_say(why, "no process may be moved into %s", group.folder);
        good = false;
    }
    if (!good) {
        (void)rmdir(group.folder);
        return false;
    }
    *out = group;
    return true;
}

/* The tighter of the two limits that a v2 level may have. */
static int64_t level_limit(const char *folder)
{
    int64_t most = INT64_MAX;
    int64_t high = INT64_MAX;
    (void)snug_cgroup_number(folder, "memory.max", &most);
    (void)snug_cgroup_number(folder, "memory.high", &high);
    return snug_min_i64(most, high);
}

bool snug_group_make(const char *root, int32_t version, const char *name, int64_t limit_bytes,
                     snug_group *out, snug_text *why)
{
    char folder[2 * SNUG_CGROUP_PATH_BYTES];
    int64_t top_bytes = 0;
    int32_t found = 0;
    snug_error err = {0};
    if (snug_failed(snug_cgroup_own(root, 0, &found, folder, &top_bytes, &err))) {
        snug_text_add(why, "%s", err.message);
        return false;
    }
    if (found != version) {
        snug_text_add(why,
                      found == 0 ? "no memory controller here" : "the memory controller is in v%d",
                      (int)found);
        return false;
    }
    int64_t limit = limit_bytes;
    for (const char *between = "";; between = "; ") {
        snug_text_add(why, "%s", between);
        if (make_below(folder, version, name, limit, out, why)) {
            return true;
        }
        char *slash = strrchr(folder, '/');
        if (version == 1 || slash == NULL || slash - folder < top_bytes) {
            return false;
        }
        limit = snug_min_i64(limit, level_limit(folder));
        *slash = '\0';
    }
}

static int64_t read_number(const snug_group *group, const char *v2, const char *v1)
{
    int64_t value = -1;
    return snug_cgroup_number(group->folder, group->version == 2 ? v2 : v1, &value) ? value : -1;
}

int64_t snug_group_usage(const snug_group *group)
{
    return read_number(group, "memory.current", "memory.usage_in_bytes");
}

int64_t snug_group_peak(const snug_group *group)
{
    return read_number(group, "memory.peak", "memory.max_usage_in_bytes");
}

int64_t snug_group_kills(const snug_group *group)
{
    return snug_cgroup_entry(
        group->folder, group->version == 2 ? "memory.events" : "memory.oom_control", "oom_kill", 0);
}

void snug_group_members(const snug_group *group, snug_pids *out)
{
    char path[SNUG_GROUP_PATH_BYTES];
    snug_line_reader reader;
    char *line = NULL;
    *out = (snug_pids){0};
    if (snug_lines_open(&reader, snug_group_procs(group, path), NULL) != SNUG_OK) {
        return;
    }
    while (snug_lines_next(&reader, &line, NULL) == SNUG_OK && line != NULL) {
        int64_t pid = 0;
        if (!snug_procfs_number(line, &pid)) {
            continue;
        }
        if (out->count == SNUG_PIDS_MAX) {
            out->truncated = true;
            break;
        }
        out->pids[out->count++] = pid;
    }
    snug_lines_close(&reader);
}

bool snug_group_kill(const snug_group *group, double patience_s)
{
    static snug_pids members;
    const int64_t start = snug_clock_ns();
    for (;;) {
        (void)write_word(group->folder, "cgroup.kill", "1");
        snug_group_members(group, &members);
        if (members.count == 0) {
            return true;
        }
        for (int64_t i = 0; i < members.count; i++) {
            snug_signal_send(members.pids[i], SNUG_SIGNAL_KILL);
        }
        if (snug_clock_seconds_since(start) > patience_s) {
            return false;
        }
        snug_clock_sleep_ns(PAUSE_NS);
    }
}

bool snug_group_remove(snug_group *group)
{
    bool gone = group->version == 0;
    /* The last process of a group takes a moment to leave it. */
    for (int i = 0; i < 200 && !gone; i++) {
        gone = rmdir(group->folder) == 0 || errno == ENOENT;
        if (!gone) {
            snug_clock_sleep_ns(PAUSE_NS);
        }
    }
    if (gone) {
        *group = (snug_group){0};
    }
    return gone;
}

static int64_t sweep_folder(const char *folder, const char *prefix)
{
    int64_t removed = 0;
    const struct dirent *entry = NULL;
    DIR *listing = opendir(folder);
    const size_t length = strlen(prefix);
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        char path[SNUG_PATH_BYTES];
        char process[64];
        int64_t pid = 0;
        if (strncmp(entry->d_name, prefix, length) != 0 ||
            !snug_procfs_number(entry->d_name + length, &pid)) {
            continue;
        }
        (void)snprintf(process, sizeof process, "/proc/%lld", (long long)pid);
        if (snug_path_look(process) != SNUG_PATH_NONE ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        removed += rmdir(path) == 0 ? 1 : 0;
    }
    if (listing != NULL) {
        (void)closedir(listing);
    }
    return removed;
}

int64_t snug_group_sweep(const char *root, const char *prefix)
{
    char folder[2 * SNUG_CGROUP_PATH_BYTES];
    int64_t top_bytes = 0;
    int64_t removed = 0;
    int32_t version = 0;
    if (snug_failed(snug_cgroup_own(root, 0, &version, folder, &top_bytes, NULL)) || version == 0) {
        return 0;
    }
    for (;;) {
        removed += sweep_folder(folder, prefix);
        char *slash = strrchr(folder, '/');
        if (version == 1 || slash == NULL || slash - folder < top_bytes) {
            return removed;
        }
        *slash = '\0';
    }
}

int64_t snug_machine_oom_kills(void)
{
    return snug_cgroup_entry("/proc", "vmstat", "oom_kill", -1);
}
