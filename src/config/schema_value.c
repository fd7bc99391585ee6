#include "config/schema.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

static void *field_of(const snug_setting *row, snug_settings *settings)
{
    return (char *)settings + row->offset;
}

static const void *field_in(const snug_setting *row, const snug_settings *settings)
{
    return (const char *)settings + row->offset;
}

static int fold(char c)
{
    return c == '-' || c == '+' ? '_' : tolower((unsigned char)c);
}

static bool equal_folded(const char *a, int64_t a_length, const char *b)
{
    for (int64_t i = 0; i < a_length; i++) {
        if (b[i] == '\0' || fold(a[i]) != fold(b[i])) {
            return false;
        }
    }
    return b[a_length] == '\0';
}

bool snug_choice_find(const char *choices, const char *value, char *out, int64_t out_bytes)
{
    const char *at = choices;
    for (;;) {
        const int64_t length = (int64_t)strcspn(at, "|");
        if (equal_folded(at, length, value)) {
            if (out != NULL) {
                (void)snprintf(out, (size_t)out_bytes, "%.*s", (int)length, at);
            }
            return true;
        }
        if (at[length] == '\0') {
            return false;
        }
        at += length + 1;
    }
}

/* "mae, mse or mse_mae", and the nearest of them to what was written, if any. */
static void describe_choices(const char *choices, const char *value, snug_text *text)
{
    enum { CHOICES_MAX = 16 };
    char names[CHOICES_MAX][SNUG_NAME_BYTES];
    const char *pointers[CHOICES_MAX];
    int64_t count = 0;
    for (const char *at = choices; count < CHOICES_MAX;) {
        const int64_t length = (int64_t)strcspn(at, "|");
        if (length > 0) {
            (void)snprintf(names[count], SNUG_NAME_BYTES, "%.*s", (int)length, at);
            pointers[count] = names[count];
            count++;
        }
        if (at[length] == '\0') {
            break;
        }
        at += length + 1;
    }
    for (int64_t i = 0; i < count; i++) {
        snug_text_add(text, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
    }
    const char *near = count > 1 ? snug_nearest_name(value, pointers, count) : NULL;
    if (near != NULL) {
        snug_text_add(text, "; did you mean '%s'?", near);
    }
}

/* Long values from outside are cut in messages; what matters is the beginning. */
enum { SHOWN = 60 };

static snug_status parse_int(const snug_setting *row, const char *value, int64_t *out,
                             snug_error *err)
{
    char *end = NULL;
    errno = 0;
    const long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || isspace((unsigned char)value[0])) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be a whole number, not '%.*s'", row->key,
                         SHOWN, value);
    }
    if (errno == ERANGE || (double)number < row->low || (double)number > row->high) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be from %.0f to %.0f%s%s, not %.*s",
                         row->key, row->low, row->high, row->unit[0] == '\0' ? "" : " ", row->unit,
                         SHOWN, value);
    }
    *out = number;
    return SNUG_OK;
}

static snug_status parse_real(const snug_setting *row, const char *value, double *out,
                              snug_error *err)
{
    char *end = NULL;
    const double number = strtod(value, &end);
    if (end == value || *end != '\0' || isspace((unsigned char)value[0]) || !isfinite(number) ||
        strpbrk(value, "xX") != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be a number, not '%.*s'", row->key, SHOWN,
                         value);
    }
    if (number < row->low || number > row->high) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be from %g to %g%s%s, not %.*s", row->key,
                         row->low, row->high, row->unit[0] == '\0' ? "" : " ", row->unit, SHOWN,
                         value);
    }
    *out = number;
    return SNUG_OK;
}

static snug_status parse_bool(const snug_setting *row, const char *value, bool *out,
                              snug_error *err)
{
    if (snug_choice_find("true|yes|on", value, NULL, 0)) {
        *out = true;
    } else if (snug_choice_find("false|no|off", value, NULL, 0)) {
        *out = false;
    } else {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be true or false, not '%.*s'", row->key,
                         SHOWN, value);
    }
    return SNUG_OK;
}

