/* What goes on beside the steps of a run: memory log, TensorBoard, and the answer to pressure. */
#ifndef SNUG_TRAIN_SESSION_WATCH_H
#define SNUG_TRAIN_SESSION_WATCH_H

#include "train/session.h"

/** Bytes that a watch takes, whatever the settings: it is part of the plan. */
int64_t snug_session_watch_bytes(void);

/**
 * Opens RUN/memory.jsonl and RUN/events.out.tfevents.* as the settings say; before the seal. A
 * resumed run begins files of its own.
 * @errors  Those of the recorder and of the event file.
 */
SNUG_MUST_CHECK snug_status snug_session_watch_open(snug_session *session, snug_error *err);
/** Ends the log with the reason ("done", "interrupted", "failed"); not open is allowed. */
void snug_session_watch_close(snug_session *session, const char *reason);

/**
 * After a step: takes a sample when one is due, and acts on what it shows (training.on_pressure).
 * A plan may be made smaller on the way: programs, loader and arena are then others, the bits of
 * the result are not.
 */
SNUG_MUST_CHECK snug_status snug_session_watch_step(snug_session *session,
                                                    const snug_step_record *record,
                                                    snug_error *err);
/** An evaluation, for TensorBoard. */
SNUG_MUST_CHECK snug_status snug_session_watch_evaluation(snug_session *session, snug_error *err);

#endif
