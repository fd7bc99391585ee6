/* Any bytes as an HDF5 file: everything is read or refused, within the limits. */
#include <stdlib.h>

#include "../hdf5_exercise.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    enum { ARENA_BYTES = 80 << 20, SCRATCH_BYTES = 4 << 20 };
    static snug_arena arena;
    static snug_h5_inflater *inflater;
    static unsigned char *memory;
    static unsigned char *scratch;
    static unsigned char *rows;
    snug_error err = {0};
    if (memory == NULL) {
        memory = aligned_alloc(SNUG_ALIGN, ARENA_BYTES);
        scratch = aligned_alloc(SNUG_ALIGN, SCRATCH_BYTES);
        rows = aligned_alloc(SNUG_ALIGN, EXERCISE_ROWS_BYTES);
        if (memory == NULL || scratch == NULL || rows == NULL ||
            snug_failed(snug_h5_inflater_create(&inflater, &err))) {
            abort();
        }
    }
    snug_h5_memory source = {.data = data, .bytes = (int64_t)bytes};
    /* Every fifth length has little memory, so that failing allocations are seen as well. */
    const int64_t room = bytes % 5 != 0 ? ARENA_BYTES : (INT64_C(300) << 10) + (int64_t)bytes * 8;
    snug_arena_init(&arena, "fuzz", memory, room & ~(int64_t)(SNUG_ALIGN - 1));
    exercise state = {
        .source = snug_h5_bytes_from_memory(&source),
        .arena = &arena,
        .scratch = {.inflater = inflater, .memory = scratch, .memory_bytes = SCRATCH_BYTES},
        .rows = rows,
        .read_bytes_max = EXERCISE_ROWS_BYTES};
    exercise_bytes(&state);
    return 0;
}
