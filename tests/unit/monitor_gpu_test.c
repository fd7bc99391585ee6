/* labels: fast */
#include "check.h"

#include <dlfcn.h>
#include <unistd.h>

#include "monitor/sampler.h"
#include "sys/clock.h"
#include "sys/nvml.h"

/*
 * SNUG_FAKE_NVML is a library with the functions of NVML and two devices. The program is started
 * again with it in LD_LIBRARY_PATH under its real name, as a driver's own would be found.
 */
static snug_sampler sampler;

static void without_a_library_there_is_a_reason_and_no_field(void **state)
{
    (void)state;
    snug_nvml nvml = {0};
    const char *reason = NULL;
    void *real = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (real != NULL) {
        (void)dlclose(real);
        print_message("this machine has NVML: left out\n");
        return;
    }
    CHECK(!snug_nvml_open(&nvml, &reason));
    CHECK(reason != NULL && nvml.library == NULL);
    snug_nvml_close(&nvml);
}

static void two_devices_are_summed(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_reading sample;
    char name[SNUG_NVML_NAME_BYTES];
    const snug_sampler_options options = {.root = "", .pid = 0};
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    CHECK(sampler.nvml.device_count == 2);
    CHECK(sampler.why_not[SNUG_FIELD_GPU_USED] == NULL);
    assert_string_equal(snug_nvml_name(&sampler.nvml, 1, name), "Fake 1");
    snug_sampler_take(&sampler, snug_clock_ns(), &sample);
    const double gib = 1073741824.0;
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_USED, -1) == 8 * gib);
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_TOTAL, -1) == 16 * gib);
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_PERCENT, -1) == 75);
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_UTIL, -1) == 80);
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_TEMPERATURE, -1) == 61);
    snug_sampler_close(&sampler);
}

static void the_process_has_a_share_of_its_own(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_reading sample;
    char pid[32];
    const double gib = 1073741824.0;
    const snug_sampler_options options = {.root = "", .pid = snug_process_id()};
    /* Before the driver lists it nothing is known, which is not 0. */
    (void)unsetenv("FAKE_NVML_PID");
    CHECK_OK(snug_sampler_open(&sampler, &options, &err));
    const int64_t now = snug_clock_ns();
    snug_sampler_take(&sampler, now, &sample);
    CHECK(!snug_reading_has(&sample, SNUG_FIELD_GPU_TARGET));
    CHECK(sampler.why_not[SNUG_FIELD_GPU_TARGET] != NULL);
    (void)snprintf(pid, sizeof pid, "%lld", (long long)options.pid);
    (void)setenv("FAKE_NVML_PID", pid, 1);
    /* The list is read every five seconds. */
    snug_sampler_take(&sampler, now + INT64_C(6000000000), &sample);
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_TARGET, -1) == 3 * gib);
    CHECK(sampler.why_not[SNUG_FIELD_GPU_TARGET] == NULL);
    /* From then on its absence means that it has given everything back. */
    (void)unsetenv("FAKE_NVML_PID");
    snug_sampler_take(&sampler, now + INT64_C(12000000000), &sample);
    CHECK(snug_reading_get(&sample, SNUG_FIELD_GPU_TARGET, -1) == 0);
    snug_sampler_close(&sampler);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        const struct CMUnitTest with[] = {cmocka_unit_test(two_devices_are_summed),
                                          cmocka_unit_test(the_process_has_a_share_of_its_own)};
        return cmocka_run_group_tests_name("with a library", with, NULL, NULL);
    }
    const struct CMUnitTest without[] = {
        cmocka_unit_test(without_a_library_there_is_a_reason_and_no_field)};
    if (cmocka_run_group_tests_name("without a library", without, NULL, NULL) != 0) {
        return 1;
    }
    char folder[] = "monitor_gpu.XXXXXX";
    char link[64];
    char old[4096];
    if (mkdtemp(folder) == NULL || getcwd(old, sizeof old) == NULL) {
        return 1;
    }
    (void)snprintf(link, sizeof link, "%s/libnvidia-ml.so.1", folder);
    if (symlink(SNUG_FAKE_NVML, link) != 0 || setenv("LD_LIBRARY_PATH", folder, 1) != 0) {
        return 1;
    }
    char command[4096 + 64];
    (void)snprintf(command, sizeof command, "'%s' with", argv[0]);
    const int result = system(command);
    (void)unlink(link);
    (void)rmdir(folder);
    return result == 0 ? 0 : 1;
}
