/* Does everything to an HDF5 file that the library can: walk, attributes, every data set's rows. */
#ifndef SNUG_TESTS_HDF5_EXERCISE_H
#define SNUG_TESTS_HDF5_EXERCISE_H

#include <string.h>

#include "data/hdf5/h5.h"
#include "data/hdf5/h5_describe.h"

enum { EXERCISE_ROWS_BYTES = 1 << 20 /* Read at once. */ };

typedef struct exercise {
    snug_h5_bytes source;
    snug_arena *arena;
    snug_h5_scratch scratch;
    unsigned char *rows;    /* EXERCISE_ROWS_BYTES. */
    int64_t read_bytes_max; /* Of one data set; then it has been seen enough. */
    int64_t sets_read;
    int64_t sets_refused;
    snug_error problem; /* The first one. */
} exercise;

static void exercise_note(exercise *state, const snug_error *err)
{
    if (state->problem.code == SNUG_OK) {
        state->problem = *err;
    }
}

/* Converts a few elements of every member, so that offsets and sizes are used. */
static void exercise_values(exercise *state, snug_h5_file *file, const snug_h5_dataset *dataset)
{
    char text[256];
    for (int64_t i = 0; i < dataset->type.member_count; i++) {
        const snug_h5_member *member = &dataset->type.members[i];
        snug_error err = {0};
        double value = 0.0;
        float small = 0.0f;
        if (snug_h5_is_number(member)) {
            snug_h5_to_f64(member, state->rows, member->count - 1, 1, &value);
            snug_h5_to_f32(member, state->rows, 0, 1, &small);
        } else if (member->kind == SNUG_H5_UNSUPPORTED) {
            (void)SNUG_FAIL(&err, SNUG_CODE_UNSUPPORTED, "values of type '%s'", member->type_name);
            exercise_note(state, &err);
        } else if (snug_failed(snug_h5_text_value(file, member, state->rows, member->count - 1,
                                                  text, (int64_t)sizeof text, &err))) {
            exercise_note(state, &err);
        }
    }
}

static void exercise_dataset(exercise *state, snug_h5_file *file, const snug_h5_dataset *dataset)
{
    snug_error err = {0};
    int64_t seen = 0;
    if (dataset->row_bytes == 0 || dataset->row_count == 0) {
        state->sets_read++;
        return;
    }
    if (dataset->row_bytes > EXERCISE_ROWS_BYTES ||
        snug_h5_scratch_bytes(dataset) > state->scratch.memory_bytes) {
        (void)SNUG_FAIL(&err, SNUG_CODE_LIMIT, "a row or chunk is too large for this test");
        exercise_note(state, &err);
        state->sets_refused++;
        return;
    }
    const int64_t step = EXERCISE_ROWS_BYTES / dataset->row_bytes;
    for (int64_t row = 0; row < dataset->row_count && seen < state->read_bytes_max; row += step) {
        const int64_t left = dataset->row_count - row;
        const int64_t count = left < step ? left : step;
        if (snug_failed(snug_h5_read_rows(&state->source, dataset, row, count, &state->scratch,
                                          state->rows, &err))) {
            exercise_note(state, &err);
            state->sets_refused++;
            return;
        }
        exercise_values(state, file, dataset);
        seen += count * dataset->row_bytes;
    }
    state->sets_read++;
}

static void exercise_bytes(exercise *state)
{
    snug_error err = {0};
    snug_h5_file *file = NULL;
    const snug_h5_description *items = NULL;
    int64_t count = 0;
    if (snug_failed(snug_h5_open(&state->source, state->arena, &file, &err)) ||
        snug_failed(snug_h5_describe(file, state->arena, &items, &count, &err))) {
        exercise_note(state, &err);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (items[i].dataset != NULL) {
            exercise_dataset(state, file, items[i].dataset);
        } else if (items[i].problem != NULL) {
            (void)SNUG_FAIL(&err, SNUG_CODE_FORMAT, "%s: %s", items[i].path, items[i].problem);
            exercise_note(state, &err);
            state->sets_refused += items[i].kind == SNUG_H5_OBJECT_DATASET ? 1 : 0;
        }
    }
}

#endif
