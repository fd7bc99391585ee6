/* labels: fast */
#include "check.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "snug/machine.h"
#include "sys/file.h"

/*
 * A machine in a folder: /proc and /sys as a test puts them. What has a GPU is tested by this
 * program started again, with SNUG_FAKE_NVML found as a driver's own library would be.
 */
static char root[64];
static snug_error err;
static snug_machine machine;
static char report[32 << 10];
static const int64_t GIB = INT64_C(1) << 30;

static void put(const char *name, const char *content)
{
    char path[SNUG_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    CHECK_OK(snug_folder_make(path, &err));
    *slash = '/';
    CHECK_OK(snug_file_write_all(path, content, (int64_t)strlen(content), &err));
}

static void put_memory(int64_t total, int64_t available, int64_t swap_total, int64_t swap_free)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "MemTotal: %lld kB\nMemFree: %lld kB\nMemAvailable: %lld kB\nCached: 0 kB\n"
                   "SwapTotal: %lld kB\nSwapFree: %lld kB\n",
                   (long long)(total >> 10), (long long)(available >> 10),
                   (long long)(available >> 10), (long long)(swap_total >> 10),
                   (long long)(swap_free >> 10));
    put("/proc/meminfo", text);
}

static void put_group(int64_t limit, int64_t used)
{
    char text[64];
    put("/proc/self/mountinfo",
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 23 0:27 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/proc/self/cgroup", "0::/job\n");
    (void)snprintf(text, sizeof text, "%lld\n", (long long)limit);
    put("/sys/fs/cgroup/job/memory.max", text);
    (void)snprintf(text, sizeof text, "%lld\n", (long long)used);
    put("/sys/fs/cgroup/job/memory.current", text);
    put("/sys/fs/cgroup/job/memory.high", "max\n");
    put("/sys/fs/cgroup/job/memory.stat", "anon 0\ninactive_file 0\n");
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "machine_check_test.XXXXXX");
    if (mkdtemp(root) == NULL) {
        return 1;
    }
    put("/proc/self/status", "Name: x\nVmSize: 8192 kB\nVmRSS: 4096 kB\nVmData: 1024 kB\n");
    put("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
    put("/proc/self/cgroup", "");
    put("/proc/cpuinfo", "processor : 0\nmodel name\t: Abacus 9\n");
    put("/proc/stat", "cpu 1 1 1 1 1 1 1 1\n");
    put("/proc/loadavg", "0 0 0 1/99 1\n");
    put_memory(32 * GIB, 24 * GIB, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return snug_folder_remove(root, NULL) != SNUG_OK;
}

static void keep(void *context, const char *text, int64_t bytes)
{
    (void)context;
    (void)snprintf(report, sizeof report, "%.*s", (int)bytes, text);
}

static void look(void)
{
    const snug_machine_options options = {.root = root};
    CHECK_OK(snug_machine_check(&options, &machine, &err));
}

static bool prints(const char *words)
{
    CHECK_OK(snug_machine_write(&machine, SNUG_FORMAT_TEXT, keep, NULL, &err));
    return strstr(report, words) != NULL;
}

static bool tells(const char *words)
{
    CHECK_OK(snug_machine_write(&machine, SNUG_FORMAT_JSON, keep, NULL, &err));
    return strstr(report, words) != NULL;
}

static void profiles_follow_the_tables_of_the_scripts(void **state)
{
    (void)state;
    const struct {
        int64_t bytes;
        const char *text;
    } cases[] = {{2 * GIB, "ultra_low_memory"}, {8 * GIB - 1024, "ultra_low_memory"},
                 {8 * GIB, "safe"},             {16 * GIB, "safe"},
                 {16 * GIB + 1024, "original"}, {64 * GIB, "original"}};
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        char words[64];
        put_memory(cases[i].bytes, cases[i].bytes / 2, 0, 0);
        look();
        assert_string_equal(machine.text_profile, cases[i].text);
        CHECK(machine.usable_bytes == cases[i].bytes && machine.limit_bytes < 0);
        (void)snprintf(words, sizeof words, "--model_name FOLDER --profile %s --budget ",
                       cases[i].text);
        CHECK(strstr(machine.commands[1], words) != NULL && prints(words) && tells(words));
    }
}

static void a_limit_counts_like_less_memory(void **state)
{
    (void)state;
    put_group(6 * GIB, GIB);
    look();
    CHECK(machine.usable_bytes == 6 * GIB && machine.limit_bytes == 6 * GIB);
    assert_string_equal(machine.bound_by, "cgroup /job");
    assert_string_equal(machine.text_profile, "ultra_low_memory");
    assert_string_equal(machine.profile, "low_memory");
    put_group(12 * GIB, GIB);
    look();
    assert_string_equal(machine.text_profile, "safe");
    put_group(64 * GIB, GIB);
    look();
    CHECK(machine.usable_bytes == 32 * GIB);
    assert_string_equal(machine.text_profile, "original");
    /* What is free now decides for time series; the machine's size for the scripts' profiles. */
    put_memory(32 * GIB, 7 * GIB, 0, 0);
    look();
    assert_string_equal(machine.profile, "low_memory");
    assert_string_equal(machine.text_profile, "original");
}

static void the_machine_is_described(void **state)
{
    (void)state;
    put_memory(32 * GIB, 24 * GIB, 4 * GIB, GIB);
    put("/sys/class/hwmon/hwmon0/temp1_input", "41000\n");
    put("/sys/class/hwmon/hwmon2/temp3_input", "52500\n");
    look();
    CHECK(machine.temperature_celsius == 52.5 && machine.warning_count == 0);
    CHECK(machine.swap_total_bytes == 4 * GIB && machine.swap_free_bytes == GIB);
    CHECK(machine.disk_free_bytes > 0);
    CHECK(prints("Abacus 9") && prints("Swap      4.00 GiB, 1.00 GiB free"));
    CHECK(prints("Heat      52 degrees C") || prints("Heat      53 degrees C"));
    CHECK(!prints("Warning") && prints("Next      snug train timeseries data.path=FOLDER"));
    CHECK(prints("\n          snug train text --train_file FILE.csv"));
    CHECK(tells("\"temperature_celsius\": 52.5") && tells("\"warnings\": []"));
    put_memory(32 * GIB, 24 * GIB, 0, 0);
    look();
    CHECK(prints("Swap      none") && tells("\"swap_total_bytes\": 0"));
}

static void nothing_is_made_up_where_there_is_no_sensor(void **state)
{
    (void)state;
    look();
    CHECK(isnan(machine.temperature_celsius) && tells("\"temperature_celsius\": null"));
    CHECK(prints("Heat      not measured"));
}

static void more_than_nine_tenths_of_the_memory_in_use_is_a_warning(void **state)
{
    (void)state;
    put_memory(32 * GIB, 32 * GIB / 10 + 4096, 0, 0);
    look();
    CHECK(machine.warning_count == 0);
    put_memory(32 * GIB, 32 * GIB / 10 - (8 << 20), 0, 0);
    look();
    CHECK(machine.warning_count == 1);
    CHECK(strstr(machine.warnings[0], "90 % of the machine's memory (32.00 GiB) in use") != NULL);
    CHECK(prints("Warning   90 %") && tells("\"warnings\": [\n    \"90 %"));
    /* Of a control group's limit as well: the machine itself has room. */
    put_memory(32 * GIB, 24 * GIB, 0, 0);
    put_group(10 * GIB, 9 * GIB);
    look();
    CHECK(machine.warning_count == 0);
    put_group(10 * GIB, 9 * GIB + (64 << 20));
    look();
    CHECK(machine.warning_count == 1);
    CHECK(strstr(machine.warnings[0], "the control group's limit") != NULL);
}

static void heat_is_a_warning(void **state)
{
    (void)state;
    put("/sys/class/thermal/thermal_zone0/temp", "84900\n");
    look();
    CHECK(machine.temperature_celsius == 84.9 && machine.warning_count == 0);
    put("/sys/class/thermal/thermal_zone0/temp", "85000\n");
    look();
    CHECK(machine.warning_count == 1 && prints("Warning   the hottest sensor is 85 degrees C hot"));
}

static void all_warnings_have_a_place(void **state)
{
    (void)state;
    put_memory(32 * GIB, GIB, 0, 0);
    put("/sys/class/thermal/thermal_zone0/temp", "99000\n");
    CHECK(setenv("FAKE_NVML_MIB", "8190", 1) == 0 && setenv("FAKE_NVML_CELSIUS", "91", 1) == 0);
    look();
    CHECK(machine.warning_count == SNUG_MACHINE_WARNINGS_MAX);
    CHECK(unsetenv("FAKE_NVML_MIB") == 0 && unsetenv("FAKE_NVML_CELSIUS") == 0);
}

static void without_a_gpu_it_is_said(void **state)
{
    (void)state;
    void *real = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (real != NULL) {
        (void)dlclose(real);
        print_message("this machine has NVML: left out\n");
        return;
    }
    look();
    CHECK(machine.gpu_count == 0 && machine.gpu_reason != NULL);
    CHECK(prints("GPU       none: no libnvidia-ml.so.1; snug computes on the processor"));
    CHECK(tells("\"gpus\": []") && tells("\"gpu_reason\": \"no libnvidia-ml.so.1\""));
}

static void gpus_are_shown_and_decide_nothing(void **state)
{
    (void)state;
    look();
    CHECK(machine.gpu_count == 2 && machine.gpu_reason == NULL && machine.warning_count == 0);
    CHECK(machine.gpus[1].total_bytes == 8 * GIB && machine.gpus[1].used_bytes == 6 * GIB);
    CHECK(machine.gpus[1].use_percent == 35 && machine.gpus[1].temperature_celsius == 61);
    CHECK(prints("GPU       Fake 0, 8.00 GiB, 2.00 GiB in use, 55 degrees C; snug does not use"));
    CHECK(prints("\n          Fake 1, 8.00 GiB, 6.00 GiB in use, 61 degrees C; snug does"));
    CHECK(tells("\"name\": \"Fake 1\"") && tells("\"gpu_reason\": null"));
    assert_string_equal(machine.text_profile, "original");
}

static void a_full_or_hot_gpu_is_a_warning(void **state)
{
    (void)state;
    /* 95 % of 8 GiB are 7782.4 MiB. */
    CHECK(setenv("FAKE_NVML_MIB", "7782", 1) == 0 && setenv("FAKE_NVML_CELSIUS", "84", 1) == 0);
    look();
    CHECK(machine.warning_count == 0);
    CHECK(setenv("FAKE_NVML_MIB", "7783", 1) == 0);
    look();
    CHECK(machine.warning_count == 1 && prints("Warning   95 % of a GPU's memory in use"));
    CHECK(setenv("FAKE_NVML_CELSIUS", "85", 1) == 0);
    look();
    CHECK(machine.warning_count == 2 && prints("Warning   a GPU is 85 degrees C hot"));
    CHECK(unsetenv("FAKE_NVML_MIB") == 0 && unsetenv("FAKE_NVML_CELSIUS") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    if (argc > 1) {
        const struct CMUnitTest with[] = {TEST(gpus_are_shown_and_decide_nothing),
                                          TEST(a_full_or_hot_gpu_is_a_warning),
                                          TEST(all_warnings_have_a_place)};
        return cmocka_run_group_tests_name("with a library", with, NULL, NULL);
    }
    const struct CMUnitTest without[] = {
        TEST(profiles_follow_the_tables_of_the_scripts),
        TEST(a_limit_counts_like_less_memory),
        TEST(the_machine_is_described),
        TEST(nothing_is_made_up_where_there_is_no_sensor),
        TEST(more_than_nine_tenths_of_the_memory_in_use_is_a_warning),
        TEST(heat_is_a_warning),
        TEST(without_a_gpu_it_is_said)};
    if (cmocka_run_group_tests_name("without a library", without, NULL, NULL) != 0) {
        return 1;
    }
    char folder[] = "machine_check.XXXXXX";
    char link[64];
    char command[4096 + 64];
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(link, sizeof link, "%s/libnvidia-ml.so.1", folder);
    if (symlink(SNUG_FAKE_NVML, link) != 0 || setenv("LD_LIBRARY_PATH", folder, 1) != 0) {
        return 1;
    }
    (void)snprintf(command, sizeof command, "'%s' with", argv[0]);
    const int result = system(command);
    (void)unlink(link);
    (void)rmdir(folder);
    return result == 0 ? 0 : 1;
}
