#include "monitor/watch.h"

#include "base/checked.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/procfs.h"

static const int64_t INTERVAL_LEAST_NS = 2000000;
static const int64_t INTERVAL_MOST_NS = 100000000;
/* Faster than one core clears pages; several at once are what the last interval is short for. */
static const int64_t FILL_BYTES_PER_MS = (INT64_C(8) << 30) / 1000;
/* Shares of the time that looking may take: the list of processes, and measuring without need. */
enum { TREE_SHARE = 4, MEASURE_SHARE = 20 };

int64_t snug_watch_interval_ns(int64_t headroom_bytes)
{
    if (headroom_bytes >= FILL_BYTES_PER_MS * (INTERVAL_MOST_NS / 1000000)) {
        return INTERVAL_MOST_NS;
    }
    return snug_max_i64(INTERVAL_LEAST_NS, headroom_bytes * 1000000 / FILL_BYTES_PER_MS);
}

void snug_watch_begin(snug_watch *watch, int64_t limit_bytes, int64_t except)
{
    const bool reads_data = watch->reads_data;
    *watch = (snug_watch){
        .limit_bytes = limit_bytes, .except = except, .reads_data = reads_data, .clock = -1};
}

/* Lists the tree again when a process was started anywhere since. */
static void refresh_tree(snug_watch *watch)
{
    const int64_t now = snug_clock_ns();
    const int64_t clock = snug_pids_clock();
    if ((clock >= 0 && clock == watch->clock) ||
        now - watch->tree_ns < TREE_SHARE * watch->tree_cost_ns) {
        return;
    }
    watch->clock = clock;
    if (snug_failed(snug_descendants_read(0, watch->except, &watch->tree, NULL))) {
        watch->tree.count = 0;
    }
    watch->tree_ns = snug_clock_ns();
    watch->tree_cost_ns = watch->tree_ns - now;
}

static void read_data(snug_watch *watch, int64_t pid)
{
    snug_process_memory memory;
    if (watch->reads_data && snug_procfs_process("", pid, &memory, NULL) == SNUG_OK) {
        watch->data_peak_bytes = snug_max_i64(watch->data_peak_bytes, memory.data_bytes);
    }
}

/* The quick sums. */
static snug_process_pages add_up(snug_watch *watch)
{
    snug_process_pages sum = {0};
    for (int64_t i = 0; i < watch->tree.count; i++) {
        snug_process_pages pages;
        snug_process_pages_read(watch->tree.pids[i], &pages);
        sum.anonymous_bytes += pages.anonymous_bytes;
        sum.shared_bytes += pages.shared_bytes;
        read_data(watch, watch->tree.pids[i]);
    }
    return sum;
}

static int64_t estimate(const snug_watch *watch, const snug_process_pages *sum)
{
    return snug_max_i64(0, sum->anonymous_bytes - watch->duplicate_bytes) +
           snug_max_i64(0, sum->shared_bytes - watch->file_bytes);
}

static void send_all(const snug_watch *watch, snug_signal signal)
{
    for (int64_t i = 0; i < watch->tree.count; i++) {
        snug_signal_send(watch->tree.pids[i], signal);
    }
}

/* Replaces the quick sums by shares; what cannot be measured counts in full. */
static void measure(snug_watch *watch)
{
    const int64_t start = snug_clock_ns();
    snug_process_pages quick = {0};
    snug_process_pages share = {0};
    for (int64_t i = 0; i < watch->tree.count; i++) {
        snug_process_pages pages;
        snug_process_pages_read(watch->tree.pids[i], &pages);
        quick.anonymous_bytes += pages.anonymous_bytes;
        quick.shared_bytes += pages.shared_bytes;
        (void)snug_process_share_read(watch->tree.pids[i], &pages);
        share.anonymous_bytes += pages.anonymous_bytes;
        share.shared_bytes += pages.shared_bytes;
    }
    watch->duplicate_bytes = quick.anonymous_bytes - share.anonymous_bytes;
    watch->file_bytes = quick.shared_bytes - share.shared_bytes;
    watch->used_bytes = share.anonymous_bytes + share.shared_bytes;
    watch->measured_ns = snug_clock_ns();
    watch->measure_cost_ns = watch->measured_ns - start;
    watch->measures++;
}

/* Copies made on write do not show in the quick sums: look properly while they could matter. */
static bool copies_matter(const snug_watch *watch)
{
    return watch->duplicate_bytes > watch->limit_bytes - watch->used_bytes &&
           snug_clock_ns() - watch->measured_ns > MEASURE_SHARE * watch->measure_cost_ns;
}

bool snug_watch_look(snug_watch *watch)
{
    bool over = false;
    refresh_tree(watch);
    const snug_process_pages sum = add_up(watch);
    watch->used_bytes = estimate(watch, &sum);
    watch->looks++;
    if (watch->used_bytes > watch->limit_bytes) {
        send_all(watch, SNUG_SIGNAL_STOP);
        measure(watch);
        over = watch->used_bytes > watch->limit_bytes;
        if (!over) {
            send_all(watch, SNUG_SIGNAL_CONTINUE);
        }
    } else if (watch->limit_bytes != INT64_MAX && copies_matter(watch)) {
        measure(watch);
        over = watch->used_bytes > watch->limit_bytes;
        if (over) {
            send_all(watch, SNUG_SIGNAL_STOP);
        }
    }
    watch->peak_bytes = snug_max_i64(watch->peak_bytes, watch->used_bytes);
    return over;
}
