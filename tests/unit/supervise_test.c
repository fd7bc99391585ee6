/* labels: fast */
#include "check.h"

#include <unistd.h>

#include "monitor/supervise.h"
#include "monitor/watch.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/procfs.h"

static const int64_t MIB = 1 << 20;

static void the_interval_is_what_the_headroom_allows(void **state)
{
    (void)state;
    CHECK(snug_watch_interval_ns(INT64_MAX) == 100000000);
    CHECK(snug_watch_interval_ns(-5) == 2000000);
    CHECK(snug_watch_interval_ns(0) == 2000000);
    /* Never longer than memory at 8 GiB/s takes to fill the headroom, but for the shortest. */
    for (int64_t headroom = 0; headroom < 2000 * MIB; headroom += 7 * MIB) {
        const int64_t ns = snug_watch_interval_ns(headroom);
        CHECK(ns >= 2000000 && ns <= 100000000);
        CHECK(ns == 2000000 ||
              (double)ns * 1e-9 * 8.0 * 1024 * (double)MIB <= (double)headroom * 1.01);
    }
}

/* One death and the cause that is right. */
typedef struct death_case {
    snug_death death;
    snug_cause cause;
    const char *words;
} death_case;

#define LIMIT_BYTES (INT64_C(1000) << 20)
static const death_case death_cases[] = {
    {{.rung = SNUG_RUNG_CGROUP_V1, .group_peak_bytes = 5, .status = 0},
     SNUG_CAUSE_COMMAND,
     "finished, status 0"},
    {{.rung = SNUG_RUNG_CGROUP_V1, .group_peak_bytes = LIMIT_BYTES, .status = 3},
     SNUG_CAUSE_COMMAND,
     "finished, status 3"},
    {{.rung = SNUG_RUNG_CGROUP_V1,
      .by_signal = true,
      .status = 11,
      .group_peak_bytes = LIMIT_BYTES},
     SNUG_CAUSE_COMMAND,
     "SIGSEGV (11)"},
    {{.rung = SNUG_RUNG_CGROUP_V2,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .group_kills = 2,
      .machine_kills = 2,
      .group_peak_bytes = LIMIT_BYTES - (1 << 20)},
     SNUG_CAUSE_LIMIT,
     "oom_kill +2"},
    /* A kernel that keeps no peak: the kill in our group has to do. */
    {{.rung = SNUG_RUNG_CGROUP_V2,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .group_kills = 1,
      .group_peak_bytes = -1},
     SNUG_CAUSE_LIMIT,
     "killed by the limit"},
    /* Killed far below the own limit: the machine, or a group above. */
    {{.rung = SNUG_RUNG_CGROUP_V2,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .group_kills = 1,
      .machine_kills = 1,
      .group_peak_bytes = INT64_C(300) << 20},
     SNUG_CAUSE_MACHINE,
     "below its own limit"},
    {{.rung = SNUG_RUNG_WATCH,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .machine_kills = 1,
      .group_peak_bytes = -1},
     SNUG_CAUSE_MACHINE,
     "oom_kill +1"},
    {{.rung = SNUG_RUNG_WATCH,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .group_peak_bytes = -1},
     SNUG_CAUSE_OUTSIDE,
     "from outside"},
    /* A shell that tells of its child: 137. */
    {{.rung = SNUG_RUNG_WATCH, .status = 137, .was_killed = true, .group_peak_bytes = -1},
     SNUG_CAUSE_OUTSIDE,
     "from outside"},
    {{.rung = SNUG_RUNG_WATCH,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .watch_over = true,
      .group_peak_bytes = -1},
     SNUG_CAUSE_LIMIT,
     "the watch found"},
    {{.rung = SNUG_RUNG_RLIMIT,
      .status = 1,
      .data_peak_bytes = INT64_C(900) << 20,
      .group_peak_bytes = -1},
     SNUG_CAUSE_LIMIT_LIKELY,
     "likely because of the limit"},
    {{.rung = SNUG_RUNG_RLIMIT,
      .status = 1,
      .data_peak_bytes = INT64_C(700) << 20,
      .group_peak_bytes = -1},
     SNUG_CAUSE_COMMAND,
     "finished, status 1"},
    {{.rung = SNUG_RUNG_RLIMIT,
      .status = 0,
      .data_peak_bytes = INT64_C(999) << 20,
      .group_peak_bytes = -1},
     SNUG_CAUSE_COMMAND,
     "finished, status 0"},
    {{.rung = SNUG_RUNG_WATCH,
      .by_signal = true,
      .status = 15,
      .time_over = true,
      .group_peak_bytes = -1},
     SNUG_CAUSE_TIME,
     "its time was over"},
    {{.rung = SNUG_RUNG_WATCH,
      .by_signal = true,
      .status = 9,
      .was_killed = true,
      .stops = 2,
      .group_peak_bytes = -1},
     SNUG_CAUSE_USER,
     "on request"},
};

