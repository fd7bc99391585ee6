/* Smart training: rounds of epochs until a target is met or a round brings nothing more. */
#ifndef SNUG_TRAIN_SESSION_SMART_H
#define SNUG_TRAIN_SESSION_SMART_H

#include "train/session.h"

/** Checks training.target; SNUG_CODE_CONFIG for what is no condition or no metric of the family. */
SNUG_MUST_CHECK snug_status snug_session_smart_check(const snug_session *session, snug_error *err);

/**
 * After an evaluation, with training.smart: decides whether the run goes on, and says why in the
 * journal and to whoever looks on. The decision is part of the state, so that a resumed run knows.
 *
 * @param epoch_ended  The evaluation stands at the end of an epoch: a round may end here.
 */
SNUG_MUST_CHECK snug_status snug_session_smart_decide(snug_session *session, bool epoch_ended,
                                                      snug_error *err);

#endif
