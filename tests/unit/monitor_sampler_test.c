/* labels: fast */
#include "check.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "monitor/find_process.h"
#include "monitor/sampler.h"
#include "sys/clock.h"
#include "sys/file.h"

/* A machine in a folder: /proc with a few processes, /sys with what a test puts there. */
static char root[64];
static snug_sampler sampler;
static snug_error err;
enum { KIB = 1024 };

static void put(const char *name, const char *content)
{
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    CHECK_OK(snug_folder_make(path, &err));
    *slash = '/';
    /* In place: a file that is open shows the new content, as under /proc. */
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    (void)fputs(content, file);
    CHECK(fclose(file) == 0);
}

static void drop(const char *name)
{
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s%s", root, name);
    CHECK_OK(snug_folder_remove(path, &err));
}

static void put_stat(int pid, char state, int parent, int ticks, int threads, int started)
{
    char name[64];
    char text[512];
    (void)snprintf(name, sizeof name, "/proc/%d/stat", pid);
    (void)snprintf(text, sizeof text,
                   "%d (a ) b) %c %d 1 1 0 -1 4194304 100 0 0 0 %d 0 0 0 20 0 %d 0 %d 4096 10 "
                   "18446744073709551615 1 1 0\n",
                   pid, state, parent, ticks, threads, started);
    put(name, text);
}

/* Resident: anon + file + shmem, KiB. */
static void put_status(int pid, int anon, int file, int shmem, int swap)
{
    char name[64];
    char text[512];
    (void)snprintf(name, sizeof name, "/proc/%d/status", pid);
    (void)snprintf(text, sizeof text,
                   "Name:\tx\nVmPeak:\t 999999 kB\nVmHWM:\t %8d kB\nVmRSS:\t %8d kB\n"
                   "RssAnon:\t %d kB\nRssFile:\t %d kB\nRssShmem:\t %d kB\nVmSwap:\t %d kB\n"
                   "Threads:\t3\n",
                   anon + file + shmem + 7, anon + file + shmem, anon, file, shmem, swap);
    put(name, text);
    (void)snprintf(name, sizeof name, "/proc/%d/statm", pid);
    (void)snprintf(text, sizeof text, "5000 %d 10 1 0 400 0\n", (anon + file + shmem) / 4);
    put(name, text);
}

static void put_children(int pid, int task, const char *list)
{
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/%d/task/%d/children", pid, task);
    put(name, list);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "monitor_sampler.XXXXXX");
    if (mkdtemp(root) == NULL) {
        return 1;
    }
    put("/proc/meminfo", "MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: 400000 kB\n"
                         "Cached: 5 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n");
    put("/proc/pressure/memory", "some avg10=1.25 avg60=0.00 avg300=0.00 total=1\n"
                                 "full avg10=0.50 avg60=0.00 avg300=0.00 total=1\n");
    put("/proc/loadavg", "0.10 0.20 0.30 2/345 100\n");
    put("/proc/stat", "cpu  100 0 50 1000 10 0 0 0 0 0\ncpu0 1 2 3 4\n");
    put_stat(50, 'S', 1, 200, 3, 7000);
    put_status(50, 1000, 200, 40, 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    snug_sampler_close(&sampler);
    return snug_folder_remove(root, NULL) != SNUG_OK;
}

static snug_sampler_options process_options(void)
{
    return (snug_sampler_options){
        .root = root, .pid = 50, .whole = true, .pss = SNUG_PSS_ALWAYS, .no_gpu = true};
}

static double value(const snug_reading *sample, snug_log_field field)
{
    return snug_reading_get(sample, field, -1);
}