static void every_death_has_its_cause(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof death_cases / sizeof death_cases[0]; i++) {
        char text[SNUG_CAUSE_TEXT_BYTES];
        snug_death death = death_cases[i].death;
        death.limit_bytes = LIMIT_BYTES;
        const snug_cause cause = snug_death_explain(&death, text);
        if (cause != death_cases[i].cause || strstr(text, death_cases[i].words) == NULL) {
            print_error("case %zu: %s: %s\n", i, snug_cause_key(cause), text);
        }
        CHECK(cause == death_cases[i].cause);
        CHECK(strstr(text, death_cases[i].words) != NULL);
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    CHECK_OK(snug_path_join(folder, name, path, &err));
    CHECK_OK(snug_file_write_all(path, text, (int64_t)strlen(text), &err));
}

static void check_file(const char *folder, const char *name, const char *wanted)
{
    char path[SNUG_PATH_BYTES];
    char text[64];
    int64_t bytes = 0;
    snug_error err = {0};
    CHECK_OK(snug_path_join(folder, name, path, &err));
    CHECK_OK(snug_file_read_into(path, text, sizeof text, &bytes, &err));
    /* A file of the kernel is written from its start; a plain one keeps what was longer. */
    CHECK(strncmp(text, wanted, strlen(wanted)) == 0);
}

/* A folder with the files of a group stands in for one that this machine may not have. */
static void a_v2_group_is_limited_and_read(void **state)
{
    snug_group group = {.version = 2};
    snug_error err = {0};
    snug_text why;
    char data[256];
    snug_pids members;
    (void)state;
    (void)snprintf(group.folder, sizeof group.folder, "supervise_test.group");
    CHECK_OK(snug_folder_make(group.folder, &err));
    write_file(group.folder, "memory.max", "max\n                ");
    write_file(group.folder, "memory.swap.max", "max\n");
    write_file(group.folder, "memory.oom.group", "0\n");
    write_file(group.folder, "memory.current", "4096\n");
    write_file(group.folder, "memory.peak", "8192\n");
    write_file(group.folder, "memory.events",
               "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n");
    write_file(group.folder, "cgroup.procs", "");
    write_file(group.folder, "cgroup.kill", "");
    snug_text_init(&why, data, sizeof data);
    CHECK(snug_group_limit(&group, 104857600, &why));
    CHECK(group.limit_bytes == 104857600);
    check_file(group.folder, "memory.max", "104857600");
    check_file(group.folder, "memory.swap.max", "0");
    check_file(group.folder, "memory.oom.group", "1");
    CHECK(snug_group_usage(&group) == 4096);
    CHECK(snug_group_peak(&group) == 8192);
    CHECK(snug_group_kills(&group) == 3);
    CHECK(snug_group_kill(&group, 1));
    check_file(group.folder, "cgroup.kill", "1");
    write_file(group.folder, "cgroup.procs", "12\n4711\n");
    snug_group_members(&group, &members);
    CHECK(members.count == 2 && members.pids[1] == 4711);
    CHECK_OK(snug_folder_remove(group.folder, &err));
    CHECK(!snug_group_limit(&group, 1, &why));
    CHECK(strstr(data, "memory.max cannot be set: No such file or directory") != NULL);
    CHECK(snug_group_remove(&group) && group.version == 0);
}

