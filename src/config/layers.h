/* A configuration: settings filled layer by layer, and where every value came from. */
#ifndef SNUG_CONFIG_LAYERS_H
#define SNUG_CONFIG_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"
#include "config/schema.h"
#include "config/settings.h"

enum {
    SNUG_CONFIG_SETTINGS_MAX = 128, /* Rows of the table; asserted. */
    SNUG_CONFIG_LAYERS_MAX = 24,    /* Files, built-ins and profiles laid over each other. */
    SNUG_CONFIG_EXTENDS_MAX = 4,    /* Files that extend files. */
    SNUG_CONFIG_DEPTH_MAX = 8,      /* Nesting of a YAML document. */
    SNUG_CONFIG_NOTES_MAX = 32,
    SNUG_CONFIG_NOTE_BYTES = 256,
    SNUG_CONFIG_KEY_BYTES = 192, /* A dotted key with the final zero. */
    SNUG_CONFIG_OVERRIDES_MAX = 256
};

typedef enum snug_layer_kind {
    SNUG_LAYER_DEFAULT,     /* The table. */
    SNUG_LAYER_BUILTIN,     /* A built-in configuration. */
    SNUG_LAYER_PROFILE,     /* A profile. */
    SNUG_LAYER_FILE,        /* A file of the user. */
    SNUG_LAYER_COMMAND_LINE /* key=value. */
} snug_layer_kind;

typedef struct snug_config_layer {
    snug_layer_kind kind;
    snug_setting_text name; /* Of the built-in, profile or file; "" otherwise. */
} snug_config_layer;

/** Where a value was written. Lines and columns start at 1; 0 = does not apply. */
typedef struct snug_config_origin {
    int32_t layer;
    int32_t line, column;
    int32_t spelling; /* Number of the alias that was used, plus 1; 0 = the key itself. */
} snug_config_origin;

/**
 * One fixed block without pointers: give it zeroed memory, it needs no deinit.
 * @threads Read by many or written by one.
 */
typedef struct snug_config {
    snug_settings settings;
    snug_config_origin origins[SNUG_CONFIG_SETTINGS_MAX];
    snug_config_layer layers[SNUG_CONFIG_LAYERS_MAX];
    int32_t layer_count;
    int32_t note_count;
    char notes[SNUG_CONFIG_NOTES_MAX][SNUG_CONFIG_NOTE_BYTES]; /* Accepted without effect. */
} snug_config;

typedef struct snug_config_sources {
    const char *config;           /**< A built-in's name or a file; NULL: defaults only. */
    const char *profile;          /**< Laid over it; NULL: none. */
    const char *const *overrides; /**< "key=value", later ones win. */
    int64_t override_count;
} snug_config_sources;

/**
 * Fills `config` from, in this order: the table's defaults, what the file extends, its profile, the
 * file or built-in itself, `profile`, the overrides.
 *
 * @param scratch  For the files' bytes; as before when the call returns.
 * @errors  SNUG_CODE_CONFIG with "FILE:LINE:COLUMN: " in front for what is wrong in a file, with
 *          "command line: " for an override; SNUG_CODE_NOT_FOUND for a file or name that does not
 *          exist, SNUG_CODE_LIMIT for a file above 1 MiB; `config` is untouched then.
 */
SNUG_MUST_CHECK snug_status snug_config_load(snug_config *config,
                                             const snug_config_sources *sources,
                                             snug_arena *scratch, snug_error *err);

/** Where the value of row `index` came from: "default", "low.yaml:12:3", "profile low_memory". */
void snug_config_origin_text(const snug_config *config, int64_t index,
                             char out[SNUG_SETTING_TEXT_BYTES]);

typedef enum snug_config_style {
    SNUG_CONFIG_STYLE_YAML,   /* A document that loads again to the same settings. */
    SNUG_CONFIG_STYLE_ORIGIN, /* The same with each value's origin behind it. */
    SNUG_CONFIG_STYLE_JSON    /* Schema snug.config/1. */
} snug_config_style;

/** All settings as text into `out`. */
void snug_config_print(const snug_config *config, snug_config_style style, snug_text *out);

/* Between the files of this folder. */

/** Reads one YAML document into `config` as layer `layer`. `extends`/`profile` are written to the
 *  outputs when the document has them ("" otherwise); nothing else is done about them. */
SNUG_MUST_CHECK snug_status snug_config_apply_yaml(snug_config *config, int32_t layer,
                                                   const char *name, const char *text,
                                                   int64_t bytes, bool header_only,
                                                   snug_setting_text out_extends,
                                                   snug_setting_text out_profile, snug_error *err);
/** Applies one "key=value" of the command line as layer `layer`. */
SNUG_MUST_CHECK snug_status snug_config_apply_override(snug_config *config, int32_t layer,
                                                       const char *text, snug_error *err);
/** Sets one dotted key (or alias); messages say neither file nor place. */
SNUG_MUST_CHECK snug_status snug_config_set(snug_config *config, const char *key, const char *value,
                                            snug_config_origin origin, snug_error *err);
/** Forgets all TDS stages, before a list of them is read. */
void snug_config_clear_stages(snug_config *config, int32_t layer);

#endif
