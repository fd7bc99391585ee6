#include "train/session_smart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "train/family.h"

enum { TEXT_BYTES = 256 };

/** "accuracy>0.9": which figure, which side, how much. */
typedef struct smart_target {
    int32_t metric; /* -1: the loss. */
    bool above;
    double bound;
} smart_target;

static snug_status read_target(const snug_session *session, smart_target *out, snug_error *err)
{
    const char *text = session->settings.training_target;
    const snug_family *family = session->family;
    const size_t length = strcspn(text, "<>");
    const char *names[SNUG_METRICS_MAX + 1] = {"loss"};
    char name[64], *end = NULL;
    snug_text part;
    int32_t found = -2;
    if (length == 0 || length >= sizeof name || text[length] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "training.target is '%s': write it like %s>0.9 or loss<0.1", text,
                         family->metric_names[0]);
    }
    snug_text_init(&part, name, sizeof name);
    snug_text_add(&part, "%.*s", (int)length, text);
    for (int32_t i = 0; i <= family->metric_count; i++) {
        names[i] = i == 0 ? "loss" : family->metric_names[i - 1];
        found = strcmp(names[i], name) == 0 ? i - 1 : found;
    }
    if (found == -2) {
        const char *near = snug_nearest_name(name, names, family->metric_count + 1);
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "training.target: there is no '%s'%s%s", name,
                         near == NULL ? "" : "; did you mean ", near == NULL ? "" : near);
    }
    const double bound = strtod(text + length + 1, &end);
    if (end == text + length + 1 || *end != '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "training.target: '%s' is no number",
                         text + length + 1);
    }
    *out = (smart_target){.metric = found, .above = text[length] == '>', .bound = bound};
    return SNUG_OK;
}

snug_status snug_session_smart_check(const snug_session *session, snug_error *err)
{
    smart_target target;
    return session->settings.training_target[0] == '\0' ? SNUG_OK
                                                        : read_target(session, &target, err);
}

static snug_status say(snug_session *session, const char *event, const snug_text *text,
                       snug_error *err)
{
    snug_session_message(session, SNUG_MESSAGE_INFO, "%s", text->data);
    return session->journal_open ? snug_journal_event(&session->journal, event, text->data, err)
                                 : SNUG_OK;
}

/** The target, when there is one; meeting it ends the run. */
static snug_status look_at_target(snug_session *session, snug_error *err)
{
    const snug_evaluation *e = &session->evaluation;
    char line[TEXT_BYTES];
    snug_text text;
    smart_target target;
    if (session->settings.training_target[0] == '\0') {
        return SNUG_OK;
    }
    SNUG_TRY(read_target(session, &target, err));
    const double value = target.metric < 0 ? e->loss : e->metrics[target.metric].value;
    const bool met = target.above ? value > target.bound : value < target.bound;
    if (!met) {
        return SNUG_OK;
    }
    session->state.finished = 1;
    snug_text_init(&text, line, sizeof line);
    snug_text_add(&text, "done: the target %s is met with %.6g after step %lld",
                  session->settings.training_target, value, (long long)session->state.step);
    return say(session, "smart_target", &text, err);
}

/** The end of a round: another one, unless the last ones brought nothing. */
static snug_status end_round(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_train_state *state = &session->state;
    char line[TEXT_BYTES];
    snug_text text;
    const bool first = state->rounds == 0;
    const double gain = first ? INFINITY : state->round_best - state->best_value;
    state->rounds++;
    state->round_best = state->best_value;
    state->bad_rounds = gain > s->training_min_delta ? 0 : state->bad_rounds + 1;
    state->finished = state->bad_rounds >= s->training_round_patience;
    snug_text_init(&text, line, sizeof line);
    snug_text_add(&text, "round %lld ends after epoch %lld: ", (long long)state->rounds,
                  (long long)state->epoch);
    if (first) {
        snug_text_add(&text, "the first; another one");
    } else if (state->bad_rounds == 0) {
        snug_text_add(&text, "better by %.4g; another one", gain);
    } else {
        snug_text_add(&text, "no progress in %lld rounds; %s", (long long)state->bad_rounds,
                      state->finished ? "done" : "another one");
    }
    return say(session, "smart_round", &text, err);
}

snug_status snug_session_smart_decide(snug_session *session, bool epoch_ended, snug_error *err)
{
    const snug_settings *s = &session->settings;
    if (!s->training_smart) {
        return SNUG_OK;
    }
    SNUG_TRY(look_at_target(session, err));
    const bool round_ended = epoch_ended && session->state.epoch % s->training_round_epochs == 0;
    return session->state.finished == 0 && round_ended ? end_round(session, err) : SNUG_OK;
}
