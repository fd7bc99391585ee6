/* Samples of the own process at 1 Hz, scalars for TensorBoard, and the ladder under pressure. */
#include "train/session_watch.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "monitor/pressure.h"
#include "monitor/recorder.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/tensorboard.h"

/* What the kernel and libc may still want for a process that asks for nothing: page tables, the
 * page cache of a checkpoint being written. */
enum { EVENT_BYTES = 512, STILL_NEEDED_BYTES = 2 << 20 };

struct snug_session_watch {
    snug_recorder *recorder;
    snug_pressure pressure;
    snug_tensorboard board;
    bool board_open;
    bool looked;           /* At the room, once at least. */
    int64_t room_at_start; /* When the arena was in memory and nothing else had changed. */
};

int64_t snug_session_watch_bytes(void)
{
    return (int64_t)sizeof(struct snug_session_watch) + (int64_t)sizeof(snug_recorder);
}

static snug_status open_recorder(snug_session *session, snug_error *err)
{
    char name[64], path[SNUG_PATH_BYTES];
    snug_text text;
    snug_text_init(&text, name, sizeof name);
    snug_text_add(&text, session->state.step > 0 ? "memory-%lld.jsonl" : "memory.jsonl",
                  (long long)session->state.step);
    SNUG_TRY(snug_path_join(session->out, name, path, err));
    const snug_recorder_options options = {
        .target = SNUG_TARGET_SELF,
        .sampler = {.root = "", .no_gpu = true},
        .levels = {.by_headroom = true, .limit_bytes = session->budget.bytes},
        .log_path = path,
        .force = true,
        .program = "snug " SNUG_VERSION};
    return snug_recorder_open(&options, &session->watch->recorder, err);
}

snug_status snug_session_watch_open(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    void *memory = NULL;
    if (session->out[0] == '\0') {
        return SNUG_OK;
    }
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(struct snug_session_watch), true,
                           &memory, err));
    session->watch = memory;
    const bool stops = strcmp(s->training_on_pressure, "stop") == 0;
    const bool warns = strcmp(s->training_on_pressure, "warn") == 0;
    const snug_pressure_options pressure = {.policy = stops   ? SNUG_PRESSURE_POLICY_STOP
                                                      : warns ? SNUG_PRESSURE_POLICY_WARN
                                                              : SNUG_PRESSURE_POLICY_SHRINK,
                                            .strict = s->training_strict_memory_check};
    snug_pressure_init(&session->watch->pressure, &pressure);
    SNUG_TRY(open_recorder(session, err));
    if (s->training_tensorboard) {
        SNUG_TRY(
            snug_tensorboard_open(session->out, snug_clock_wall(), &session->watch->board, err));
        session->watch->board_open = true;
    }
    return SNUG_OK;
}

void snug_session_watch_close(snug_session *session, const char *reason)
{
    struct snug_session_watch *watch = session->watch;
    if (watch == NULL) {
        return;
    }
    if (watch->recorder != NULL) {
        snug_recorder_finish(watch->recorder, reason, -1);
        snug_recorder_close(watch->recorder);
    }
    if (watch->board_open) {
        snug_tensorboard_close(&watch->board);
    }
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, watch, (int64_t)sizeof *watch);
    session->watch = NULL;
}

/** One remark in the journal and the memory log, and in `words` to whoever looks on. */
static snug_status remark(snug_session *session, const char *event, const char *text,
                          const char *words, snug_error *err)
{
    snug_recorder_event(session->watch->recorder, SNUG_LOG_EVENT_MARK, text);
    snug_session_message(session, SNUG_MESSAGE_WARNING, "%s", words);
    return session->journal_open ? snug_journal_event(&session->journal, event, text, err)
                                 : SNUG_OK;
}

static snug_status shrink(snug_session *session, snug_error *err)
{
    char text[EVENT_BYTES], said[EVENT_BYTES];
    char from[SNUG_SIZE_TEXT_BYTES], to[SNUG_SIZE_TEXT_BYTES];
    const int64_t before =
        session->now_peak_bytes > 0 ? session->now_peak_bytes : session->predicted_peak_bytes;
    snug_text line, words;
    SNUG_TRY(snug_session_shrink(session, err));
    const long long micro_batch = (long long)snug_session_program(session)->micro_batch;
    snug_text_init(&line, text, sizeof text);
    snug_text_init(&words, said, sizeof said);
    const bool twice = session->has_train && snug_session_main(session)->step.passes > 1;
    snug_text_add(&line,
                  "a smaller plan: %s instead of %s, micro-batch %lld, %sthe same result (%s)",
                  snug_size_text(session->now_peak_bytes, to), snug_size_text(before, from),
                  micro_batch, twice ? "two passes, " : "", session->watch->pressure.reason);
    snug_text_say(&words,
                  "a smaller plan: %s instead of %s, micro-batch %lld, the same result (%s)", to,
                  from, micro_batch, session->watch->pressure.words);
    return remark(session, "pressure_shrink", text, said, err);
}