static void one_process_is_read_and_what_is_missing_is_absent(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(snug_sampler_state(&sampler) == SNUG_TARGET_ALIVE);
    CHECK(value(&sample, SNUG_FIELD_RSS) == 1240 * KIB);
    CHECK(value(&sample, SNUG_FIELD_ANON) == 1000 * KIB);
    CHECK(value(&sample, SNUG_FIELD_FILE) == 200 * KIB);
    CHECK(value(&sample, SNUG_FIELD_SHMEM) == 40 * KIB);
    CHECK(value(&sample, SNUG_FIELD_SWAP) == 8 * KIB);
    CHECK(value(&sample, SNUG_FIELD_PEAK) == 1247 * KIB);
    CHECK(value(&sample, SNUG_FIELD_THREADS) == 3);
    CHECK(value(&sample, SNUG_FIELD_PROCESSES) == 1);
    CHECK(value(&sample, SNUG_FIELD_AVAILABLE) == 400000.0 * KIB);
    CHECK(value(&sample, SNUG_FIELD_USED) == 600000.0 * KIB);
    CHECK(value(&sample, SNUG_FIELD_SWAP_USED) == 60 * KIB);
    CHECK(value(&sample, SNUG_FIELD_PSI_SOME) == 1.25);
    CHECK(value(&sample, SNUG_FIELD_PSI_FULL) == 0.5);
    /* No smaps_rollup, no groups, no sensors, no second look at the CPU: no fields, and reasons. */
    const snug_log_field absent[] = {
        SNUG_FIELD_PSS, SNUG_FIELD_USS,         SNUG_FIELD_CGROUP,  SNUG_FIELD_CGROUP_LIMIT,
        SNUG_FIELD_CPU, SNUG_FIELD_TEMPERATURE, SNUG_FIELD_GPU_USED};
    for (int64_t i = 0; i < SNUG_COUNT(absent); i++) {
        CHECK(!snug_reading_has(&sample, absent[i]));
    }
    CHECK(sampler.why_not[SNUG_FIELD_CGROUP] != NULL);
    CHECK(sampler.why_not[SNUG_FIELD_TEMPERATURE] != NULL);
    CHECK(sampler.why_not[SNUG_FIELD_GPU_USED] != NULL);
}

static void cpu_is_what_was_used_between_two_looks(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    const int64_t second = 1000000000;
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, second, &sample);
    put_stat(50, 'R', 1, 200 + (int)snug_process_ticks(), 3, 7000);
    snug_sampler_take(&sampler, 3 * second, &sample);
    CHECK(fabs(value(&sample, SNUG_FIELD_CPU) - 50) < 1e-9);
}

static void between_seconds_only_what_is_cheap_is_read(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    put_status(50, 2000, 200, 40, 8);
    snug_sampler_take(&sampler, 100000000, &sample);
    CHECK(value(&sample, SNUG_FIELD_RSS) == 2240 * KIB);
    CHECK(!snug_reading_has(&sample, SNUG_FIELD_ANON));
    CHECK(snug_reading_has(&sample, SNUG_FIELD_AVAILABLE));
}

static void the_tree_is_found_by_lists_of_children(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    put_children(50, 50, "60 61 ");
    put_children(50, 51, "62 ");
    put_children(60, 60, "70 ");
    put_children(61, 61, "");
    put_children(62, 62, "");
    put_children(70, 70, "");
    put_children(90, 90, "");
    for (int pid = 60; pid <= 62; pid++) {
        put_stat(pid, 'S', 50, 0, 1, 8000);
        put_status(pid, 100, 0, 0, 0);
    }
    put_stat(70, 'S', 60, 0, 1, 8000);
    put_status(70, 100, 0, 0, 0);
    put_stat(90, 'S', 1, 0, 1, 8000);
    put_status(90, 100000, 0, 0, 0);
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_PROCESSES) == 5);
    CHECK(value(&sample, SNUG_FIELD_RSS) == (1240 + 400) * KIB);
    /* What has ended holds nothing, whether its parent has noticed or not. */
    put_stat(70, 'X', 60, 0, 1, 8000);
    put_children(60, 60, "");
    put_stat(61, 'Z', 50, 0, 1, 8000);
    /* A walk is only made when a process was started, here 101, or one was lost. */
    put("/proc/loadavg", "0.10 0.20 0.30 2/345 101\n");
    snug_sampler_take(&sampler, 2000000000, &sample);
    CHECK(value(&sample, SNUG_FIELD_PROCESSES) == 3);
    snug_sampler_take(&sampler, 4000000000, &sample);
    CHECK(sampler.processes.count == 4);
    CHECK(value(&sample, SNUG_FIELD_PROCESSES) == 3);
}

static void without_lists_of_children_parents_are_searched(void **state)
{
    (void)state;
    snug_reading sample;
    snug_sampler_options options = process_options();
    /* Children may have smaller numbers than their parents. */
    put_stat(70, 'S', 80, 0, 1, 8000);
    put_status(70, 100, 0, 0, 0);
    put_stat(80, 'S', 50, 0, 1, 8000);
    put_status(80, 100, 0, 0, 0);
    put_stat(90, 'S', 1, 0, 1, 8000);
    put_status(90, 100000, 0, 0, 0);
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_PROCESSES) == 3);
    snug_sampler_close(&sampler);
    options.whole = false;
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_PROCESSES) == 1);
}

static void a_process_that_ends_is_told_from_one_whose_number_is_used_again(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    put_stat(50, 'S', 1, 0, 1, 9999);
    snug_sampler_take(&sampler, 2000000000, &sample);
    CHECK(snug_sampler_state(&sampler) == SNUG_TARGET_REUSED);
    snug_sampler_close(&sampler);

    put_stat(50, 'S', 1, 0, 1, 7000);
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    put_stat(50, 'Z', 1, 0, 1, 7000);
    snug_sampler_take(&sampler, 2000000000, &sample);
    CHECK(snug_sampler_state(&sampler) == SNUG_TARGET_ENDED);
}

