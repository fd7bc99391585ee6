/* What the ops of a session's graph cost on this machine: from the cache, or measured now. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "exec/calibrate.h"
#include "exec/cost_file.h"
#include "sys/heap.h"
#include "sys/procfs.h"
#include "train/session.h"

enum {
    BLOCK_BYTES = 256 << 10,
    OWN_POINTS_MAX = 512,
    /* What the pool, the table and the pages of kernels take beside the memory of a call. */
    BESIDE_BYTES = 4 << 20
};

static const double calibration_seconds = 3.0;

static snug_status are_wanted(bool *out, snug_error *err)
{
    const char *costs = getenv("SNUG_COSTS");
    const bool measured = costs == NULL || costs[0] == '\0' || strcmp(costs, "measured") == 0;
    if (!measured && strcmp(costs, "default") != 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "SNUG_COSTS=%s is not one of measured, default",
                         costs);
    }
    *out = measured;
    return SNUG_OK;
}

/* Bytes that may be taken for a while without passing the budget. */
static snug_status find_room(const snug_session *session, int64_t *out_bytes, snug_error *err)
{
    snug_process_memory process;
    SNUG_TRY(snug_procfs_process("", 0, &process, err));
    *out_bytes = session->budget.bytes - process.resident_bytes - BESIDE_BYTES;
    return SNUG_OK;
}

/* `own` gets the points of the graph; `table` all of the machine. */
static snug_status measure(snug_session *session, snug_cost_table *table, snug_cost_table *own,
                           snug_arena *scratch, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_pool *pool = NULL;
    char path[SNUG_PATH_BYTES], cpu[SNUG_CPU_NAME_BYTES];
    int64_t room = 0, added = 0;
    const snug_cost_machine machine = {.cpu = snug_cpu_name("", cpu),
                                       .isa = snug_isa_name(session->isa),
                                       .version = SNUG_VERSION,
                                       .threads = session->threads};
    const bool has_file = snug_cost_file_path(&machine, path);
    if (has_file && !session->recalibrate) {
        (void)snug_cost_file_read(path, &machine, scratch, table);
    }
    SNUG_TRY_DONE(find_room(session, &room, err));
    SNUG_TRY_DONE(snug_pool_open(session->threads, &pool, err));
    const snug_calibration calibration = {
        .graph = &session->buckets[session->bucket_count - 1].graph,
        .batch = session->batch,
        .isa = (snug_kernel_isa)session->isa,
        .parallel = snug_pool_parallel(pool),
        .memory_bytes = room,
        .beside_bytes = session->data.source_bytes + snug_session_buffers_size(session),
        .seconds = calibration_seconds,
        .own = own,
        .scratch = scratch};
    SNUG_TRY_DONE(snug_calibrate(&calibration, table, &added, err));
    if (table->count == table->capacity) {
        /* Full of graphs of old: the file begins anew with this one. */
        *table = *own;
    }
    if (has_file && added > 0) {
        /* A cache that cannot be written (full, read-only, busy) only costs the time again. */
        const snug_status written = snug_cost_file_write(path, &machine, table, scratch, NULL);
        SNUG_UNUSED(written);
    }

done:
    snug_pool_close(pool);
    return status;
}

snug_status snug_session_measure_costs(snug_session *session, snug_error *err)
{
    snug_status status = SNUG_OK;
    bool wanted = false;
    void *memory = NULL;
    snug_arena scratch;
    snug_cost_table table = {.capacity = SNUG_COST_POINTS_MAX};
    snug_cost_table own = {.capacity = OWN_POINTS_MAX};
    SNUG_TRY(are_wanted(&wanted, err));
    if (!wanted || !session->has_train) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_arena_array(&session->setup, own.capacity, (int64_t)sizeof(snug_cost_point),
                              &memory, err));
    own.points = memory;
    snug_heap_arena_init(&scratch, "costs", SNUG_CATEGORY_RUNTIME, BLOCK_BYTES);
    SNUG_TRY_DONE(
        snug_arena_array(&scratch, table.capacity, (int64_t)sizeof(snug_cost_point), &memory, err));
    table.points = memory;
    SNUG_TRY_DONE(measure(session, &table, &own, &scratch, err));
    session->has_costs = own.count > 0;
    session->costs =
        snug_calibrated_model(&snug_session_main(session)->graph, &own, session->threads);

done:
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    return status;
}
