/* labels: fast */
#include "check.h"

#include <unistd.h>

#include "base/attr.h"
#include "mem/budget.h"
#include "mem/probe.h"
#include "monitor/sampler.h"
#include "sys/cpu.h"
#include "sys/file.h"

/*
 * Every file of tests/fixtures/cgroup is one machine: lines "expect NAME VALUE", then "=== PATH"
 * and the content of that file. It is unpacked into a folder that stands for the root.
 */
static char root[64];
static _Alignas(SNUG_ALIGN) unsigned char block[1 << 18];
static snug_arena arena;
static snug_probe probe;

static int set_up(void **state)
{
    (void)state;
    snug_arena_init(&arena, "test", block, sizeof block);
    (void)snprintf(root, sizeof root, "cgroup_test.XXXXXX");
    return mkdtemp(root) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return snug_folder_remove(root, NULL) != SNUG_OK;
}

static void unpack_file(const char *name, const char *text, int64_t bytes)
{
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    CHECK_OK(snug_path_join(root, name, path, &err));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    CHECK_OK(snug_folder_make(path, &err));
    *slash = '/';
    CHECK_OK(snug_file_write_all(path, text, bytes, &err));
}

/* Returns the head with the expectations. */
static const char *unpack(const char *fixture)
{
    static const char *data;
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    int64_t bytes = 0;
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/cgroup/%s", SNUG_SOURCE_DIR, fixture);
    CHECK_OK(snug_file_read_all(path, 1 << 16, &arena, &data, &bytes, &err));
    const char *at = strstr(data, "\n=== ");
    while (at != NULL) {
        char name[256];
        const char *line = at + 5;
        const char *content = strchr(line, '\n') + 1;
        const char *next = strstr(content - 1, "\n=== ");
        const int64_t length = next != NULL ? next + 1 - content : (int64_t)strlen(content);
        (void)snprintf(name, sizeof name, "%.*s", (int)(content - 1 - line), line);
        unpack_file(name, content, length);
        at = next;
    }
    return data;
}

/* The value of "expect NAME ...", or `fallback`. */
static const char *expected(const char *head, const char *name, const char *fallback, char out[256])
{
    char key[64];
    (void)snprintf(key, sizeof key, "\nexpect %s ", name);
    const char *at = strstr(head, key);
    if (at == NULL) {
        return fallback;
    }
    at += strlen(key);
    (void)snprintf(out, 256, "%.*s", (int)strcspn(at, "\n"), at);
    return out;
}

static int64_t of(const snug_reading *sample, snug_log_field field, int64_t fallback)
{
    return (int64_t)snug_reading_get(sample, field, (double)fallback);
}

/* The watch shows the same level by files that it keeps open. */
static void check_sampler(void)
{
    static snug_sampler sampler;
    snug_error err = {0};
    snug_reading sample;
    const snug_sampler_options options = {.root = root, .no_gpu = true};
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    snug_sampler_take(&sampler, 1, &sample);
    assert_int_equal(of(&sample, SNUG_FIELD_AVAILABLE, -1), probe.machine.available_bytes);
    if (probe.bound == SNUG_BOUND_CGROUP) {
        const snug_cgroup_level *level = &probe.group.levels[probe.bound_level];
        assert_int_equal(of(&sample, SNUG_FIELD_CGROUP_LIMIT, -1), level->limit_bytes);
        assert_int_equal(of(&sample, SNUG_FIELD_CGROUP, -1), level->usage_bytes);
        assert_int_equal(of(&sample, SNUG_FIELD_CGROUP_CACHE, 0), level->inactive_file_bytes);
        assert_int_equal(of(&sample, SNUG_FIELD_CGROUP_PEAK, -1), level->peak_bytes);
    }
    snug_sampler_close(&sampler);
}