static void what_cannot_be_opened_is_one_clear_error(void **state)
{
    (void)state;
    snug_sampler_options options = process_options();
    options.pid = 51;
    CHECK_FAILS(snug_sampler_open(&sampler, &options, &err), SNUG_CODE_NOT_FOUND);
    CHECK(strstr(err.message, "51") != NULL);
    put("/proc/51/stat", "rubbish\n");
    CHECK_FAILS(snug_sampler_open(&sampler, &options, &err), SNUG_CODE_IO);
    put_stat(51, 'Z', 1, 0, 1, 1);
    CHECK_FAILS(snug_sampler_open(&sampler, &options, &err), SNUG_CODE_NOT_FOUND);
    options.pid = 50;
    drop("/proc/meminfo");
    CHECK_FAILS(snug_sampler_open(&sampler, &options, &err), SNUG_CODE_IO);
}

static void put_rollup(int pid, int pss)
{
    char name[64];
    char text[256];
    (void)snprintf(name, sizeof name, "/proc/%d/smaps_rollup", pid);
    (void)snprintf(text, sizeof text,
                   "55 [rollup]\nRss: 1 kB\nPss: %d kB\nPss_Anon: 1 kB\nPrivate_Clean: 10 kB\n"
                   "Private_Dirty: 20 kB\n",
                   pss);
    put(name, text);
}

static void the_share_is_summed_and_read_at_most_one_percent_of_the_time(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    put_stat(60, 'S', 50, 0, 1, 8000);
    put_status(60, 100, 0, 0, 0);
    put_rollup(50, 600);
    put_rollup(60, 50);
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_PSS) == 650 * KIB);
    CHECK(value(&sample, SNUG_FIELD_USS) == 60 * KIB);
    CHECK(sampler.pss_ns > 1);
    /* However fast it was: not again before a hundred times as long. */
    sampler.pss_ns = 5000000000;
    snug_sampler_take(&sampler, 2000000000, &sample);
    CHECK(!snug_reading_has(&sample, SNUG_FIELD_PSS));
    snug_sampler_take(&sampler, 6000000000, &sample);
    CHECK(snug_reading_has(&sample, SNUG_FIELD_PSS));
}

static void a_large_target_is_not_made_to_wait(void **state)
{
    (void)state;
    snug_reading sample;
    snug_sampler_options options = process_options();
    options.pss = SNUG_PSS_AUTO;
    put_rollup(50, 600);
    put_status(50, 100000, 0, 0, 0);
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(!snug_reading_has(&sample, SNUG_FIELD_PSS));
    CHECK(strstr(sampler.why_not[SNUG_FIELD_PSS], "--pss always") != NULL);
    snug_sampler_close(&sampler);
    put_status(50, 4000, 0, 0, 0);
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(snug_reading_has(&sample, SNUG_FIELD_PSS));
}

static void put_v2(const char *group)
{
    char name[128];
    put("/proc/50/cgroup", "0::/job/leaf\n");
    put("/proc/self/cgroup", "0::/job/leaf\n");
    put("/proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    (void)snprintf(name, sizeof name, "/sys/fs/cgroup%s/memory.max", group);
    put(name, "8388608\n");
    put("/sys/fs/cgroup/job/leaf/memory.current", "3000000\n");
    put("/sys/fs/cgroup/job/leaf/memory.peak", "3500000\n");
    put("/sys/fs/cgroup/job/leaf/memory.stat", "anon 1\ninactive_file 111000\n");
    put("/sys/fs/cgroup/job/leaf/memory.events", "low 0\noom 2\noom_kill 1\n");
    put("/sys/fs/cgroup/job/leaf/memory.pressure",
        "some avg10=7.00 avg60=0 avg300=0 total=1\nfull avg10=3.00 avg60=0 avg300=0 total=1\n");
    put("/sys/fs/cgroup/job/memory.current", "5000000\n");
    put("/sys/fs/cgroup/job/memory.stat", "inactive_file 222000\n");
    put("/sys/fs/cgroup/job/memory.events", "oom_kill 4\n");
}

static void the_group_that_binds_is_the_one_that_is_shown(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    put_v2("/job");
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_CGROUP) == 5000000);
    CHECK(value(&sample, SNUG_FIELD_CGROUP_LIMIT) == 8388608);
    CHECK(value(&sample, SNUG_FIELD_CGROUP_CACHE) == 222000);
    CHECK(!snug_reading_has(&sample, SNUG_FIELD_CGROUP_PEAK));
    CHECK(sampler.why_not[SNUG_FIELD_CGROUP_PEAK] != NULL);
    /* Pressure is that of the own group, not of the machine. */
    CHECK(value(&sample, SNUG_FIELD_PSI_SOME) == 7);
    CHECK(value(&sample, SNUG_FIELD_PSI_FULL) == 3);
}

