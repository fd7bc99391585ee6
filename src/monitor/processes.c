#include "monitor/processes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "sys/clock.h"
#include "sys/procfs.h"

enum { TREE_PATH_BYTES = 320, ROOT_BYTES_MAX = 200 };
/* Nearly a second: samples are never exactly on time. */
static const int64_t WALK_INTERVAL_NS = 950000000;
/* Walks may take this part of the time, 1/4000, and a little to begin with, when much is new. */
static const int64_t WALK_DUTY = 4000;
static const int64_t WALK_BURST_NS = 20000000;
static const int64_t DEEP_INTERVAL_NS = 5 * INT64_C(1000000000);

static const char *process_path(const snug_processes *tree, int64_t pid, const char *name,
                                char out[TREE_PATH_BYTES])
{
    (void)snprintf(out, TREE_PATH_BYTES, "%s/proc/%" PRId64 "/%s", tree->root, pid, name);
    return out;
}

/* What is used of /proc/PID/stat. */
typedef struct stat_facts {
    char state;
    int64_t parent;
    int64_t cpu_ticks;
    int64_t threads;
    int64_t start_ticks;
} stat_facts;

/* The name of a process may hold anything, brackets included: fields count from the last ')'. */
static bool parse_stat(const char *text, stat_facts *out)
{
    enum { STATE = 3, PARENT = 4, USER = 14, SYSTEM = 15, THREADS = 20, START = 22 };
    const char *at = strrchr(text, ')');
    stat_facts facts = {0};
    if (at == NULL || at[1] != ' ') {
        return false;
    }
    at += 2;
    for (int field = STATE; field <= START; field++) {
        int64_t value = 0;
        const bool number = snug_procfs_number(at, &value);
        if (field == STATE) {
            facts.state = *at;
        } else if (field == PARENT) {
            facts.parent = value;
        } else if (field == USER || field == SYSTEM) {
            facts.cpu_ticks += value;
        } else if (field == THREADS) {
            facts.threads = value;
        } else if (field == START) {
            facts.start_ticks = value;
            if (!number) {
                return false;
            }
        }
        at = strchr(at, ' ');
        if (at == NULL) {
            return false;
        }
        at++;
    }
    *out = facts;
    return true;
}

/* Reads a file of the process; `kept` stays open where there is room for it. */
static snug_look read_file(snug_processes *tree, snug_watched_process *process, snug_kept *kept,
                           const char *name)
{
    char path[TREE_PATH_BYTES];
    int64_t bytes = 0;
    if (kept->handle != 0) {
        return snug_kept_read(kept, tree->buffer, sizeof tree->buffer, &bytes);
    }
    (void)process_path(tree, process->pid, name, path);
    if (process - tree->processes >= SNUG_WATCHED_KEPT_MAX) {
        return snug_look_read(path, tree->buffer, sizeof tree->buffer, &bytes);
    }
    snug_look look = snug_kept_open(path, kept);
    if (look == SNUG_LOOK_FAILED) {
        /* Perhaps no descriptor is left. */
        return snug_look_read(path, tree->buffer, sizeof tree->buffer, &bytes);
    }
    if (look == SNUG_LOOK_OK) {
        look = snug_kept_read(kept, tree->buffer, sizeof tree->buffer, &bytes);
    }
    return look;
}

static void close_process(snug_watched_process *process)
{
    snug_kept_close(&process->stat);
    snug_kept_close(&process->status);
    snug_kept_close(&process->statm);
}

/* Its `stat`, if it is still the same process and lives. */
static snug_look read_stat(snug_processes *tree, snug_watched_process *process, stat_facts *out)
{
    const snug_look look = read_file(tree, process, &process->stat, "stat");
    if (look != SNUG_LOOK_OK) {
        return look;
    }
    if (!parse_stat(tree->buffer, out)) {
        return SNUG_LOOK_FAILED;
    }
    const bool dead = out->state == 'Z' || out->state == 'X';
    return dead || out->start_ticks != process->start_ticks ? SNUG_LOOK_GONE : SNUG_LOOK_OK;
}

