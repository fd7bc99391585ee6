#include "monitor/log_pipe.h"

/* An empty slot; -1 when nobody reads any more. */
static int64_t wait_for_room(snug_log_pipe *pipe)
{
    snug_mutex_lock(&pipe->mutex);
    while (pipe->filled - pipe->taken == SNUG_LOG_PIPE_SLOTS && !pipe->stopped) {
        snug_condition_wait(&pipe->changed, &pipe->mutex);
    }
    const int64_t slot = pipe->stopped ? -1 : pipe->filled % SNUG_LOG_PIPE_SLOTS;
    snug_mutex_unlock(&pipe->mutex);
    return slot;
}

static void hand_over(snug_log_pipe *pipe, int64_t slot, int64_t bytes)
{
    snug_mutex_lock(&pipe->mutex);
    pipe->bytes[slot] = bytes;
    pipe->filled++;
    snug_condition_broadcast(&pipe->changed);
    snug_mutex_unlock(&pipe->mutex);
}

/* Unpacks `packed` until it is used up, a slot at a time. False when nobody reads any more. */
static bool unpack_block(snug_log_pipe *pipe, int64_t packed, snug_status *status, snug_error *err)
{
    int64_t used = 0;
    int64_t made = 0;
    do {
        int64_t took = 0;
        const int64_t slot = wait_for_room(pipe);
        if (slot < 0) {
            return false;
        }
        made = 0;
        *status = snug_log_unpack_some(&pipe->unpack, pipe->packed + used, packed - used, &took,
                                       pipe->slots[slot], SNUG_LOG_PIPE_BYTES, &made, err);
        used += took;
        if (made > 0) {
            hand_over(pipe, slot, made);
        }
    } while (*status == SNUG_OK && (used < packed || made == SNUG_LOG_PIPE_BYTES));
    return *status == SNUG_OK;
}

static void run_thread(void *context)
{
    snug_log_pipe *pipe = context;
    snug_status status = SNUG_OK;
    snug_error err = {0};
    int64_t offset = 0;
    for (;;) {
        int64_t got = 0;
        status =
            snug_file_read_some(pipe->file, offset, pipe->packed, SNUG_LOG_PIPE_BYTES, &got, &err);
        offset += got;
        if (status != SNUG_OK || got == 0 || !unpack_block(pipe, got, &status, &err)) {
            break;
        }
    }
    snug_mutex_lock(&pipe->mutex);
    pipe->ended = true;
    pipe->status = status;
    pipe->error = err;
    snug_condition_broadcast(&pipe->changed);
    snug_mutex_unlock(&pipe->mutex);
}

snug_status snug_log_pipe_open(snug_log_pipe *pipe, snug_log_packing packing, const snug_file *file,
                               snug_error *err)
{
    pipe->file = file;
    pipe->filled = pipe->taken = 0;
    pipe->ended = pipe->stopped = false;
    pipe->status = SNUG_OK;
    pipe->thread = (snug_thread){0};
    SNUG_TRY(snug_log_unpack_open(packing, &pipe->unpack, err));
    snug_mutex_init(&pipe->mutex);
    snug_condition_init(&pipe->changed);
    const snug_status status = snug_thread_start(&pipe->thread, "unpack", 0, run_thread, pipe, err);
    if (snug_failed(status)) {
        snug_log_pipe_close(pipe);
    }
    return status;
}

snug_status snug_log_pipe_next(snug_log_pipe *pipe, const char **out_block, int64_t *out_bytes,
                               bool *out_whole, snug_error *err)
{
    snug_mutex_lock(&pipe->mutex);
    if (*out_bytes > 0) {
        /* The block before is done with. */
        pipe->taken++;
        snug_condition_broadcast(&pipe->changed);
    }
    while (pipe->taken == pipe->filled && !pipe->ended) {
        snug_condition_wait(&pipe->changed, &pipe->mutex);
    }
    const bool more = pipe->taken < pipe->filled;
    const int64_t slot = pipe->taken % SNUG_LOG_PIPE_SLOTS;
    snug_mutex_unlock(&pipe->mutex);
    *out_bytes = more ? pipe->bytes[slot] : 0;
    *out_block = pipe->slots[slot];
    if (more) {
        return SNUG_OK;
    }
    *out_whole = snug_log_unpack_whole(&pipe->unpack);
    if (snug_failed(pipe->status) && err != NULL) {
        *err = pipe->error;
    }
    return pipe->status;
}

void snug_log_pipe_close(snug_log_pipe *pipe)
{
    snug_mutex_lock(&pipe->mutex);
    pipe->stopped = true;
    snug_condition_broadcast(&pipe->changed);
    snug_mutex_unlock(&pipe->mutex);
    snug_thread_join(&pipe->thread);
    snug_log_unpack_close(&pipe->unpack);
    snug_condition_deinit(&pipe->changed);
    snug_mutex_deinit(&pipe->mutex);
}