/* Every layout of tests/fixtures/cgroup has no kernel behind it: nothing may be made, and why. */
static void where_no_group_can_be_made_it_is_said(void **state)
{
    static const char root[] = "supervise_test.root";
    snug_error err = {0};
    snug_enforcer enforcer = {0};
    (void)state;
    CHECK_OK(snug_folder_make("supervise_test.root/proc/self", &err));
    CHECK_OK(snug_folder_make("supervise_test.root/sys/fs/cgroup/job", &err));
    write_file("supervise_test.root/proc/self", "cgroup", "0::/job\n");
    write_file("supervise_test.root/proc/self", "mountinfo",
               "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    const snug_enforce_options options = {.root = root,
                                          .choice = SNUG_ENFORCE_CGROUP,
                                          .limit_bytes = 100 * MIB,
                                          .name = "snug-run-test"};
    CHECK_FAILS(snug_enforce_open(&options, &enforcer, &err), SNUG_CODE_UNSUPPORTED);
    CHECK(strstr(err.message, "does not hand memory down") != NULL);
    CHECK(strstr(err.message, "cgroup v1: the memory controller is in v2") != NULL);
    CHECK(strstr(err.message, "systemd: systemd does not run here") != NULL);
    CHECK(enforcer.rung == SNUG_RUNG_NONE);
    /* Nothing was left in any of the levels. */
    CHECK(snug_path_look("supervise_test.root/sys/fs/cgroup/job/snug-run-test") == SNUG_PATH_NONE);
    CHECK(snug_path_look("supervise_test.root/sys/fs/cgroup/snug-run-test") == SNUG_PATH_NONE);
    /* The ladder goes on to what needs no group. */
    snug_enforce_options any = options;
    any.choice = SNUG_ENFORCE_AUTO;
    CHECK_OK(snug_enforce_open(&any, &enforcer, &err));
    CHECK(enforcer.rung == SNUG_RUNG_RLIMIT && enforcer.limit_bytes == 100 * MIB);
    CHECK(strstr(enforcer.why, "cgroup v2:") != NULL && strstr(enforcer.why, "systemd:") != NULL);
    CHECK(snug_enforce_close(&enforcer));
    CHECK_OK(snug_folder_remove(root, &err));
}

static _Alignas(SNUG_ALIGN) unsigned char block[1 << 16];

/* Runs a shell line under a watch of `limit`; what came of it. */
static snug_attempt attempt(const char *script, int64_t limit_bytes)
{
    char words[3][256] = {"sh", "-c", ""};
    char *arguments[] = {words[0], words[1], words[2], NULL};
    snug_enforcer enforcer = {.rung = SNUG_RUNG_WATCH, .limit_bytes = limit_bytes};
    const snug_attempt_options options = {.arguments = arguments, .enforcer = &enforcer};
    snug_attempt out = {0};
    snug_error err = {0};
    snug_arena arena;
    int code = 0;
    (void)snprintf(words[2], sizeof words[2], "%s", script);
    snug_arena_init(&arena, "test", block, sizeof block);
    snug_signals_take();
    snug_child_adopt(true);
    CHECK_OK(snug_attempt_run(&options, &arena, &out, &code, &err));
    snug_child_adopt(false);
    snug_signals_give_back();
    CHECK(arena.used_bytes == 0);
    return out;
}

static void an_attempt_leaves_nothing(void **state)
{
    snug_pids left;
    snug_error err = {0};
    (void)state;
    snug_attempt out = attempt("exit 5", 100 * MIB);
    CHECK(out.exit_code == 5 && out.cause == SNUG_CAUSE_COMMAND && out.clean);
    out = attempt("kill -ABRT $$", 100 * MIB);
    CHECK(out.exit_code == 134 && out.signal == 6);
    out = attempt("sleep 50 & (sleep 50 &) ; exit 0", 100 * MIB);
    CHECK(out.exit_code == 0 && out.left_behind == 2 && out.clean);
    out = attempt("sleep 50", 64 << 10);
    CHECK(out.cause == SNUG_CAUSE_LIMIT && out.exit_code == 137 && out.clean);
    CHECK_OK(snug_descendants_read(0, 0, &left, &err));
    CHECK(left.count == 0);
}

static void a_command_that_is_not_there_fails_with_its_code(void **state)
{
    char word[] = "no-such-command-here";
    char folder[] = "/";
    char *arguments[] = {word, NULL};
    snug_child_options options = {.arguments = arguments};
    snug_error err = {0};
    int64_t pid = -7;
    int code = 0;
    (void)state;
    CHECK_FAILS(snug_child_start(&options, &pid, &code, &err), SNUG_CODE_NOT_FOUND);
    CHECK(code == 127 && pid == -7);
    arguments[0] = folder;
    CHECK_FAILS(snug_child_start(&options, &pid, &code, &err), SNUG_CODE_IO);
    CHECK(code == 126 && pid == -7);
    options.group_procs = "no/such/group/cgroup.procs";
    CHECK_FAILS(snug_child_start(&options, &pid, &code, &err), SNUG_CODE_LIMIT);
    CHECK(code == 125 && pid == -7);
    CHECK(!snug_child_can_join("no/such/group/cgroup.procs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_is_what_the_headroom_allows),
        cmocka_unit_test(every_death_has_its_cause),
        cmocka_unit_test(a_v2_group_is_limited_and_read),
        cmocka_unit_test(where_no_group_can_be_made_it_is_said),
        cmocka_unit_test(an_attempt_leaves_nothing),
        cmocka_unit_test(a_command_that_is_not_there_fails_with_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
