/* Saving and loading of checkpoints; see the header for what holds at every instant. */
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "sys/link.h"

enum { FOLDER_LIST_BYTES = 256 << 10, BOUNCE_BYTES = 1 << 20 };

static const char WEIGHTS_NAME[] = "model.safetensors";
static const char STATES_NAME[] = "optimizer.safetensors";
static const char STATE_NAME[] = "state.json";

int64_t snug_checkpoint_buffer_bytes(int64_t weight_count, int64_t state_count)
{
    const int64_t count = snug_max_i64(weight_count, state_count);
    const int64_t header = snug_safetensors_header_bytes(NULL, count);
    return snug_max_i64(snug_align_up(header + BOUNCE_BYTES, SNUG_ALIGN), FOLDER_LIST_BYTES);
}

static int64_t items_bytes(const snug_safetensors_item *items, int64_t count)
{
    int64_t bytes = snug_safetensors_header_bytes(items, count);
    for (int64_t i = 0; i < count; i++) {
        bytes += snug_safetensors_item_bytes(&items[i]);
    }
    return bytes;
}

int64_t snug_checkpoint_bytes(const snug_checkpoint_set *set)
{
    return items_bytes(set->weights, set->weight_count) +
           items_bytes(set->states, set->state_count) + SNUG_STATE_TEXT_BYTES;
}

static snug_status join_step(const char *folder, const char *prefix, int64_t step,
                             char out[SNUG_PATH_BYTES], snug_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%sstep-%lld", prefix, (long long)step);
    return snug_path_join(folder, name, out, err);
}

static snug_status write_files(const char *folder, const snug_checkpoint_set *set,
                               const snug_train_state *state, snug_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(snug_path_join(folder, WEIGHTS_NAME, path, err));
    SNUG_TRY(snug_safetensors_write(path, set->weights, set->weight_count, metadata, set->buffer,
                                    set->buffer_bytes, err));
    SNUG_TRY(snug_path_join(folder, STATES_NAME, path, err));
    SNUG_TRY(snug_safetensors_write(path, set->states, set->state_count, NULL, set->buffer,
                                    set->buffer_bytes, err));
    SNUG_TRY(snug_path_join(folder, STATE_NAME, path, err));
    return snug_state_write(path, state, err);
}

/** The step of a name like "step-120", or -1. */
static int64_t step_of_name(const char *name)
{
    char *end = NULL;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') {
        return -1;
    }
    const long long step = strtoll(name + 5, &end, 10);
    return *end == '\0' ? (int64_t)step : -1;
}

/** The name that a link in the folder points to; "" when there is none. */
static snug_status link_target(const char *folder, const char *name, char out[SNUG_NAME_BYTES],
                               snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(snug_path_join(folder, name, path, err));
    if (!snug_link_read(path, out, SNUG_NAME_BYTES)) {
        out[0] = '\0';
    }
    return SNUG_OK;
}

/**
 * Removes the oldest checkpoints beyond `keep`, never the last or the best, and leftovers of killed
 * saves. A step above `now` was saved by a process that died before `last` pointed there: it does
 * not count, or it would push out the one that `last` points to.
 */
static snug_status rotate(const char *folder, const snug_checkpoint_set *set, int64_t keep,
                          int64_t now, snug_error *err)
{
    char best[SNUG_NAME_BYTES], last[SNUG_NAME_BYTES], path[SNUG_PATH_BYTES];
    snug_arena arena = {0};
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    SNUG_TRY(link_target(folder, "best", best, err));
    SNUG_TRY(link_target(folder, "last", last, err));
    snug_arena_init(&arena, "checkpoint list", set->buffer, FOLDER_LIST_BYTES);
    SNUG_TRY(snug_folder_list(folder, &arena, &entries, &count, err));
    for (int64_t i = 0; i < count; i++) {
        const char *name = entries[i].name;
        const int64_t step = step_of_name(name);
        int64_t newer = 0;
        for (int64_t k = 0; k < count; k++) {
            const int64_t other = step_of_name(entries[k].name);
            newer += other > step && other <= now;
        }
        const bool leftover = strncmp(name, ".partial-", 9) == 0;
        const bool pointed = strcmp(name, best) == 0 || strcmp(name, last) == 0;
        if (leftover || (step >= 0 && newer >= keep && !pointed)) {
            SNUG_TRY(snug_path_join(folder, name, path, err));
            SNUG_TRY(snug_folder_remove(path, err));
        }
    }
    return SNUG_OK;
}