/* Adds a process that is not in the tree yet; false when there is no room or it is gone. */
static bool add_process(snug_processes *tree, int64_t pid)
{
    char path[TREE_PATH_BYTES];
    int64_t bytes = 0;
    stat_facts facts = {0};
    for (int64_t i = 0; i < tree->count; i++) {
        if (tree->processes[i].pid == pid) {
            tree->processes[i].found = true;
            return true;
        }
    }
    if (tree->count == SNUG_WATCHED_MAX ||
        snug_look_read(process_path(tree, pid, "stat", path), tree->buffer, sizeof tree->buffer,
                       &bytes) != SNUG_LOOK_OK ||
        !parse_stat(tree->buffer, &facts) || facts.state == 'Z') {
        return false;
    }
    /* Its time before it was found belongs to earlier samples. */
    tree->processes[tree->count++] = (snug_watched_process){
        .pid = pid, .start_ticks = facts.start_ticks, .cpu_ticks = facts.cpu_ticks, .found = true};
    return true;
}

snug_status snug_processes_open(snug_processes *tree, const char *root, int64_t pid, bool whole,
                                bool adopted, snug_error *err)
{
    char path[TREE_PATH_BYTES];
    int64_t bytes = 0;
    stat_facts facts = {0};
    if (strlen(root) > ROOT_BYTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%.100s...' is too long a folder", root);
    }
    memset(tree, 0, sizeof *tree);
    tree->root = root;
    tree->whole = whole;
    tree->adopted = adopted;
    tree->own_pid = snug_process_id();
    tree->ticks_per_second = snug_process_ticks();
    tree->page_bytes = snug_process_page_bytes();
    const snug_look look = snug_look_read(process_path(tree, pid, "stat", path), tree->buffer,
                                          sizeof tree->buffer, &bytes);
    if (look == SNUG_LOOK_GONE) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "there is no process %" PRId64 ", or /proc hides it", pid);
    }
    if (look != SNUG_LOOK_OK || !parse_stat(tree->buffer, &facts)) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot read '%s': %s", path,
                         look != SNUG_LOOK_OK ? snug_look_words(look) : "not what it should be");
    }
    if (facts.state == 'Z' && !adopted) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "process %" PRId64 " has ended", pid);
    }
    (void)snprintf(path, sizeof path, "%s/proc/loadavg", root);
    if (whole && snug_kept_open(path, &tree->newest) != SNUG_LOOK_OK) {
        tree->newest = (snug_kept){0};
    }
    tree->newest_pid = -1;
    tree->count = 1;
    tree->processes[0] = (snug_watched_process){
        .pid = pid, .start_ticks = facts.start_ticks, .cpu_ticks = facts.cpu_ticks};
    return SNUG_OK;
}

void snug_processes_close(snug_processes *tree)
{
    for (int64_t i = 0; i < tree->count; i++) {
        close_process(&tree->processes[i]);
    }
    snug_kept_close(&tree->newest);
    tree->count = 0;
}

/* The children that one thread of a process has made; `tree->buffer` holds their numbers. */
static snug_look read_children(snug_processes *tree, int64_t pid, int64_t task)
{
    char path[TREE_PATH_BYTES];
    int64_t bytes = 0;
    (void)snprintf(path, sizeof path, "%s/proc/%" PRId64 "/task/%" PRId64 "/children", tree->root,
                   pid, task);
    return snug_look_read(path, tree->buffer, sizeof tree->buffer, &bytes);
}

/* Adds them, but for ourselves: a watcher is no part of what it watches. */
static void add_children(snug_processes *tree, int64_t pid, int64_t task)
{
    char list[SNUG_WATCHED_BUFFER_BYTES];
    const snug_look look = read_children(tree, pid, task);
    if (look != SNUG_LOOK_OK) {
        return;
    }
    memcpy(list, tree->buffer, sizeof list);
    for (const char *at = list; *at != '\0';) {
        int64_t child = 0;
        if (!snug_procfs_number(at, &child)) {
            break;
        }
        if (child != tree->own_pid) {
            (void)add_process(tree, child);
        }
        at += strspn(at, "0123456789");
        at += strspn(at, " \n");
    }
}

