/* What would have to change for a budget to be kept: settings tried one at a time. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "sys/heap.h"
#include "train/family.h"

enum { KNOB_BLOCK_BYTES = 1 << 20, KNOB_SCRATCH_BLOCK_BYTES = 4 << 20, KNOB_TRIES_MAX = 6 };

bool snug_knob_turn_batch(snug_settings *settings, const snug_session *session)
{
    SNUG_UNUSED(session);
    if (settings->training_gradient_accumulation_steps > 1) {
        settings->training_gradient_accumulation_steps /= 2;
        return true;
    }
    settings->training_batch_size /= 2;
    return settings->training_batch_size >= 1;
}

void snug_knob_value_batch(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->training_batch_size);
}

bool snug_knob_turn_precision(snug_settings *settings, const snug_session *session)
{
    SNUG_UNUSED(session);
    if (snug_family_narrow(settings)) {
        return false;
    }
    (void)snprintf(settings->training_precision, sizeof settings->training_precision,
                   "bf16_activations");
    return true;
}

void snug_knob_value_precision(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%s", settings->training_precision);
}

bool snug_knob_turn_optimizer(snug_settings *settings, const snug_session *session)
{
    SNUG_UNUSED(session);
    if (strcmp(settings->optimizer_name, "sgd") == 0) {
        return false;
    }
    (void)snprintf(settings->optimizer_name, sizeof settings->optimizer_name, "sgd");
    settings->optimizer_momentum = 0.0;
    return true;
}

void snug_knob_value_optimizer(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%s", settings->optimizer_name);
}

/** Bytes of parameters and states, which no plan is without. */
static int64_t persistent_bytes(const snug_graph *graph)
{
    int64_t bytes = 0;
    for (int64_t t = 0; t < graph->tensor_count; t++) {
        const snug_tensor_kind kind = graph->tensors[t].kind;
        if (kind == SNUG_TENSOR_PARAMETER || kind == SNUG_TENSOR_STATE) {
            bytes += snug_align_up(snug_tensor_bytes(&graph->tensors[t]), SNUG_ALIGN);
        }
    }
    return bytes;
}

/** The smallest budget of the session's data under other settings; where it is hopeless, less, but
 * more than the session has. */
static snug_status minimum_of(const snug_session *session, const snug_settings *settings,
                              int64_t *out_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    snug_arena scratch;
    const int64_t own_bytes = session->family->own_bytes;
    const int64_t bytes = snug_align_up((int64_t)sizeof(snug_session), SNUG_ALIGN) + own_bytes;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, bytes, false, &memory, err));
    snug_session *other = memory;
    other->settings = *settings;
    other->purpose = SNUG_PURPOSE_PLAN;
    other->has_train = true;
    other->family = session->family;
    other->own = (unsigned char *)memory + bytes - own_bytes;
    memcpy(other->own, session->own, (size_t)own_bytes); /* The data are the same. */
    other->bucket_count = session->bucket_count;
    snug_heap_arena_init(&other->setup, "other settings", SNUG_CATEGORY_RUNTIME, KNOB_BLOCK_BYTES);
    snug_session_bucket *bucket = &other->buckets[other->bucket_count - 1];
    SNUG_TRY_DONE(other->family->choose(other, err));
    SNUG_TRY_DONE(
        snug_session_build(other, other->bucket_count - 1, &other->setup, &bucket->graph, err));
    const int64_t beside = session->minimum_budget_bytes - session->plan_facts.minimum_arena_bytes;
    *out_bytes = beside + persistent_bytes(&bucket->graph);
    if (*out_bytes > session->budget.bytes) {
        goto done;
    }
    snug_heap_arena_init(&scratch, "planner", SNUG_CATEGORY_RUNTIME, KNOB_SCRATCH_BLOCK_BYTES);
    snug_plan_memo memo = {0};
    const snug_plan_request request = {.graph = &bucket->graph,
                                       .batch = settings->training_batch_size *
                                                settings->training_gradient_accumulation_steps,
                                       .threads = session->threads,
                                       .budget_bytes = 1,
                                       .smallest = true,
                                       .curveless = true,
                                       .scratch = &scratch,
                                       .memo = &memo};
    snug_step_plan step;
    snug_plan_facts facts = {0};
    status = snug_plan_make_step(&request, snug_session_passes(settings),
                                 other->bucket_count * snug_session_pass_bytes(&bucket->graph),
                                 &other->setup, &step, &facts, err);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    if (status == SNUG_CODE_BUDGET) {
        *out_bytes = beside + facts.minimum_arena_bytes;
        status = SNUG_OK;
    }

done:
    snug_heap_arena_deinit(&other->setup, SNUG_CATEGORY_RUNTIME);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, other, bytes);
    return status;
}

int32_t snug_session_knobs(const snug_session *session, snug_session_knob out[SNUG_KNOBS_MAX])
{
    int32_t count = 0;
    const snug_family_knob *knobs = session->family->knobs;
    SNUG_ASSERT(session->family->knob_count <= SNUG_KNOBS_MAX);
    for (int32_t i = 0; i < session->family->knob_count; i++) {
        snug_settings settings = session->settings;
        for (int32_t attempt = 0; attempt < KNOB_TRIES_MAX; attempt++) {
            snug_error ignored = {0};
            int64_t minimum = 0;
            if (!knobs[i].turn(&settings, session) ||
                snug_failed(minimum_of(session, &settings, &minimum, &ignored))) {
                break;
            }
            if (minimum <= session->budget.bytes) {
                snug_session_knob *knob = &out[count++];
                *knob = (snug_session_knob){.knob = &knobs[i], .minimum_budget_bytes = minimum};
                knobs[i].value(&settings, knob->value, sizeof knob->value);
                break;
            }
        }
    }
    return count;
}