static snug_status parse_bytes(const snug_setting *row, const char *value, int64_t *out,
                               snug_error *err)
{
    int64_t bytes = 0;
    /* Files of other projects write bytes as plain integers, so here a bare number is bytes. */
    const bool bare = value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
    if (bare) {
        SNUG_TRY(parse_int(row, value, &bytes, err));
    } else {
        snug_error why = {0};
        if (snug_failed(snug_size_parse(value, &bytes, &why))) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: %s", row->key, why.message);
        }
    }
    if ((double)bytes < row->low || (double)bytes > row->high) {
        char low[SNUG_SIZE_TEXT_BYTES];
        char high[SNUG_SIZE_TEXT_BYTES];
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be from %s to %s, not %.*s", row->key,
                         snug_size_text((int64_t)row->low, low),
                         snug_size_text((int64_t)row->high, high), SHOWN, value);
    }
    *out = bytes;
    return SNUG_OK;
}

static snug_status check_budget(const snug_setting *row, const char *value, snug_error *err)
{
    if (strcmp(value, "auto") == 0) {
        return SNUG_OK;
    }
    const int64_t length = (int64_t)strlen(value);
    if (length >= 2 && value[length - 1] == '%') {
        char *end = NULL;
        const double percent = strtod(value, &end);
        if (end == value + length - 1 && percent > 0 && percent <= 100) {
            return SNUG_OK;
        }
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "%s must be above 0%% and at most 100%%, not '%.*s'", row->key, SHOWN,
                         value);
    }
    int64_t bytes = 0;
    snug_error why = {0};
    if (snug_failed(snug_size_parse(value, &bytes, &why))) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: %s", row->key, why.message);
    }
    return SNUG_OK;
}

static snug_status parse_text(const snug_setting *row, const char *value, char *out,
                              snug_error *err)
{
    if (strlen(value) >= SNUG_SETTING_TEXT_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s is longer than %d bytes", row->key,
                         SNUG_SETTING_TEXT_BYTES - 1);
    }
    if (row->kind == SNUG_SETTING_BUDGET) {
        SNUG_TRY(check_budget(row, value, err));
    }
    char choice[SNUG_NAME_BYTES] = "";
    if (row->kind == SNUG_SETTING_CHOICE) {
        if (!snug_choice_find(row->choices, value, choice, sizeof choice)) {
            char buffer[512];
            snug_text text;
            snug_text_init(&text, buffer, sizeof buffer);
            describe_choices(row->choices, value, &text);
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s is '%.*s', but must be %s", row->key, SHOWN,
                             value, buffer);
        }
        value = choice;
    }
    (void)snprintf(out, SNUG_SETTING_TEXT_BYTES, "%s", value);
    return SNUG_OK;
}

snug_status snug_setting_parse(int64_t index, const char *value, snug_settings *settings,
                               snug_error *err)
{
    const snug_setting *row = snug_setting_at(index);
    void *field = field_of(row, settings);
    switch (row->kind) {
    case SNUG_SETTING_INT:
        SNUG_TRY(parse_int(row, value, field, err));
        break;
    case SNUG_SETTING_REAL:
        SNUG_TRY(parse_real(row, value, field, err));
        break;
    case SNUG_SETTING_BOOL:
        SNUG_TRY(parse_bool(row, value, field, err));
        break;
    case SNUG_SETTING_BYTES:
        SNUG_TRY(parse_bytes(row, value, field, err));
        break;
    case SNUG_SETTING_TEXT:
    case SNUG_SETTING_CHOICE:
    case SNUG_SETTING_BUDGET:
        SNUG_TRY(parse_text(row, value, field, err));
        break;
    }
    return SNUG_OK;
}

/* The shortest text that reads back to the same bits; "50" rather than "5e+01". */
static void print_real(double value, char *out, size_t out_bytes)
{
    const bool plain = fabs(value) >= 1 && fabs(value) < 1e6;
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(out, out_bytes, "%.*g", digits, value);
        if (strtod(out, NULL) == value && !(plain && strchr(out, 'e') != NULL)) {
            return;
        }
    }
}

