/* labels: fast */
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/limits.h"
#include "mem/ledger.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/heap.h"
#include "sys/interrupt.h"
#include "sys/procfs.h"
#include "sys/rlimit.h"

static void flushing_caches_changes_nothing_in_memory(void **state)
{
    (void)state;
    static _Alignas(SNUG_ALIGN) unsigned char memory[4096];
    for (size_t i = 0; i < sizeof memory; i++) {
        memory[i] = (unsigned char)(i * 7);
    }
    snug_cpu_flush(memory, 0);
    snug_cpu_flush(memory, 1000);
    snug_cpu_flush(memory, sizeof memory);
    for (size_t i = 0; i < sizeof memory; i++) {
        CHECK(memory[i] == (unsigned char)(i * 7));
    }
}

static void the_clock_goes_forward(void **state)
{
    (void)state;
    char text[SNUG_CLOCK_TEXT_BYTES];
    const int64_t start = snug_clock_ns();
    snug_clock_sleep_ns(2000000);
    CHECK(snug_clock_ns() - start >= 1000000);
    CHECK(snug_clock_seconds_since(start) >= 0.001);
    CHECK(snug_clock_process_ns() > 0);
    assert_int_equal(strlen(snug_clock_text(text)), 20);
    CHECK(text[4] == '-' && text[10] == 'T' && text[19] == 'Z');
}

static void a_set_of_instructions_is_chosen_or_refused(void **state)
{
    (void)state;
    const snug_cpu_features none = {0};
    const snug_cpu_features small = {.avx2 = true, .fma = true};
    const snug_cpu_features large = {.avx2 = true, .fma = true, .avx512 = true};
    const snug_cpu_features odd = {.avx2 = true};
    snug_error err = {0};
    snug_isa isa = SNUG_ISA_SCALAR;
    CHECK_OK(snug_isa_choose_from(&large, NULL, &isa, &err));
    assert_int_equal(isa, SNUG_ISA_AVX512);
    CHECK_OK(snug_isa_choose_from(&small, "", &isa, &err));
    assert_int_equal(isa, SNUG_ISA_AVX2);
    CHECK_OK(snug_isa_choose_from(&odd, NULL, &isa, &err));
    assert_int_equal(isa, SNUG_ISA_SCALAR);
    CHECK_OK(snug_isa_choose_from(&large, "avx2", &isa, &err));
    assert_int_equal(isa, SNUG_ISA_AVX2);
    CHECK_OK(snug_isa_choose_from(&none, "scalar", &isa, &err));
    assert_int_equal(isa, SNUG_ISA_SCALAR);
    CHECK_FAILS(snug_isa_choose_from(&small, "avx512", &isa, &err), SNUG_CODE_UNSUPPORTED);
    CHECK_FAILS(snug_isa_choose_from(&large, "sse", &isa, &err), SNUG_CODE_USAGE);
    assert_int_equal(isa, SNUG_ISA_SCALAR);
    assert_string_equal(snug_isa_name(SNUG_ISA_AVX512), "avx512");

    CHECK(setenv("SNUG_ISA", "scalar", 1) == 0);
    isa = SNUG_ISA_AVX512;
    CHECK_OK(snug_isa_choose(&isa, &err));
    assert_int_equal(isa, SNUG_ISA_SCALAR);
    CHECK(setenv("SNUG_ISA", "neon", 1) == 0);
    CHECK_FAILS(snug_isa_choose(&isa, &err), SNUG_CODE_USAGE);
    CHECK(unsetenv("SNUG_ISA") == 0);
}

static void the_processor_has_a_name(void **state)
{
    (void)state;
    char name[SNUG_CPU_NAME_BYTES];
    CHECK(strlen(snug_cpu_name("", name)) > 0);
    assert_string_equal(snug_cpu_name("/nonexistent", name), "unknown");
}