static void walk_below(snug_processes *tree, int64_t pid, bool deep)
{
    char path[TREE_PATH_BYTES];
    int64_t count = 0;
    add_children(tree, pid, pid);
    if (deep && snug_look_numbers(process_path(tree, pid, "task", path), tree->numbers,
                                  SNUG_WATCHED_NUMBERS_MAX, &count) == SNUG_LOOK_OK) {
        for (int64_t i = 0; i < count; i++) {
            if (tree->numbers[i] != pid) {
                add_children(tree, pid, tree->numbers[i]);
            }
        }
    }
}

/* The parents of all processes of the machine, into `parents`; how many there are. */
static int64_t read_parents(snug_processes *tree)
{
    char path[TREE_PATH_BYTES];
    int64_t count = 0;
    int64_t bytes = 0;
    (void)snprintf(path, sizeof path, "%s/proc", tree->root);
    if (snug_look_numbers(path, tree->numbers, SNUG_WATCHED_NUMBERS_MAX, &count) != SNUG_LOOK_OK) {
        return 0;
    }
    for (int64_t i = 0; i < count; i++) {
        stat_facts facts = {.parent = -1};
        const int64_t pid = tree->numbers[i];
        if (pid != tree->own_pid &&
            snug_look_read(process_path(tree, pid, "stat", path), tree->buffer, sizeof tree->buffer,
                           &bytes) == SNUG_LOOK_OK) {
            (void)parse_stat(tree->buffer, &facts);
        }
        tree->parents[i] = facts.parent;
    }
    return count;
}

/* Where the kernel keeps no lists of children: whose parent is in the tree is in the tree. */
static void search_all(snug_processes *tree)
{
    const int64_t count = read_parents(tree);
    bool grew = true;
    while (grew) {
        grew = false;
        for (int64_t i = 0; i < count; i++) {
            const int64_t parent = tree->parents[i];
            bool inside = tree->adopted && parent == tree->own_pid;
            for (int64_t k = 0; k < tree->count && !inside && parent > 0; k++) {
                inside = tree->processes[k].found && tree->processes[k].pid == parent;
            }
            if (inside) {
                tree->parents[i] = -1;
                grew = add_process(tree, tree->numbers[i]) || grew;
            }
        }
    }
}

/*
 * Takes those out that a complete walk has not found, or that are gone. The first process stays
 * whatever happened.
 */
static void drop_lost(snug_processes *tree, bool complete)
{
    for (int64_t i = 1; i < tree->count;) {
        if (tree->processes[i].found || !(complete || tree->processes[i].gone)) {
            i++;
            continue;
        }
        close_process(&tree->processes[i]);
        tree->processes[i] = tree->processes[--tree->count];
    }
}

/* The newest process of the machine or container; it changes whenever one is started. */
static int64_t newest_pid(snug_processes *tree)
{
    int64_t bytes = 0;
    int64_t newest = -1;
    if (tree->newest.handle == 0 ||
        snug_kept_read(&tree->newest, tree->buffer, sizeof tree->buffer, &bytes) != SNUG_LOOK_OK) {
        return -1;
    }
    const char *last = strrchr(tree->buffer, ' ');
    return last != NULL && snug_procfs_number(last + 1, &newest) ? newest : -1;
}

static void walk_all(snug_processes *tree, bool deep)
{
    const int64_t first = tree->processes[0].pid;
    for (int64_t i = 0; i < tree->count; i++) {
        tree->processes[i].found = i == 0;
    }
    tree->no_children_files =
        tree->no_children_files || read_children(tree, first, first) == SNUG_LOOK_GONE;
    if (tree->no_children_files) {
        search_all(tree);
    } else {
        if (tree->adopted) {
            walk_below(tree, tree->own_pid, false);
        }
        /* The list grows while it is walked: children of children come behind their parents. */
        for (int64_t i = 0; i < tree->count; i++) {
            if (tree->processes[i].found) {
                walk_below(tree, tree->processes[i].pid, deep);
            }
        }
    }
    drop_lost(tree, deep || tree->no_children_files);
}