static void check_layout(const char *fixture)
{
    static const char *const bounds[] = {"machine", "cgroup", "address", "data"};
    char value[256];
    snug_error err = {0};
    double cores = -1;
    const char *head = unpack(fixture);
    CHECK_OK(snug_probe_read(root, &probe, &err));
    print_message("%s: %s\n", fixture, probe.sentence);
    assert_int_equal(probe.group.version, atoi(expected(head, "version", "-", value)));
    assert_int_equal(probe.group.level_count, atoi(expected(head, "levels", "-", value)));
    assert_string_equal(bounds[probe.bound], expected(head, "bound", "-", value));
    assert_int_equal(probe.headroom_bytes, atoll(expected(head, "headroom", "-", value)));
    assert_int_equal(probe.group.own_hidden, atoi(expected(head, "own_hidden", "0", value)));
    assert_int_equal(probe.group.ancestors_hidden,
                     atoi(expected(head, "ancestors_hidden", "0", value)));
    if (probe.bound == SNUG_BOUND_CGROUP) {
        const snug_cgroup_level *level = &probe.group.levels[probe.bound_level];
        assert_string_equal(level->path, expected(head, "level", "-", value));
        assert_string_equal(level->limit_file, expected(head, "file", "-", value));
        CHECK(strstr(probe.sentence, level->path) != NULL);
        CHECK(strstr(probe.sentence, level->limit_file) != NULL);
    }
    if (strstr(head, "expect peak") != NULL) {
        assert_int_equal(probe.group.levels[0].peak_bytes,
                         atoll(expected(head, "peak", "-", value)));
    }
    check_sampler();
    CHECK_OK(snug_cgroup_cpu_quota(root, &cores, &err));
    if (strstr(head, "expect cores") != NULL) {
        CHECK(cores == atof(expected(head, "cores", "-", value)));
    }
    CHECK_OK(snug_folder_remove(root, &err));
    CHECK_OK(snug_folder_make(root, &err));
}

static void every_layout_has_its_headroom_and_names_what_binds(void **state)
{
    (void)state;
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/cgroup", SNUG_SOURCE_DIR);
    CHECK_OK(snug_folder_list(path, &arena, &entries, &count, &err));
    assert_int_equal(count, 20);
    for (int64_t i = 0; i < count; i++) {
        const snug_mark mark = snug_arena_mark(&arena);
        check_layout(entries[i].name);
        snug_arena_rewind(&arena, mark);
    }
}

static void broken_trees_are_errors_or_nothing(void **state)
{
    (void)state;
    snug_error err = {0};
    static const char meminfo[] = "MemTotal: 1024 kB\nMemFree: 512 kB\n";
    static const char status_text[] = "VmRSS: 4 kB\n";
    CHECK_FAILS(snug_probe_read(root, &probe, &err), SNUG_CODE_IO);
    unpack_file("proc/meminfo", "nothing\n", 8);
    unpack_file("proc/self/status", status_text, sizeof status_text - 1);
    CHECK_FAILS(snug_probe_read(root, &probe, &err), SNUG_CODE_FORMAT);
    unpack_file("proc/meminfo", meminfo, sizeof meminfo - 1);
    /* Groups that are named but mounted nowhere, lines that make no sense. */
    unpack_file("proc/self/cgroup", "garbage\n0::/a\n:::\n", 19);
    unpack_file("proc/self/mountinfo", "1 2 3 - \n - cgroup2\n\n", 21);
    CHECK_OK(snug_probe_read(root, &probe, &err));
    assert_int_equal(probe.group.version, 0);
    assert_int_equal(probe.headroom_bytes, 512 << 10);
    static const char mounts[] = "30 23 0:27 / /m rw - cgroup2 cgroup2 rw\n";
    unpack_file("proc/self/mountinfo", mounts, sizeof mounts - 1);
    unpack_file("m/a/memory.current", "abc\n", 4);
    CHECK_OK(snug_probe_read(root, &probe, &err));
    assert_int_equal(probe.group.level_count, 0);
    char deep[300] = "0::";
    char name[300] = "m";
    for (int i = 0; i < 40; i++) {
        (void)strcat(deep, "/a");
        (void)strcat(name, "/a");
        char file[400];
        (void)snprintf(file, sizeof file, "%s/memory.current", name);
        unpack_file(file, "1\n", 2);
    }
    unpack_file("proc/self/cgroup", deep, (int64_t)strlen(deep));
    CHECK_FAILS(snug_probe_read(root, &probe, &err), SNUG_CODE_LIMIT);
    char longer[700];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "0::/", 4);
    unpack_file("proc/self/cgroup", longer, sizeof longer);
    CHECK_FAILS(snug_probe_read(root, &probe, &err), SNUG_CODE_LIMIT);
}