static void a_process_is_read_from_proc(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_process_memory self, by_pid;
    snug_machine_memory machine;
    CHECK_OK(snug_procfs_process("", 0, &self, &err));
    CHECK_OK(snug_procfs_process("", (int64_t)getpid(), &by_pid, &err));
    CHECK(self.resident_bytes > 0 && self.data_bytes > 0 && self.page_table_bytes > 0);
    CHECK(self.anonymous_bytes + self.file_bytes + self.shared_bytes > 0);
    CHECK(by_pid.resident_peak_bytes >= self.resident_bytes / 2);
    const snug_process_memory before = self;
    CHECK_FAILS(snug_procfs_process("", 999999999, &self, &err), SNUG_CODE_IO);
    assert_memory_equal(&self, &before, sizeof self);
    CHECK_OK(snug_procfs_machine("", &machine, &err));
    CHECK(machine.available_bytes > 0 && machine.available_bytes <= machine.total_bytes);
    snug_rlimits limits = {0};
    CHECK_OK(snug_rlimits_read(&limits, &err));
    CHECK(limits.address_bytes > 0 && limits.data_bytes > 0);
}

static void lines_come_one_by_one_and_long_ones_are_skipped(void **state)
{
    (void)state;
    static char data[40000];
    char path[] = "system_test.XXXXXX";
    static snug_line_reader reader;
    snug_error err = {0};
    char *line = NULL;
    int64_t length = 0;
    /* Long lines of all sizes around the buffer, short ones between them, no newline at the end. */
    for (int i = 0; i < 3; i++) {
        length += snprintf(data + length, 32, "short %d\n\n", i);
        memset(data + length, 'x', (size_t)(sizeof reader.block - 2 + (size_t)i));
        length += (int64_t)sizeof reader.block - 2 + i;
        data[length++] = '\n';
    }
    memcpy(data + length, "last", 5);
    length += 4;
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(write(fd, data, (size_t)length) == length);
    CHECK(close(fd) == 0);
    CHECK_OK(snug_lines_open(&reader, path, &err));
    int seen = 0;
    for (;;) {
        CHECK_OK(snug_lines_next(&reader, &line, &err));
        if (line == NULL) {
            break;
        }
        if (strncmp(line, "short", 5) == 0) {
            assert_int_equal(line[6] - '0', seen++);
        } else {
            CHECK(line[0] == '\0' || strcmp(line, "last") == 0 ||
                  strlen(line) == sizeof reader.block - 2);
        }
    }
    assert_int_equal(seen, 3);
    CHECK_OK(snug_lines_next(&reader, &line, &err));
    CHECK(line == NULL);
    snug_lines_close(&reader);
    CHECK(unlink(path) == 0);
    int64_t number = 5;
    CHECK(snug_procfs_number("12 kB", &number) && number == 12);
    CHECK(!snug_procfs_number("99999999999999999999", &number) && number == 12);
    CHECK(!snug_procfs_number("-1", &number) && !snug_procfs_number("", &number));
}

static void a_signal_becomes_a_flag(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(snug_interrupt_catch(&err));
    CHECK_OK(snug_interrupt_catch(&err));
    CHECK(!snug_interrupt_seen());
    assert_string_equal(snug_interrupt_name(), "");
    CHECK(raise(SIGTERM) == 0);
    CHECK(snug_interrupt_seen());
    assert_string_equal(snug_interrupt_name(), "SIGTERM");
    snug_interrupt_release();
    CHECK(!snug_interrupt_seen());
    CHECK_OK(snug_interrupt_catch(&err));
    CHECK(raise(SIGINT) == 0);
    assert_string_equal(snug_interrupt_name(), "SIGINT");
    snug_interrupt_release();
    snug_interrupt_release();
}

static void the_second_signal_ends_the_process(void **state)
{
    (void)state;
    int result = 0;
    const pid_t child = fork();
    if (child == 0) {
        if (snug_interrupt_catch(NULL) != SNUG_OK || raise(SIGINT) != 0) {
            _exit(1);
        }
        (void)raise(SIGINT);
        _exit(2);
    }
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFSIGNALED(result) && WTERMSIG(result) == SIGINT);
}

