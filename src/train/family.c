/* Which family a model belongs to. */
#include "train/family.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "models/tds_lstm.h"

enum { NAMES_MAX = 64 };

snug_status snug_family_find(const char *model_name, const snug_family **out, snug_error *err)
{
    const char *names[NAMES_MAX];
    int64_t count = 0;
    for (int64_t i = 0; i < snug_tds_lstm_count(); i++) {
        names[count++] = snug_tds_lstm_name(i);
        if (strcmp(model_name, names[count - 1]) == 0) {
            *out = &snug_family_timeseries;
            return SNUG_OK;
        }
    }
    names[count++] = "bert";
    if (strcmp(model_name, "bert") == 0) {
        *out = &snug_family_text;
        return SNUG_OK;
    }
    const char *nearest = snug_nearest_name(model_name, names, count);
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "there is no model '%s'%s%s", model_name,
                     nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
}

int32_t snug_family_metrics(const snug_family *family, snug_metric out[SNUG_METRICS_MAX])
{
    for (int32_t i = 0; i < family->metric_count; i++) {
        out[i] = (snug_metric){.name = family->metric_names[i], .value = NAN};
    }
    return family->metric_count;
}

bool snug_family_narrow(const snug_settings *settings)
{
    return strcmp(settings->training_precision, "bf16_activations") == 0;
}