void snug_processes_walk(snug_processes *tree, int64_t now_ns)
{
    if (!tree->whole || now_ns < tree->next_walk_ns || tree->state != SNUG_TARGET_ALIVE) {
        return;
    }
    const int64_t newest = newest_pid(tree);
    const bool deep = now_ns >= tree->next_deep_ns;
    if (newest >= 0 && newest == tree->newest_pid && !tree->lost_one && !deep) {
        return;
    }
    const int64_t start_ns = snug_clock_ns();
    walk_all(tree, deep);
    tree->newest_pid = newest;
    tree->lost_one = false;
    tree->walk_total_ns += snug_clock_ns() - start_ns;
    tree->first_walk_ns = tree->first_walk_ns == 0 ? now_ns : tree->first_walk_ns;
    const int64_t earned_ns =
        tree->first_walk_ns + (tree->walk_total_ns - WALK_BURST_NS) * WALK_DUTY;
    tree->next_walk_ns = snug_max_i64(now_ns + WALK_INTERVAL_NS, earned_ns);
    if (deep) {
        tree->next_deep_ns = now_ns + DEEP_INTERVAL_NS;
    }
}

/* The first process could not be read: what happened to it? */
static snug_target_state find_state(snug_processes *tree, snug_look look)
{
    char path[TREE_PATH_BYTES];
    int64_t bytes = 0;
    stat_facts facts = {0};
    const snug_watched_process *first = &tree->processes[0];
    if (look == SNUG_LOOK_DENIED) {
        return SNUG_TARGET_HIDDEN;
    }
    if (snug_look_read(process_path(tree, first->pid, "stat", path), tree->buffer,
                       sizeof tree->buffer, &bytes) == SNUG_LOOK_OK &&
        parse_stat(tree->buffer, &facts) && facts.start_ticks != first->start_ticks) {
        return SNUG_TARGET_REUSED;
    }
    return SNUG_TARGET_ENDED;
}

/* "NAME:   123 kB" in a file of such lines, in bytes; -1 when it is not there. */
static int64_t find_kib(const char *text, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n' ? 1 : 0;
        int64_t value = 0;
        if (strncmp(at, name, length) == 0 && at[length] == ':' &&
            snug_procfs_number(at + length + 1 + strspn(at + length + 1, " \t"), &value)) {
            return value * 1024;
        }
    }
    return -1;
}

static void add_status(snug_processes *tree, snug_watched_process *process, snug_reading *sample)
{
    static const struct {
        const char *name;
        snug_log_field field;
    } sums[] = {{"VmRSS", SNUG_FIELD_RSS},
                {"RssAnon", SNUG_FIELD_ANON},
                {"RssFile", SNUG_FIELD_FILE},
                {"RssShmem", SNUG_FIELD_SHMEM},
                {"VmSwap", SNUG_FIELD_SWAP}};
    const int64_t huge = find_kib(tree->buffer, "HugetlbPages");
    for (int64_t i = 0; i < SNUG_COUNT(sums); i++) {
        int64_t bytes = find_kib(tree->buffer, sums[i].name);
        if (bytes < 0) {
            continue;
        }
        if (sums[i].field == SNUG_FIELD_RSS) {
            /* Pages of a huge page pool are memory too, and the kernel leaves them out. */
            bytes += snug_max_i64(huge, 0);
            process->resident_bytes = bytes;
        }
        snug_reading_add(sample, sums[i].field, (double)bytes);
    }
    const int64_t peak = find_kib(tree->buffer, "VmHWM");
    if (process == &tree->processes[0] && peak >= 0) {
        snug_reading_set(sample, SNUG_FIELD_PEAK, (double)(peak + snug_max_i64(huge, 0)));
    }
}

static snug_look read_quick(snug_processes *tree, snug_watched_process *process,
                            snug_reading *sample)
{
    int64_t pages = 0;
    const snug_look look = read_file(tree, process, &process->statm, "statm");
    if (look != SNUG_LOOK_OK) {
        return look;
    }
    const char *second = strchr(tree->buffer, ' ');
    if (second == NULL || !snug_procfs_number(second + 1, &pages)) {
        return SNUG_LOOK_GONE;
    }
    process->resident_bytes = pages * tree->page_bytes;
    /* Without a memory map, as a process that is just ending: nothing is known, not 0. */
    if (pages > 0) {
        snug_reading_add(sample, SNUG_FIELD_RSS, (double)process->resident_bytes);
    }
    return SNUG_LOOK_OK;
}

