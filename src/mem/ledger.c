#include "mem/ledger.h"

#include "base/checked.h"
#include "sys/heap.h"
#include "sys/procfs.h"

enum { PROMISE_PERCENT = 2, PROMISE_BYTES = 4 << 20 };

snug_status snug_ledger_read(const int64_t predicted[SNUG_CATEGORY_COUNT],
                             int64_t predicted_floor_bytes, snug_ledger *out, snug_error *err)
{
    snug_process_memory process = {0};
    snug_heap_usage usage = {0};
    snug_ledger ledger = {.predicted_floor_bytes = predicted_floor_bytes,
                          .predicted_peak_bytes = predicted_floor_bytes};
    SNUG_TRY(snug_procfs_process("", 0, &process, err));
    snug_heap_usage_read(&usage);
    for (int i = 0; i < SNUG_CATEGORY_COUNT; i++) {
        ledger.predicted_bytes[i] = predicted[i];
        ledger.current_bytes[i] = usage.current_bytes[i];
        ledger.peak_bytes[i] = usage.peak_bytes[i];
        ledger.predicted_peak_bytes += predicted[i];
    }
    ledger.measured_peak_bytes = process.resident_peak_bytes;
    ledger.requests_after_seal = usage.requests_after_seal;
    *out = ledger;
    return SNUG_OK;
}

bool snug_ledger_promise_kept(const snug_ledger *ledger)
{
    const int64_t difference = ledger->predicted_peak_bytes - ledger->measured_peak_bytes;
    const int64_t allowed =
        snug_max_i64(PROMISE_BYTES, ledger->measured_peak_bytes / 100 * PROMISE_PERCENT);
    return difference <= allowed && -difference <= allowed;
}

snug_status snug_floor_read(int64_t *out_bytes, snug_error *err)
{
    snug_process_memory process = {0};
    snug_heap_usage usage = {0};
    SNUG_TRY(snug_procfs_process("", 0, &process, err));
    snug_heap_usage_read(&usage);
    int64_t floor_bytes = process.resident_bytes;
    for (int i = 0; i < SNUG_CATEGORY_COUNT; i++) {
        floor_bytes -= usage.current_bytes[i];
    }
    *out_bytes = snug_max_i64(0, floor_bytes);
    return SNUG_OK;
}
