/* The table of all settings: dotted key, type, default, range, unit and one line of help. */
#ifndef SNUG_CONFIG_SCHEMA_H
#define SNUG_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/settings.h"

typedef enum snug_setting_kind {
    SNUG_SETTING_INT,    /* int64_t in [low, high]. */
    SNUG_SETTING_REAL,   /* double in [low, high]. */
    SNUG_SETTING_BOOL,   /* bool: true or false. */
    SNUG_SETTING_TEXT,   /* snug_setting_text, anything that fits. */
    SNUG_SETTING_CHOICE, /* snug_setting_text, one of `choices`. */
    SNUG_SETTING_BYTES,  /* int64_t: 67108864 or 64MiB, in [low, high]. */
    SNUG_SETTING_BUDGET  /* snug_setting_text: 600MiB, 60% or auto. */
} snug_setting_kind;

/** One row of the table. All strings are static. */
typedef struct snug_setting {
    const char *key; /* "training.batch_size" */
    snug_setting_kind kind;
    int64_t offset;       /* Of the field in snug_settings. */
    const char *fallback; /* The default as users would write it. */
    double low, high;     /* Range, both ends allowed; INT, REAL and BYTES only. */
    const char *unit;     /* "rows", "bytes", ...; "" = none. */
    const char *choices;  /* "adamw|adam|sgd"; CHOICE only. */
    const char *help;     /* One line, no full stop. */
} snug_setting;

int64_t snug_setting_count(void);
/** Row `index` in [0, count). Rows of one section stand together. @threads Reentrant. */
const snug_setting *snug_setting_at(int64_t index);
/** Index of the row with exactly this key, or -1. */
int64_t snug_setting_find(const char *key);

/** How another project's spelling is understood. */
typedef enum snug_alias_kind {
    SNUG_ALIAS_KEY,     /* Another name of `target`. */
    SNUG_ALIAS_ACCEPTED /* Read, checked against `choices` (NULL: any value), and without effect. */
} snug_alias_kind;

typedef struct snug_alias {
    const char *key; /* "training.learning_rate" */
    snug_alias_kind kind;
    const char *target;  /* KEY: the key of the table. */
    const char *choices; /* ACCEPTED: values that mean what snug does anyway; NULL = any. */
    const char *values;  /* KEY: the table's word for each of the choices; NULL = the same. */
    const char *note;    /* ACCEPTED: one line on why it changes nothing. */
} snug_alias;

int64_t snug_alias_count(void);
const snug_alias *snug_alias_at(int64_t index);
/** Index of the alias with exactly this key, or -1. */
int64_t snug_alias_find(const char *key);
/** True when some key or alias begins with "`prefix`.": it is a section, not a setting. */
bool snug_setting_is_section(const char *prefix);

/**
 * The key that a wrong one was most likely meant to be: a known spelling with the same last word
 * ("batch_size"), else the one with the least edit distance; NULL when none is near.
 */
const char *snug_setting_nearest(const char *key);

/** Reads `value` as row `index` says into `settings`; untouched on failure (SNUG_CODE_CONFIG). */
SNUG_MUST_CHECK snug_status snug_setting_parse(int64_t index, const char *value,
                                               snug_settings *settings, snug_error *err);

enum { SNUG_SETTING_VALUE_BYTES = SNUG_SETTING_TEXT_BYTES };
/** The value of row `index` as users would write it; reading it back gives the same bits. */
void snug_setting_print(int64_t index, const snug_settings *settings,
                        char out[SNUG_SETTING_VALUE_BYTES]);

/** True when `value` is one of "a|b|c", case and - + _ not minded; `out` (or NULL) gets the exact
 * one. */
bool snug_choice_find(const char *choices, const char *value, char *out, int64_t out_bytes);

/** Every setting at its default. */
void snug_settings_init(snug_settings *settings);

/** Fills what follows from other settings (stage count, early stopping off); idempotent. */
void snug_settings_finish(snug_settings *settings);

/** What no single key can say: ratios that add up to 1, stages without gaps. SNUG_CODE_CONFIG. */
SNUG_MUST_CHECK snug_status snug_settings_check(const snug_settings *settings, snug_error *err);

#endif
