#include "snug/session.h"

#include "api/inside.h"
#include "config/layers.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/session.h"

enum { CONFIG_BYTES = 128 << 10 };

/* A run keeps the whole configuration it was made with, so that eval and predict need no other. */
static snug_status write_config(const snug_config *config, const char *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    char path[SNUG_PATH_BYTES];
    snug_report report = {0};
    SNUG_TRY(snug_path_join(out, "config.yaml", path, err));
    SNUG_TRY(snug_report_open(&report, CONFIG_BYTES, err));
    snug_config_print(config, SNUG_CONFIG_STYLE_ORIGIN, &report.text);
    if (report.text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "%s: the configuration is above %d bytes", path,
                       CONFIG_BYTES);
    }
    SNUG_TRY_DONE(snug_file_write_all(path, report.text.data, report.text.length, err));

done:
    snug_report_close(&report);
    return status;
}

snug_status snug_session_open(const snug_config *config, const snug_session_options *options,
                              snug_session **out_session, snug_error *err)
{
    snug_session *session = NULL;
    SNUG_TRY(snug_session_create(&config->settings, options, &session, err));
    if (options->purpose == SNUG_PURPOSE_TRAIN && options->out != NULL && !options->resume &&
        session->fits) {
        const snug_status status = write_config(config, options->out, err);
        if (snug_failed(status)) {
            snug_session_close(session);
            return snug_error_pass(err, status, __FILE__, __LINE__);
        }
    }
    *out_session = session;
    return SNUG_OK;
}

int32_t snug_config_metrics(const snug_config *config, snug_metric out[SNUG_METRICS_MAX])
{
    const snug_family *family = NULL;
    snug_error ignored = {0};
    return snug_failed(snug_family_find(config->settings.model_name, &family, &ignored))
               ? 0
               : snug_family_metrics(family, out);
}
