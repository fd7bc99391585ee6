/* The end of a run: its summary, RUN/summary.json and the picture of loss and memory. */
#ifndef SNUG_TRAIN_SUMMARY_H
#define SNUG_TRAIN_SUMMARY_H

#include "train/session.h"

/** Fills session->summary and, with a run folder, writes RUN/summary.json and RUN/report.svg. */
SNUG_MUST_CHECK snug_status snug_summary_finish(snug_session *session, snug_error *err);

#endif
