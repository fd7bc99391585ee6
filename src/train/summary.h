/* The end of a run: its summary, RUN/summary.json and the picture of loss and memory. */
#ifndef SNUG_TRAIN_SUMMARY_H
#define SNUG_TRAIN_SUMMARY_H

#include "base/json.h"
#include "train/session.h"

/** Fills session->summary and, with a run folder, writes RUN/summary.json. */
SNUG_MUST_CHECK snug_status snug_summary_finish(snug_session *session, snug_error *err);

/** The fields of a summary, schema snug.run/1 first, into the object that `json` has open. */
void snug_summary_fields(const snug_run_summary *summary, snug_json_writer *json);

/**
 * Draws RUN/report.svg from the journal, once the run's memory is given back, so that the peak does
 * not know of it. A picture that cannot be drawn is a warning, not a failure of the run.
 */
void snug_summary_draw(const snug_session *session);

#endif
