/* Predictions on their way out: CSV or HDF5, one row per predicted time step, in the data's units.
 */
#ifndef SNUG_TRAIN_TIMESERIES_OUTPUT_H
#define SNUG_TRAIN_TIMESERIES_OUTPUT_H

#include "train/session.h"
#include "train/timeseries_session.h"

/**
 * An output is being written; it appears whole at the commit. One at a time per session.
 *
 * @param options  Decides path and format; borrowed until the close.
 * @mem     About 400 KiB of the runtime category, until the close.
 * @errors  SNUG_CODE_USAGE for a path that ends neither in .csv nor in .h5 or .hdf5; IO, FULL.
 */
SNUG_MUST_CHECK snug_status snug_timeseries_output_open(const snug_predict_options *options,
                                                        const snug_timeseries_own *own,
                                                        snug_timeseries_output **out,
                                                        snug_error *err);
/** Adds the sample at `position` of the part: its prediction [rows, K]. */
SNUG_MUST_CHECK snug_status snug_timeseries_output_add(snug_timeseries_output *output,
                                                       const snug_timeseries_own *own,
                                                       int64_t position, const float *prediction,
                                                       snug_error *err);
/** Makes the file real; `*out_rows` rows were written. */
SNUG_MUST_CHECK snug_status snug_timeseries_output_commit(snug_timeseries_output *output,
                                                          int64_t *out_rows, snug_error *err);
/** Frees it; what was not committed is removed. NULL is allowed. */
void snug_timeseries_output_close(snug_timeseries_output *output);

#endif
