/* Opening a session: machine, budget, data, model and graph, in that order; nothing large is taken.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/translate.h"
#include "optim/optim.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/session.h"
#include "train/session_smart.h"

enum { SETUP_BLOCK_BYTES = 256 << 10 };

void snug_session_message(const snug_session *session, snug_message_level level, const char *format,
                          ...)
{
    char text[SNUG_ERROR_MESSAGE_BYTES];
    va_list arguments;
    if (session->observer == NULL || session->observer->message == NULL) {
        return;
    }
    va_start(arguments, format);
    const int written = vsnprintf(text, sizeof text, snug_translated_format(format), arguments);
    va_end(arguments);
    if (written >= 0) {
        session->observer->message(session->observer->context, level, text);
    }
}

snug_status snug_session_open_data(snug_session *session, snug_error *err)
{
    snug_heap_arena_deinit(&session->index_arena, SNUG_CATEGORY_DATA);
    snug_heap_arena_init(&session->index_arena, "data index", SNUG_CATEGORY_DATA,
                         SETUP_BLOCK_BYTES);
    session->bucket_count = 1;
    return session->family->open_data(session, err);
}

snug_status snug_session_build(snug_session *session, int32_t bucket, snug_arena *arena,
                               snug_graph *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena scratch;
    snug_graph graph = {0};
    const snug_settings *s = &session->settings;
    snug_heap_arena_init(&scratch, "graph", SNUG_CATEGORY_RUNTIME, SETUP_BLOCK_BYTES);
    SNUG_TRY_DONE(snug_graph_init(&graph, &scratch, session->family->graph_nodes_max,
                                  session->family->graph_tensors_max, err));
    SNUG_TRY_DONE(session->family->build(session, bucket, &graph, err));
    if (session->has_train) {
        const snug_optim_options optimizer = {.name = s->optimizer_name,
                                              .learning_rate = s->optimizer_lr,
                                              .weight_decay = s->optimizer_weight_decay,
                                              .beta1 = s->optimizer_beta1,
                                              .beta2 = s->optimizer_beta2,
                                              .epsilon = s->optimizer_eps,
                                              .momentum = s->optimizer_momentum,
                                              .clip_norm = s->training_clip_norm,
                                              .keep_vectors =
                                                  strcmp(s->optimizer_no_decay, "none") != 0};
        graph.batch = s->training_batch_size * s->training_gradient_accumulation_steps;
        SNUG_TRY_DONE(snug_graph_backward(&graph, err));
        SNUG_TRY_DONE(snug_optim_attach(&graph, &optimizer, err));
    }
    /* How large it is was not known before; what is kept is just that. */
    SNUG_TRY_DONE(snug_graph_copy(&graph, arena, out, err));

done:
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    return status;
}

snug_status snug_session_build_all(snug_session *session, snug_error *err)
{
    snug_arena_rewind(&session->setup, session->graphs_mark);
    for (int32_t b = 0; b < session->bucket_count; b++) {
        SNUG_TRY(snug_session_build(session, b, &session->setup, &session->buckets[b].graph, err));
    }
    session->parameter_count = snug_graph_parameter_count(&session->buckets[0].graph, false);
    return SNUG_OK;
}

static snug_status choose_steps(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    const int64_t samples = session->data.sample_count[SNUG_PART_TRAIN];
    session->batch = s->training_batch_size * s->training_gradient_accumulation_steps;
    session->steps_per_epoch = snug_max_i64(1, snug_ceil_div(samples, session->batch));
    session->step_count = s->training_max_steps > 0 ? s->training_max_steps
                                                    : s->training_epochs * session->steps_per_epoch;
    const double share = s->scheduler_warmup_ratio > 0.0
                             ? s->scheduler_warmup_ratio * (double)session->step_count
                             : s->scheduler_warmup_epochs * (double)session->steps_per_epoch;
    const int64_t warmup =
        s->scheduler_warmup_steps > 0 ? s->scheduler_warmup_steps : (int64_t)(share + 0.5);
    session->schedule =
        (snug_schedule){.peak = s->optimizer_lr,
                        .end = s->scheduler_min_lr,
                        .power = 1.0,
                        .warmup_steps = snug_min_i64(warmup, session->step_count - 1),
                        .total_steps = session->step_count};
    if (session->steps_max > 0) {
        session->step_count = snug_min_i64(session->step_count, session->steps_max);
    }
    const char *name = strcmp(s->scheduler_name, "none") == 0 || s->scheduler_name[0] == '\0'
                           ? "constant"
                           : s->scheduler_name;
    return snug_schedule_find(name, &session->schedule.kind, err);
}