static snug_look read_process(snug_processes *tree, snug_watched_process *process, int64_t *ticks,
                              snug_reading *sample)
{
    stat_facts facts = {0};
    snug_look look = read_stat(tree, process, &facts);
    if (look != SNUG_LOOK_OK) {
        return look;
    }
    look = read_file(tree, process, &process->status, "status");
    if (look != SNUG_LOOK_OK) {
        return look;
    }
    add_status(tree, process, sample);
    *ticks += facts.cpu_ticks - process->cpu_ticks;
    process->cpu_ticks = facts.cpu_ticks;
    snug_reading_add(sample, SNUG_FIELD_THREADS, (double)facts.threads);
    snug_reading_add(sample, SNUG_FIELD_PROCESSES, 1);
    return SNUG_LOOK_OK;
}

void snug_processes_read(snug_processes *tree, bool quick, int64_t now_ns, snug_reading *sample)
{
    int64_t ticks = 0;
    for (int64_t i = 0; i < tree->count && tree->state == SNUG_TARGET_ALIVE; i++) {
        snug_watched_process *process = &tree->processes[i];
        const snug_look look =
            quick ? read_quick(tree, process, sample) : read_process(tree, process, &ticks, sample);
        if (i == 0 && look != SNUG_LOOK_OK) {
            tree->state = find_state(tree, look);
        }
        process->gone = look == SNUG_LOOK_GONE;
        tree->lost_one = tree->lost_one || process->gone;
    }
    if (quick || tree->state != SNUG_TARGET_ALIVE) {
        return;
    }
    if (tree->cpu_at_ns != 0 && now_ns > tree->cpu_at_ns) {
        const double seconds = (double)(now_ns - tree->cpu_at_ns) * 1e-9;
        const double used = (double)ticks / (double)tree->ticks_per_second;
        snug_reading_set(sample, SNUG_FIELD_CPU, 100 * used / seconds);
    }
    tree->cpu_at_ns = now_ns;
}

void snug_processes_read_pss(snug_processes *tree, snug_reading *sample, snug_pss_cost *out)
{
    snug_pss_cost cost = {.look = SNUG_LOOK_OK};
    bool all = true;
    for (int64_t i = 0; i < tree->count; i++) {
        snug_watched_process *process = &tree->processes[i];
        char path[TREE_PATH_BYTES];
        int64_t bytes = 0;
        const int64_t start_ns = snug_clock_ns();
        const snug_look look =
            snug_look_read(process_path(tree, process->pid, "smaps_rollup", path), tree->buffer,
                           sizeof tree->buffer, &bytes);
        const int64_t took_ns = snug_clock_ns() - start_ns;
        const int64_t pss = look == SNUG_LOOK_OK ? find_kib(tree->buffer, "Pss") : -1;
        const int64_t clean = find_kib(tree->buffer, "Private_Clean");
        const int64_t dirty = find_kib(tree->buffer, "Private_Dirty");
        cost.total_ns += took_ns;
        if (took_ns > cost.stall_ns) {
            cost.stall_ns = took_ns;
            cost.rss_bytes = process->resident_bytes;
        }
        if (i == 0) {
            cost.look = look == SNUG_LOOK_OK && pss < 0 ? SNUG_LOOK_FAILED : look;
        }
        /* One that has just ended is no longer part of the sum; one that hides spoils it. */
        all = all && (pss >= 0 || look == SNUG_LOOK_GONE);
        if (pss >= 0) {
            snug_reading_add(sample, SNUG_FIELD_PSS, (double)pss);
            snug_reading_add(sample, SNUG_FIELD_USS,
                             (double)(snug_max_i64(clean, 0) + snug_max_i64(dirty, 0)));
        }
    }
    if (!all) {
        snug_reading_drop(sample, SNUG_FIELD_PSS);
        snug_reading_drop(sample, SNUG_FIELD_USS);
    }
    *out = cost;
}

bool snug_processes_has(const snug_processes *tree, int64_t pid)
{
    for (int64_t i = 0; i < tree->count; i++) {
        if (tree->processes[i].pid == pid) {
            return true;
        }
    }
    return false;
}

int64_t snug_processes_largest(const snug_processes *tree)
{
    int64_t largest = 0;
    for (int64_t i = 0; i < tree->count; i++) {
        largest = snug_max_i64(largest, tree->processes[i].resident_bytes);
    }
    return largest;
}
