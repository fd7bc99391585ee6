#include "sys/descendants.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/file_inside.h"
#include "sys/procfs.h"

enum { PATH_BYTES = 64, STAT_BYTES = 512, LINKS_MAX = 32768, ENVIRONMENT_BYTES = 64 << 10 };

/* A process and its parent. */
typedef struct process_link {
    int64_t pid, parent;
    bool inside;
} process_link;

/* The state letter and the parent stand behind the name, which may hold spaces and brackets. */
static bool read_link(int64_t pid, process_link *out)
{
    char path[PATH_BYTES];
    char text[STAT_BYTES];
    int64_t bytes = 0;
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    if (snug_file_read_into(path, text, sizeof text, &bytes, NULL) != SNUG_OK) {
        return false;
    }
    const char *end = strrchr(text, ')');
    if (end == NULL || strlen(end) < 5) {
        return false;
    }
    const char state = end[2];
    *out = (process_link){.pid = pid};
    return state != 'Z' && state != 'X' && snug_procfs_number(end + 4, &out->parent);
}

static int64_t read_links(DIR *folder, process_link *links, bool *out_truncated)
{
    int64_t count = 0;
    const struct dirent *entry = NULL;
    *out_truncated = false;
    while ((entry = readdir(folder)) != NULL) {
        int64_t pid = 0;
        if (!isdigit((unsigned char)entry->d_name[0]) || !snug_procfs_number(entry->d_name, &pid)) {
            continue;
        }
        if (count == LINKS_MAX) {
            *out_truncated = true;
            break;
        }
        count += read_link(pid, &links[count]) ? 1 : 0;
    }
    return count;
}

/* The kernel lists /proc by ascending pid. */
static const process_link *find_link(const process_link *links, int64_t count, int64_t pid)
{
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (links[middle].pid < pid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && links[low].pid == pid ? &links[low] : NULL;
}

/* Pids mostly grow from parent to child, so that few passes are enough; wrapped ones need more. */
static void mark_inside(process_link *links, int64_t count, int64_t ancestor, int64_t except)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (int64_t i = 0; i < count; i++) {
            if (links[i].inside || links[i].pid == except || links[i].pid == ancestor) {
                continue;
            }
            const process_link *parent = find_link(links, count, links[i].parent);
            links[i].inside = links[i].parent == ancestor || (parent != NULL && parent->inside);
            changed = changed || links[i].inside;
        }
    }
}

snug_status snug_descendants_read(int64_t ancestor, int64_t except, snug_pids *out, snug_error *err)
{
    /* One caller at a time: too large for a stack. */
    static process_link links[LINKS_MAX];
    bool truncated = false;
    DIR *folder = opendir("/proc");
    if (folder == NULL) {
        return snug_file_fail(err, "list", "/proc", errno);
    }
    const int64_t count = read_links(folder, links, &truncated);
    (void)closedir(folder);
    mark_inside(links, count, ancestor != 0 ? ancestor : (int64_t)getpid(), except);
    out->count = 0;
    out->truncated = truncated;
    for (int64_t i = 0; i < count; i++) {
        if (links[i].inside && out->count < SNUG_PIDS_MAX) {
            out->pids[out->count++] = links[i].pid;
        } else {
            out->truncated = out->truncated || links[i].inside;
        }
    }
    return SNUG_OK;
}

int64_t snug_pids_clock(void)
{
    char text[128];
    int64_t bytes = 0;
    int64_t newest = -1;
    if (snug_file_read_into("/proc/loadavg", text, sizeof text, &bytes, NULL) != SNUG_OK) {
        return -1;
    }
    const char *last = strrchr(text, ' ');
    return last != NULL && snug_procfs_number(last + 1, &newest) ? newest : -1;
}

void snug_process_pages_read(int64_t pid, snug_process_pages *out)
{
    char path[PATH_BYTES];
    char text[128];
    int64_t bytes = 0;
    int64_t resident = 0;
    int64_t shared = 0;
    const int64_t page_bytes = sysconf(_SC_PAGESIZE);
    *out = (snug_process_pages){0};
    (void)snprintf(path, sizeof path, "/proc/%lld/statm", (long long)pid);
    if (snug_file_read_into(path, text, sizeof text, &bytes, NULL) != SNUG_OK) {
        return;
    }
    const char *second = strchr(text, ' ');
    const char *third = second != NULL ? strchr(second + 1, ' ') : NULL;
    if (third != NULL && snug_procfs_number(second + 1, &resident) &&
        snug_procfs_number(third + 1, &shared)) {
        /* The two counters are not read at one instant. */
        out->anonymous_bytes = snug_max_i64(0, resident - shared) * page_bytes;
        out->shared_bytes = shared * page_bytes;
    }
}

