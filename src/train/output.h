/* Predictions on their way out: CSV or HDF5, one row per predicted time step, in the data's units.
 */
#ifndef SNUG_TRAIN_OUTPUT_H
#define SNUG_TRAIN_OUTPUT_H

#include "train/session.h"

/** An output being written; it appears whole at the commit. One at a time per session. */
typedef struct snug_output snug_output;

/**
 * @param options  Decides path and format; borrowed until the close.
 * @mem     About 400 KiB of the runtime category, until the close.
 * @errors  SNUG_CODE_USAGE for a path that ends neither in .csv nor in .h5 or .hdf5; IO, FULL.
 */
SNUG_MUST_CHECK snug_status snug_output_open(const snug_predict_options *options,
                                             const snug_session *session, snug_output **out,
                                             snug_error *err);
/** Adds `count` samples from position `first` of the part: predictions [count, rows, K]. */
SNUG_MUST_CHECK snug_status snug_output_add(snug_output *output, const snug_session *session,
                                            int64_t first, int64_t count, const float *predictions,
                                            snug_error *err);
/** Makes the file real; `*out_rows` rows were written. */
SNUG_MUST_CHECK snug_status snug_output_commit(snug_output *output, int64_t *out_rows,
                                               snug_error *err);
/** Frees it; what was not committed is removed. NULL is allowed. */
void snug_output_close(snug_output *output);

#endif