static void a_child_is_run_and_heard(void **state)
{
    (void)state;
    snug_error err = {0};
    char output[16] = "untouched";
    int result = -1;
    const char *const say[] = {"/bin/sh", "-c", "echo hello; exit 3", NULL};
    CHECK_OK(snug_child_run(say, output, sizeof output, &result, &err));
    assert_string_equal(output, "hello\n");
    assert_int_equal(result, 3);
    const char *const die[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
    CHECK_OK(snug_child_run(die, output, sizeof output, &result, &err));
    assert_int_equal(result, 128 + 9);
    const char *const much[] = {"/bin/sh", "-c", "head -c 100000 /dev/zero", NULL};
    CHECK_FAILS(snug_child_run(much, output, sizeof output, &result, &err), SNUG_CODE_LIMIT);
    const char *const none[] = {"/nonexistent/program", NULL};
    CHECK_FAILS(snug_child_run(none, output, sizeof output, &result, &err), SNUG_CODE_IO);
    char own[SNUG_PATH_BYTES];
    CHECK_OK(snug_child_own_path(own, &err));
    CHECK(strstr(own, "system_test") != NULL);
}

static void the_ledger_compares_predictions_with_the_kernel(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_ledger ledger = {0};
    int64_t predicted[SNUG_CATEGORY_COUNT] = {0};
    int64_t floor_before = 0;
    int64_t floor_after = 0;
    void *memory = NULL;
    const int64_t bytes = INT64_C(32) << 20;
    CHECK_OK(snug_floor_read(&floor_before, &err));
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, bytes, true, &memory, &err));
    CHECK_OK(snug_floor_read(&floor_after, &err));
    /* What the heap gives out is not floor. */
    CHECK(floor_after - floor_before < (INT64_C(1) << 20) && floor_before > 0);
    predicted[SNUG_CATEGORY_ACTIVATIONS] = bytes;
    CHECK_OK(snug_ledger_read(predicted, floor_before, &ledger, &err));
    assert_int_equal(ledger.predicted_peak_bytes, bytes + floor_before);
    assert_int_equal(ledger.current_bytes[SNUG_CATEGORY_ACTIVATIONS], bytes);
    CHECK(ledger.peak_bytes[SNUG_CATEGORY_ACTIVATIONS] >= bytes);
    CHECK(ledger.measured_peak_bytes >= bytes);
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, memory, bytes);

    ledger.measured_peak_bytes = INT64_C(1000) << 20;
    ledger.predicted_peak_bytes = ledger.measured_peak_bytes + (INT64_C(19) << 20);
    CHECK(snug_ledger_promise_kept(&ledger));
    ledger.predicted_peak_bytes = ledger.measured_peak_bytes - (INT64_C(21) << 20);
    CHECK(!snug_ledger_promise_kept(&ledger));
    ledger.measured_peak_bytes = INT64_C(10) << 20;
    ledger.predicted_peak_bytes = INT64_C(14) << 20;
    CHECK(snug_ledger_promise_kept(&ledger));
    ledger.predicted_peak_bytes++;
    CHECK(!snug_ledger_promise_kept(&ledger));
}

static void the_peak_starts_again(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_process_memory high, low;
    void *memory = NULL;
    const int64_t bytes = INT64_C(32) << 20;
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, bytes, true, &memory, &err));
    snug_heap_unmap(SNUG_CATEGORY_DATA, memory, bytes);
    CHECK_OK(snug_procfs_process("", 0, &high, &err));
    const snug_status status = snug_procfs_reset_peak(&err);
    if (status == SNUG_CODE_IO) {
        print_message("skipped here: %s\n", err.message);
        return;
    }
    CHECK(status == SNUG_OK);
    CHECK_OK(snug_procfs_process("", 0, &low, &err));
    CHECK(low.resident_peak_bytes <= high.resident_peak_bytes - bytes / 2);
}

int main(void)
{
    snug_heap_tame_malloc();
    snug_heap_trim_malloc();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_goes_forward),
        cmocka_unit_test(flushing_caches_changes_nothing_in_memory),
        cmocka_unit_test(a_set_of_instructions_is_chosen_or_refused),
        cmocka_unit_test(the_processor_has_a_name),
        cmocka_unit_test(a_process_is_read_from_proc),
        cmocka_unit_test(lines_come_one_by_one_and_long_ones_are_skipped),
        cmocka_unit_test(a_signal_becomes_a_flag),
        cmocka_unit_test(the_second_signal_ends_the_process),
        cmocka_unit_test(a_child_is_run_and_heard),
        cmocka_unit_test(the_ledger_compares_predictions_with_the_kernel),
        cmocka_unit_test(the_peak_starts_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