static void a_limit_that_changes_and_a_kill_are_seen(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    const int64_t second = 1000000000;
    put_v2("/job/leaf");
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, second, &sample);
    CHECK(value(&sample, SNUG_FIELD_CGROUP) == 3000000);
    CHECK(value(&sample, SNUG_FIELD_CGROUP_PEAK) == 3500000);
    CHECK(!sampler.limit_changed);
    CHECK(sampler.oom_kills_new == 0);
    put("/sys/fs/cgroup/job/leaf/memory.max", "4194304\n");
    put("/sys/fs/cgroup/job/leaf/memory.events", "low 0\noom 2\noom_kill 3\n");
    snug_sampler_take(&sampler, 2 * second, &sample);
    CHECK(sampler.oom_kills_new == 2);
    CHECK(!sampler.limit_changed);
    snug_sampler_take(&sampler, 12 * second, &sample);
    CHECK(sampler.limit_changed);
    CHECK(value(&sample, SNUG_FIELD_CGROUP_LIMIT) == 4194304);
    CHECK(sampler.oom_kills_new == 0);
}

static void the_hottest_sensor_is_the_temperature(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = process_options();
    put("/sys/class/hwmon/hwmon0/temp1_input", "41000\n");
    put("/sys/class/hwmon/hwmon1/temp1_input", "63500\n");
    put("/sys/class/thermal/thermal_zone0/temp", "99000\n");
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_TEMPERATURE) == 63.5);
    snug_sampler_close(&sampler);
    drop("/sys/class/hwmon");
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    CHECK(value(&sample, SNUG_FIELD_TEMPERATURE) == 99);
}

static void the_machine_has_no_processes_but_cpu_and_threads(void **state)
{
    (void)state;
    snug_reading sample;
    const snug_sampler_options options = {.root = root, .no_gpu = true};
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1000000000, &sample);
    CHECK(!snug_reading_has(&sample, SNUG_FIELD_RSS));
    CHECK(value(&sample, SNUG_FIELD_THREADS) == 345);
    put("/proc/stat", "cpu  200 0 50 3000 10 0 0 0 0 0\n");
    snug_sampler_take(&sampler, 3000000000, &sample);
    CHECK(fabs(value(&sample, SNUG_FIELD_CPU) - 5000.0 / (double)snug_process_ticks()) < 1e-9);
}

static void a_name_finds_one_process_and_lists_several(void **state)
{
    (void)state;
    int64_t pid = -1;
    put("/proc/50/comm", "worker\n");
    put("/proc/60/comm", "python3\n");
    put("/proc/61/comm", "python3\n");
    CHECK_OK(snug_find_process(root, "worker", &pid, &err));
    CHECK(pid == 50);
    pid = -1;
    CHECK_FAILS(snug_find_process(root, "work", &pid, &err), SNUG_CODE_NOT_FOUND);
    CHECK_FAILS(snug_find_process(root, "python3", &pid, &err), SNUG_CODE_USAGE);
    CHECK(strstr(err.message, "60") != NULL && strstr(err.message, "61") != NULL);
    CHECK(pid == -1);
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/proc/60/cmdline", root);
    const char words[] = "/usr/bin/python3\0/x/train.py\0--lr\0";
    CHECK_OK(snug_file_write_all(path, words, sizeof words - 1, &err));
    CHECK_OK(snug_find_process(root, "train.py", &pid, &err));
    CHECK(pid == 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        EACH(one_process_is_read_and_what_is_missing_is_absent),
        EACH(cpu_is_what_was_used_between_two_looks),
        EACH(between_seconds_only_what_is_cheap_is_read),
        EACH(the_tree_is_found_by_lists_of_children),
        EACH(without_lists_of_children_parents_are_searched),
        EACH(a_process_that_ends_is_told_from_one_whose_number_is_used_again),
        EACH(what_cannot_be_opened_is_one_clear_error),
        EACH(the_share_is_summed_and_read_at_most_one_percent_of_the_time),
        EACH(a_large_target_is_not_made_to_wait),
        EACH(the_group_that_binds_is_the_one_that_is_shown),
        EACH(a_limit_that_changes_and_a_kill_are_seen),
        EACH(the_hottest_sensor_is_the_temperature),
        EACH(the_machine_has_no_processes_but_cpu_and_threads),
        EACH(a_name_finds_one_process_and_lists_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