static void print_bytes(int64_t value, char *out, size_t out_bytes)
{
    const int64_t mib = INT64_C(1) << 20;
    if (value > 0 && value % mib == 0) {
        (void)snprintf(out, out_bytes, "%" PRId64 "MiB", value / mib);
    } else {
        (void)snprintf(out, out_bytes, "%" PRId64 "B", value);
    }
}

void snug_setting_print(int64_t index, const snug_settings *settings,
                        char out[SNUG_SETTING_VALUE_BYTES])
{
    const snug_setting *row = snug_setting_at(index);
    const void *field = field_in(row, settings);
    switch (row->kind) {
    case SNUG_SETTING_INT:
        (void)snprintf(out, SNUG_SETTING_VALUE_BYTES, "%" PRId64, *(const int64_t *)field);
        break;
    case SNUG_SETTING_REAL:
        print_real(*(const double *)field, out, SNUG_SETTING_VALUE_BYTES);
        break;
    case SNUG_SETTING_BOOL:
        (void)snprintf(out, SNUG_SETTING_VALUE_BYTES, "%s",
                       *(const bool *)field ? "true" : "false");
        break;
    case SNUG_SETTING_BYTES:
        print_bytes(*(const int64_t *)field, out, SNUG_SETTING_VALUE_BYTES);
        break;
    case SNUG_SETTING_TEXT:
    case SNUG_SETTING_CHOICE:
    case SNUG_SETTING_BUDGET:
        (void)snprintf(out, SNUG_SETTING_VALUE_BYTES, "%s", (const char *)field);
        break;
    }
}

void snug_settings_init(snug_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (int64_t i = 0; i < snug_setting_count(); i++) {
        const snug_status status =
            snug_setting_parse(i, snug_setting_at(i)->fallback, settings, NULL);
        /* The table's own defaults: a wrong one is a programmer's error. */
        SNUG_ASSERT(status == SNUG_OK);
    }
    snug_settings_finish(settings);
}

static bool stage_given(const snug_setting_stage *stage)
{
    return stage->in_conv_kernel != 0 || stage->in_conv_stride != 0 || stage->num_blocks != 0 ||
           stage->channels != 0 || stage->feature_width != 0 || stage->kernel_width != 0;
}

void snug_settings_finish(snug_settings *settings)
{
    settings->model_stage_count = 0;
    for (int64_t i = 0; i < SNUG_SETTING_STAGES_MAX; i++) {
        if (stage_given(&settings->model_stages[i])) {
            settings->model_stage_count = i + 1;
        }
    }
    if (!settings->training_early_stopping) {
        settings->training_early_stopping_patience = 0;
    }
}

static snug_status check_stage(int64_t index, const snug_setting_stage *stage, snug_error *err)
{
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {
        {"in_conv_kernel", stage->in_conv_kernel},
        {"in_conv_stride", stage->in_conv_stride},
        {"channels", stage->channels},
        {"feature_width", stage->feature_width},
        {"kernel_width", stage->kernel_width},
    };
    for (int64_t i = 0; i < SNUG_COUNT(fields); i++) {
        if (fields[i].value <= 0) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                             "model.tds_stages.%" PRId64 ".%s is not set, but the stage is given",
                             index, fields[i].name);
        }
    }
    return SNUG_OK;
}

snug_status snug_settings_check(const snug_settings *settings, snug_error *err)
{
    const double ratios =
        settings->data_train_ratio + settings->data_val_ratio + settings->data_test_ratio;
    if (fabs(ratios - 1) > 1e-6) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "data.train_ratio, val_ratio and test_ratio must add up to 1, not %g",
                         ratios);
    }
    for (int64_t i = 0; i < settings->model_stage_count; i++) {
        SNUG_TRY(check_stage(i, &settings->model_stages[i], err));
    }
    if (settings->scheduler_min_lr > settings->optimizer_lr) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "scheduler.min_lr (%g) is above optimizer.lr (%g)",
                         settings->scheduler_min_lr, settings->optimizer_lr);
    }
    return SNUG_OK;
}