/* Adds "Key:  123 kB"; false when it is not there. */
static bool add_field(const char *text, const char *key, int64_t *sum)
{
    int64_t value = 0;
    const char *at = strstr(text, key);
    if (at == NULL) {
        return false;
    }
    at += strlen(key);
    at += strspn(at, " \t");
    if (!snug_procfs_number(at, &value)) {
        return false;
    }
    *sum += value * 1024;
    return true;
}

bool snug_process_share_read(int64_t pid, snug_process_pages *out)
{
    char path[PATH_BYTES];
    char text[2048];
    int64_t bytes = 0;
    snug_process_pages share = {0};
    (void)snprintf(path, sizeof path, "/proc/%lld/smaps_rollup", (long long)pid);
    if (snug_file_read_into(path, text, sizeof text, &bytes, NULL) != SNUG_OK) {
        return false;
    }
    /* Before Linux 5.4 there is only the sum, which then counts as the process's own. */
    if (!add_field(text, "\nPss_Anon:", &share.anonymous_bytes)) {
        if (!add_field(text, "\nPss:", &share.anonymous_bytes)) {
            return false;
        }
    } else {
        (void)add_field(text, "\nPss_Shmem:", &share.shared_bytes);
    }
    (void)add_field(text, "\nSwapPss:", &share.anonymous_bytes);
    *out = share;
    return true;
}

/* The environment is a row of texts, each ended by a zero. */
static bool has_marker(int64_t pid, const char *marker)
{
    static char text[ENVIRONMENT_BYTES];
    char path[PATH_BYTES];
    snug_file file = {0};
    int64_t bytes = 0;
    const size_t length = strlen(marker) + 1;
    (void)snprintf(path, sizeof path, "/proc/%lld/environ", (long long)pid);
    if (snug_file_open(path, &file, NULL) != SNUG_OK) {
        return false;
    }
    const snug_status status = snug_file_read_some(&file, 0, text, sizeof text, &bytes, NULL);
    snug_file_close(&file);
    for (int64_t at = 0; status == SNUG_OK && at + (int64_t)length <= bytes; at++) {
        if ((at == 0 || text[at - 1] == '\0') && memcmp(text + at, marker, length) == 0) {
            return true;
        }
    }
    return false;
}

void snug_pids_marked(const char *marker, snug_pids *out)
{
    const struct dirent *entry = NULL;
    DIR *folder = opendir("/proc");
    *out = (snug_pids){0};
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        int64_t pid = 0;
        if (!isdigit((unsigned char)entry->d_name[0]) || !snug_procfs_number(entry->d_name, &pid) ||
            pid == (int64_t)getpid() || !has_marker(pid, marker)) {
            continue;
        }
        if (out->count == SNUG_PIDS_MAX) {
            out->truncated = true;
            break;
        }
        out->pids[out->count++] = pid;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

/* Stops what is there until nobody new was found: what is stopped starts nobody. */
static int64_t stop_all(int64_t except, snug_pids *tree, int64_t start_ns, double patience_s)
{
    int64_t stopped = -1;
    for (;;) {
        if (snug_failed(snug_descendants_read(0, except, tree, NULL))) {
            return 0;
        }
        for (int64_t i = 0; i < tree->count; i++) {
            snug_signal_send(tree->pids[i], SNUG_SIGNAL_STOP);
        }
        if (tree->count <= stopped || tree->truncated ||
            snug_clock_seconds_since(start_ns) > patience_s) {
            return tree->count;
        }
        stopped = tree->count;
    }
}

int64_t snug_descendants_kill(int64_t except, double patience_s)
{
    static snug_pids tree;
    int64_t killed = 0;
    const int64_t start = snug_clock_ns();
    snug_child_hurry(true);
    for (;;) {
        const int64_t count = stop_all(except, &tree, start, patience_s);
        killed = snug_max_i64(killed, count);
        for (int64_t i = 0; i < count; i++) {
            snug_signal_send(tree.pids[i], SNUG_SIGNAL_KILL);
        }
        if (count == 0) {
            break;
        }
        if (snug_clock_seconds_since(start) > patience_s) {
            killed = -1;
            break;
        }
        snug_clock_sleep_ns(1000000);
    }
    snug_child_hurry(false);
    return killed;
}