/** The run folder: made, locked, and checked against what is asked. */
static snug_status open_folder(snug_session *session, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    if (session->purpose != SNUG_PURPOSE_TRAIN || session->out[0] == '\0') {
        return SNUG_OK;
    }
    SNUG_TRY(snug_path_join(session->out, "checkpoints", path, err));
    SNUG_TRY(snug_folder_make(path, err));
    SNUG_TRY(snug_path_join(session->out, ".lock", path, err));
    SNUG_TRY(snug_lock_acquire(path, &session->lock, err));
    SNUG_TRY(snug_path_join(session->out, "checkpoints/last", path, err));
    const bool has_checkpoint = snug_path_look(path) == SNUG_PATH_FOLDER;
    if (has_checkpoint && !session->resume) {
        return SNUG_FAIL(
            err, SNUG_CODE_BUSY,
            "'%s' holds a run already: continue it with --resume, or choose another --out",
            session->out);
    }
    return SNUG_OK;
}

static snug_status choose_machine(snug_session *session, const snug_session_options *options,
                                  snug_error *err)
{
    const snug_settings *s = &session->settings;
    const int64_t threads = options->threads > 0 ? options->threads
                            : s->threads > 0     ? s->threads
                                                 : snug_cpu_cores("");
    if (threads > SNUG_THREADS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "threads is %lld: 1 to %d", (long long)threads,
                         SNUG_THREADS_MAX);
    }
    session->threads = (int32_t)threads;
    SNUG_TRY(snug_isa_choose(&session->isa, err));
    SNUG_TRY(snug_probe_read("", &session->probe, err));
    return snug_budget_choose(options->budget != NULL ? options->budget : s->budget,
                              &session->probe, &session->budget, err);
}

static snug_status choose_family(snug_session *session, snug_error *err)
{
    SNUG_TRY(snug_family_find(session->settings.model_name, &session->family, err));
    return snug_heap_map(SNUG_CATEGORY_RUNTIME, session->family->own_bytes, false, &session->own,
                         err);
}

static snug_status copy_path(const char *from, char out[SNUG_PATH_BYTES], snug_error *err)
{
    const size_t bytes = from == NULL ? 0 : strlen(from);
    if (bytes >= SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a path has %zu bytes, at most %d", bytes,
                         SNUG_PATH_BYTES - 1);
    }
    if (bytes > 0) {
        memcpy(out, from, bytes + 1);
    }
    return SNUG_OK;
}

snug_status snug_session_create(const snug_settings *settings, const snug_session_options *options,
                                snug_session **out_session, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    snug_heap_tame_malloc(); /* Foreign code must not hold what it freed when the floor is read. */
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_session), false, &memory, err));
    snug_session *session = memory;
    session->settings = *settings;
    session->purpose = options->purpose;
    session->resume = options->resume;
    session->recalibrate = options->recalibrate;
    session->steps_max = options->steps;
    session->has_train =
        options->purpose == SNUG_PURPOSE_PLAN || options->purpose == SNUG_PURPOSE_TRAIN;
    snug_heap_arena_init(&session->setup, "session", SNUG_CATEGORY_RUNTIME, SETUP_BLOCK_BYTES);
    SNUG_TRY_DONE(copy_path(options->out, session->out, err));
    SNUG_TRY_DONE(copy_path(options->checkpoint, session->checkpoint, err));
    SNUG_TRY_DONE(choose_machine(session, options, err));
    SNUG_TRY_DONE(choose_family(session, err));
    SNUG_TRY_DONE(snug_session_smart_check(session, err));
    SNUG_TRY_DONE(session->family->choose(session, err));
    SNUG_TRY_DONE(snug_session_open_data(session, err));
    session->graphs_mark = snug_arena_mark(&session->setup);
    SNUG_TRY_DONE(snug_session_build_all(session, err));
    SNUG_TRY_DONE(choose_steps(session, err));
    SNUG_TRY_DONE(snug_session_measure_costs(session, err));
    SNUG_TRY_DONE(snug_session_make_plan(session, err));
    if (session->fits) { /* A refused run leaves no folder behind. */
        SNUG_TRY_DONE(open_folder(session, err));
    }
    *out_session = session;

done:
    if (snug_failed(status)) {
        snug_session_close(session);
    }
    return status;
}

void snug_session_close(snug_session *session)
{
    if (session == NULL) {
        return;
    }
    snug_session_tear_down(session);
    if (session->family != NULL) {
        if (session->own != NULL && session->family->close_data != NULL) {
            session->family->close_data(session);
        }
        snug_heap_unmap(SNUG_CATEGORY_RUNTIME, session->own, session->family->own_bytes);
    }
    snug_lock_release(&session->lock);
    snug_heap_arena_deinit(&session->index_arena, SNUG_CATEGORY_DATA);
    snug_heap_arena_deinit(&session->setup, SNUG_CATEGORY_RUNTIME);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, session, (int64_t)sizeof *session);
}

void snug_session_stop(snug_session *session)
{
    atomic_store(&session->stop, true);
}