static snug_status act(snug_session *session, snug_pressure_action action, snug_error *err)
{
    struct snug_session_watch *watch = session->watch;
    char text[EVENT_BYTES], said[EVENT_BYTES];
    snug_text line, words;
    snug_text_init(&line, text, sizeof text);
    snug_text_init(&words, said, sizeof said);
    switch (action) {
    case SNUG_PRESSURE_NONE:
    case SNUG_PRESSURE_DROP_CACHES: /* What a run holds is all planned: there is none to drop. */
        return SNUG_OK;
    case SNUG_PRESSURE_WARN:
        snug_text_add(&line, "memory is getting short: %s", watch->pressure.reason);
        snug_text_say(&words, "memory is getting short: %s", watch->pressure.words);
        return remark(session, "pressure_warn", text, said, err);
    case SNUG_PRESSURE_SHRINK:
        return shrink(session, err);
    case SNUG_PRESSURE_STOP:
        snug_text_add(&line, "stopping with a checkpoint: %s", watch->pressure.reason);
        snug_text_say(&words, "stopping with a checkpoint: %s", watch->pressure.words);
        snug_session_stop(session);
        return remark(session, "pressure_stop", text, said, err);
    }
    return SNUG_OK;
}

/**
 * Room by the machine and the control groups, all page cache counted as room: it can be given up.
 * The limits of the process itself are our own seal.
 */
static int64_t room_of(const snug_probe *probe)
{
    int64_t room = probe->machine.available_bytes;
    for (int32_t i = 0; i < probe->group.level_count; i++) {
        const snug_cgroup_level *level = &probe->group.levels[i];
        if (level->limit_bytes < INT64_MAX) {
            room = snug_min_i64(room, level->limit_bytes - level->usage_bytes +
                                          level->inactive_file_bytes + level->active_file_bytes);
        }
    }
    return snug_max_i64(0, room);
}

/**
 * A run whose limit is its budget has little room from the beginning, by design: that is no
 * pressure. What is judged there is how much of this room is left, as a share of a usual one.
 */
static int64_t judged_room(const struct snug_session_watch *watch, int64_t room, int64_t budget)
{
    const int64_t usual = budget / 10;
    if (watch->room_at_start >= usual) {
        return room;
    }
    const double share = (double)room / (double)snug_max_i64(1, watch->room_at_start);
    return (int64_t)(share * (double)usual);
}

/** What a sample says about the room that is left. */
static snug_status answer(snug_session *session, snug_error *err)
{
    struct snug_session_watch *watch = session->watch;
    snug_probe probe;
    SNUG_TRY(snug_probe_read("", &probe, err));
    const int64_t room = room_of(&probe);
    if (!watch->looked) {
        watch->looked = true;
        watch->room_at_start = room;
        return SNUG_OK;
    }
    const snug_pressure_facts facts = {
        .t = snug_recorder_seconds(watch->recorder),
        .headroom_bytes = judged_room(watch, room, session->budget.bytes),
        .needed_bytes = STILL_NEEDED_BYTES,
        .budget_bytes = session->budget.bytes,
        .level = SNUG_LEVEL_OK, /* Room is all that is judged here. */
        .can_shrink = session->arena_bytes + snug_session_second_bytes(session) >
                      session->plan_facts.minimum_arena_bytes};
    return act(session, snug_pressure_step(&watch->pressure, &facts), err);
}

static snug_status draw_step(snug_session *session, const snug_step_record *record, snug_error *err)
{
    snug_tensorboard *board = &session->watch->board;
    const double now = snug_clock_wall();
    const struct {
        const char *tag;
        double value;
    } values[] = {{"train/loss", record->loss},
                  {"train/gradient_norm", record->gradient_norm},
                  {"train/learning_rate", record->learning_rate},
                  {"time/step_seconds", record->step_seconds},
                  {"memory/rss_mib", (double)record->rss_bytes / (1 << 20)}};
    for (int64_t i = 0; i < SNUG_COUNT(values); i++) {
        SNUG_TRY(
            snug_tensorboard_scalar(board, values[i].tag, record->step, now, values[i].value, err));
    }
    return SNUG_OK;
}

snug_status snug_session_watch_step(snug_session *session, const snug_step_record *record,
                                    snug_error *err)
{
    if (session->watch == NULL) {
        return SNUG_OK;
    }
    const int64_t every = snug_max_i64(1, session->settings.training_log_every_steps);
    if (session->watch->board_open &&
        (record->step % every == 0 || record->step == session->step_count)) {
        SNUG_TRY(draw_step(session, record, err));
    }
    const snug_tick tick = snug_recorder_tick(session->watch->recorder);
    if (session->state.position == 0) { /* The first step of an epoch is behind us, or the last. */
        snug_heap_usage usage;
        snug_heap_usage_read(&usage);
        snug_recorder_phase(session->watch->recorder, "epoch", session->state.epoch,
                            usage.current_bytes);
    }
    return tick.sampled ? answer(session, err) : SNUG_OK;
}

snug_status snug_session_watch_evaluation(snug_session *session, snug_error *err)
{
    const snug_evaluation *e = &session->evaluation;
    if (session->watch == NULL || !session->watch->board_open) {
        return SNUG_OK;
    }
    const double now = snug_clock_wall();
    snug_tensorboard *board = &session->watch->board;
    SNUG_TRY(snug_tensorboard_scalar(board, "validation/loss", e->step, now, e->loss, err));
    for (int32_t i = 0; i < e->metric_count; i++) {
        char tag[SNUG_TENSORBOARD_TAG_BYTES];
        snug_text text;
        snug_text_init(&text, tag, sizeof tag);
        snug_text_add(&text, "validation/%s", e->metrics[i].name);
        SNUG_TRY(snug_tensorboard_scalar(board, tag, e->step, now, e->metrics[i].value, err));
    }
    return snug_tensorboard_flush(board, err);
}