static void process_limits_bind_too(void **state)
{
    (void)state;
    memset(&probe, 0, sizeof probe);
    probe.machine.total_bytes = INT64_C(8) << 30;
    probe.machine.available_bytes = INT64_C(4) << 30;
    probe.limits = (snug_rlimits){.address_bytes = INT64_MAX, .data_bytes = INT64_C(1) << 30};
    probe.process.data_bytes = INT64_C(100) << 20;
    snug_probe_decide(&probe);
    assert_int_equal(probe.bound, SNUG_BOUND_DATA);
    assert_int_equal(probe.headroom_bytes, INT64_C(924) << 20);
    CHECK(strstr(probe.sentence, "RLIMIT_DATA") != NULL);
    probe.limits.address_bytes = INT64_C(900) << 20;
    probe.process.address_bytes = INT64_C(901) << 20;
    snug_probe_decide(&probe);
    assert_int_equal(probe.bound, SNUG_BOUND_ADDRESS);
    assert_int_equal(probe.headroom_bytes, 0);
}

static void this_machine_can_be_probed(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(snug_probe_read("", &probe, &err));
    print_message("%s\n", probe.sentence);
    CHECK(probe.headroom_bytes > 0);
    CHECK(probe.headroom_bytes <= probe.machine.total_bytes);
    CHECK(probe.process.resident_peak_bytes >= probe.process.resident_bytes);
    CHECK(snug_cpu_cores("") >= 1);
}

static void check_budget(const char *text, int64_t headroom, int64_t want, const char *origin)
{
    snug_error err = {0};
    snug_budget budget = {0};
    probe.headroom_bytes = headroom;
    (void)snprintf(probe.sentence, sizeof probe.sentence, "why");
    CHECK_OK(snug_budget_choose(text, &probe, &budget, &err));
    assert_int_equal(budget.bytes, want);
    assert_int_equal(budget.headroom_bytes, headroom);
    assert_string_equal(budget.origin, origin);
}

static void a_budget_is_bytes_a_share_or_automatic(void **state)
{
    (void)state;
    const int64_t gib = INT64_C(1) << 30;
    check_budget("600M", gib, INT64_C(600) << 20, "600.0 MiB as asked (why)");
    check_budget("2GiB", gib, 2 * gib, "2.00 GiB as asked (why)");
    check_budget("50%", gib, gib / 2, "512.0 MiB = 50 % of what is free now (why)");
    check_budget("12.5 %", gib, gib / 8, "128.0 MiB = 12.5 % of what is free now (why)");
    check_budget("100%", gib, gib, "1.00 GiB = 100 % of what is free now (why)");
    check_budget("auto", 10 * gib, 6 * gib, "6.00 GiB = 60 % of what is free now (why)");
    check_budget("", 2 * gib, gib, "1.00 GiB = what is free now, keeping 1 GiB (why)");
    check_budget(NULL, gib, gib / 4, "256.0 MiB = 25 % of what is free now, which is little (why)");
    check_budget("auto", 0, 0, "0 B = 25 % of what is free now, which is little (why)");
    static const char *const bad[] = {"0%", "101%", "%",    "-5%",  "5%%",          "x%", "600",
                                      "0M", "max",  "AUTO", "1e2%", "99999999999%", "5%M"};
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        snug_error err = {0};
        snug_budget budget = {.bytes = 7};
        CHECK_FAILS(snug_budget_choose(bad[i], &probe, &budget, &err), SNUG_CODE_USAGE);
        assert_int_equal(budget.bytes, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_layout_has_its_headroom_and_names_what_binds, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(broken_trees_are_errors_or_nothing, set_up, tear_down),
        cmocka_unit_test(process_limits_bind_too),
        cmocka_unit_test(this_machine_can_be_probed),
        cmocka_unit_test(a_budget_is_bytes_a_share_or_automatic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
