/* What a session of time series has of its own. */
#ifndef SNUG_TRAIN_TIMESERIES_SESSION_H
#define SNUG_TRAIN_TIMESERIES_SESSION_H

#include "data/timeseries/timeseries.h"
#include "models/tds_lstm.h"
#include "train/metrics.h"

typedef struct snug_timeseries_output snug_timeseries_output;

typedef struct snug_timeseries_own {
    snug_tds_lstm_options model;
    snug_tds_lstm_shapes shapes;
    snug_timeseries_index *index;
    snug_timeseries_facts facts;
    double sample_rate;
    snug_metrics metrics;
    double *target_values;          /* MSE, MAE and R2 of each target, of the last evaluation. */
    snug_timeseries_output *output; /* PREDICT. */
} snug_timeseries_own;

#endif
