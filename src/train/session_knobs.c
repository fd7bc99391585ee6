/* What would have to change for a budget to be kept: settings tried one at a time. */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "sys/heap.h"
#include "train/session.h"

enum { KNOB_BLOCK_BYTES = 1 << 20, KNOB_TRIES_MAX = 6 };

/** Halves a setting, or makes it the least there is; false when it cannot be made smaller. */
typedef bool (*turn_function)(snug_settings *settings, const snug_session *session);

static bool turn_window(snug_settings *settings, const snug_session *session)
{
    const int64_t context = session->model.shapes.left_context;
    settings->data_window = context + (settings->data_window - context) / 2;
    return settings->data_window - context >= 64;
}

static bool turn_batch(snug_settings *settings, const snug_session *session)
{
    SNUG_UNUSED(session);
    if (settings->training_gradient_accumulation_steps > 1) {
        settings->training_gradient_accumulation_steps /= 2;
        return true;
    }
    settings->training_batch_size /= 2;
    return settings->training_batch_size >= 1;
}

static bool turn_hidden(snug_settings *settings, const snug_session *session)
{
    const int64_t now =
        settings->model_hidden > 0 ? settings->model_hidden : session->model.options.hidden;
    settings->model_hidden = now / 2;
    return settings->model_hidden >= 8;
}

static bool turn_optimizer(snug_settings *settings, const snug_session *session)
{
    SNUG_UNUSED(session);
    if (strcmp(settings->optimizer_name, "sgd") == 0) {
        return false;
    }
    (void)snprintf(settings->optimizer_name, sizeof settings->optimizer_name, "sgd");
    settings->optimizer_momentum = 0.0;
    return true;
}

static void value_window(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->data_window);
}

static void value_batch(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->training_batch_size);
}

static void value_hidden(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->model_hidden);
}

static void value_optimizer(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%s", settings->optimizer_name);
}

static const struct {
    const char *key;
    const char *changes; /* In the result. */
    turn_function turn;
    void (*value)(const snug_settings *settings, char *out, size_t bytes);
} KNOBS[SNUG_KNOBS_MAX] = {
    {"data.window", "shorter sequences: less context for the decoder", turn_window, value_window},
    {"training.batch_size", "a smaller global batch: noisier steps", turn_batch, value_batch},
    {"model.hidden", "a smaller decoder: another model", turn_hidden, value_hidden},
    {"optimizer.name", "no moments: another optimizer, another learning rate", turn_optimizer,
     value_optimizer},
};

/** The smallest budget of the session's data under other settings. */
static snug_status minimum_of(const snug_session *session, const snug_settings *settings,
                              int64_t *out_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_session), false, &memory,
                           err));
    snug_session *other = memory;
    other->settings = *settings;
    other->purpose = SNUG_PURPOSE_PLAN;
    other->has_train = true;
    other->facts = session->facts;
    other->sample_rate = session->sample_rate;
    snug_heap_arena_init(&other->setup, "other settings", SNUG_CATEGORY_RUNTIME, KNOB_BLOCK_BYTES);
    SNUG_TRY_DONE(snug_session_build(other, err));
    const snug_plan_request request = {
        .graph = &other->graph,
        .mode = SNUG_PLAN_TRAIN,
        .batch = settings->training_batch_size * settings->training_gradient_accumulation_steps,
        .threads = session->threads,
        .budget_bytes = 1};
    snug_program program;
    snug_plan_facts facts = {0};
    status = snug_plan_make(&request, &other->setup, &program, &facts, err);
    if (status == SNUG_CODE_BUDGET) {
        *out_bytes = session->minimum_budget_bytes - session->plan_facts.minimum_arena_bytes +
                     facts.minimum_arena_bytes;
        status = SNUG_OK;
    }

done:
    snug_heap_arena_deinit(&other->setup, SNUG_CATEGORY_RUNTIME);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, other, (int64_t)sizeof(snug_session));
    return status;
}

int32_t snug_session_knobs(const snug_session *session, snug_session_knob out[SNUG_KNOBS_MAX])
{
    int32_t count = 0;
    for (int32_t i = 0; i < SNUG_KNOBS_MAX; i++) {
        snug_settings settings = session->settings;
        for (int32_t attempt = 0; attempt < KNOB_TRIES_MAX; attempt++) {
            snug_error ignored = {0};
            int64_t minimum = 0;
            if (!KNOBS[i].turn(&settings, session) ||
                snug_failed(minimum_of(session, &settings, &minimum, &ignored))) {
                break;
            }
            if (minimum <= session->budget.bytes) {
                snug_session_knob *knob = &out[count++];
                *knob = (snug_session_knob){.key = KNOBS[i].key,
                                            .changes = KNOBS[i].changes,
                                            .minimum_budget_bytes = minimum};
                KNOBS[i].value(&settings, knob->value, sizeof knob->value);
                break;
            }
        }
    }
    return count;
}