static snug_status point(const char *folder, const char *name, int64_t step, snug_error *err)
{
    char path[SNUG_PATH_BYTES], target[64];
    (void)snprintf(target, sizeof target, "step-%lld", (long long)step);
    SNUG_TRY(snug_path_join(folder, name, path, err));
    return snug_link_replace(target, path, err);
}

static snug_status check_room(const char *folder, const snug_checkpoint_set *set, snug_error *err)
{
    char needs[SNUG_SIZE_TEXT_BYTES], has[SNUG_SIZE_TEXT_BYTES];
    int64_t free_bytes = 0;
    const int64_t bytes = snug_checkpoint_bytes(set);
    SNUG_TRY(snug_disk_free(folder, &free_bytes, err));
    if (free_bytes < bytes) {
        return SNUG_FAIL(
            err, SNUG_CODE_FULL,
            "a checkpoint needs %s and '%s' has %s free; nothing that was saved is touched: "
            "free space and continue with --resume",
            snug_size_text(bytes, needs), folder, snug_size_text(free_bytes, has));
    }
    return SNUG_OK;
}

snug_status snug_checkpoint_save(const char *folder, const snug_checkpoint_set *set,
                                 const snug_train_state *state, bool best, int64_t keep,
                                 char *out_path, snug_error *err)
{
    snug_status status = SNUG_OK;
    char partial[SNUG_PATH_BYTES], final[SNUG_PATH_BYTES];
    SNUG_TRY(join_step(folder, ".partial-", state->step, partial, err));
    SNUG_TRY(join_step(folder, "", state->step, final, err));
    SNUG_TRY(check_room(folder, set, err));
    SNUG_TRY(snug_folder_remove(partial, err));
    SNUG_TRY(snug_folder_make(partial, err));
    SNUG_TRY_DONE(write_files(partial, set, state, err));
    if (set->complete != NULL) {
        SNUG_TRY_DONE(set->complete(set->complete_context, partial, err));
    }
    SNUG_TRY_DONE(snug_folder_replace(partial, final, err));
    if (best) {
        SNUG_TRY_DONE(point(folder, "best", state->step, err));
    }
    SNUG_TRY_DONE(point(folder, "last", state->step, err));
    SNUG_TRY_DONE(rotate(folder, set, keep, state->step, err));
    memcpy(out_path, final, SNUG_PATH_BYTES);

done:
    if (snug_failed(status)) {
        const snug_status removed = snug_folder_remove(partial, NULL);
        SNUG_UNUSED(removed); /* A leftover is removed by the next rotation. */
    }
    return status;
}

static snug_status load_items(const char *path, const snug_safetensors_item *items, int64_t count,
                              const snug_checkpoint_set *set, snug_arena *arena, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_safetensors file = {0};
    const snug_mark start = snug_arena_mark(arena);
    SNUG_TRY(snug_safetensors_open(path, arena, &file, err));
    for (int64_t i = 0; i < count; i++) {
        const snug_safetensors_entry *entry = snug_safetensors_find(&file, items[i].name);
        if (entry == NULL) {
            SNUG_FAIL_DONE(err, SNUG_CODE_NOT_FOUND, "%s has no tensor '%s', which the model needs",
                           path, items[i].name);
        }
        /* Items are written through const pointers; loading is the one place that fills them. */
        void *data = (void *)(uintptr_t)items[i].data;
        SNUG_TRY_DONE(snug_safetensors_read(&file, entry, &items[i].layout, items[i].memory, data,
                                            set->buffer, set->buffer_bytes, err));
    }

done:
    snug_safetensors_close(&file);
    snug_arena_rewind(arena, start);
    return status;
}

snug_status snug_checkpoint_load(const char *folder, const snug_checkpoint_set *set,
                                 bool with_states, snug_arena *arena, snug_train_state *out_state,
                                 snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(snug_path_join(folder, WEIGHTS_NAME, path, err));
    SNUG_TRY(load_items(path, set->weights, set->weight_count, set, arena, err));
    SNUG_TRY(snug_path_join(folder, STATE_NAME, path, err));
    if (with_states) {
        snug_train_state state;
        SNUG_TRY(snug_state_read(path, &state, err));
        SNUG_TRY(snug_path_join(folder, STATES_NAME, path, err));
        SNUG_TRY(load_items(path, set->states, set->state_count, set, arena, err));
        *out_state = state;
        return SNUG_OK;
    }
    return snug_path_look(path) == SNUG_PATH_FILE ? snug_state_read(path, out_state, err) : SNUG_OK;
}
