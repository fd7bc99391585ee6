/* Configurations: read by file or built-in name, changed by key=value, shown with origins. */
#ifndef SNUG_CONFIG_H
#define SNUG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A checked configuration. Immutable once open: any number of threads may read it. */
typedef struct snug_config snug_config;

typedef struct snug_config_options {
    const char *config;           /**< Built-in name or path of a YAML file; NULL: the defaults. */
    const char *profile;          /**< default, low_memory, high_performance, ...; NULL: none. */
    const char *const *overrides; /**< "key=value"; later ones win. Borrowed for the call only. */
    int64_t override_count;       /**< 0 to 256. */
} snug_config_options;

/**
 * Reads a configuration. Layers, later ones win: defaults, what the file `extends`, the `profile`
 * it names, the file or built-in, `profile`, `overrides`.
 *
 * @param[out] out_config  Owned by the caller: snug_config_close().
 * @mem     About 64 KiB while open, up to 2 MiB more during the call.
 * @threads Reentrant.
 * @errors  SNUG_CODE_CONFIG with "FILE:LINE:COLUMN: " before what is wrong and the nearest key;
 *          SNUG_CODE_NOT_FOUND when there is no such file or name; SNUG_CODE_LIMIT above 1 MiB.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_config_open(const snug_config_options *options,
                                                      snug_config **out_config, snug_error *err);
/** Closes; NULL is allowed. Sessions keep their own copy. */
SNUG_API void snug_config_close(snug_config *config);

/**
 * Writes all settings. TEXT is YAML that snug_config_open() reads back to the same settings, with a
 * comment behind every value; JSON is schema snug.config/1 and always has the origins.
 * @param origin  TEXT: the comments say where each value came from instead of what it means.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_config_show(const snug_config *config, snug_format format,
                                                      bool origin, snug_write write, void *context,
                                                      snug_error *err);

/**
 * One value as users write it ("64", "64MiB", "adamw").
 * @param[out] out  At least 1 byte; cut to `out_bytes`, always ended by a zero.
 * @errors  SNUG_CODE_NOT_FOUND for a key that does not exist.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_config_get(const snug_config *config, const char *key,
                                                     char *out, int64_t out_bytes, snug_error *err);

/** Settings that were accepted and have no effect, as sentences. */
SNUG_API int64_t snug_config_note_count(const snug_config *config);
/** Note `index` in [0, count); lives as long as `config`. */
SNUG_API const char *snug_config_note(const snug_config *config, int64_t index);

/** A built-in configuration or profile. */
typedef struct snug_config_name {
    const char *name; /**< Static. */
    const char *help; /**< One line; static. */
    bool profile;     /**< Laid over a configuration; not one by itself. */
} snug_config_name;

/** The built-in configurations and profiles. @threads Reentrant. */
SNUG_API int64_t snug_config_name_count(void);
SNUG_API snug_config_name snug_config_name_at(int64_t index);

/** One key of the configuration language. */
typedef struct snug_config_key {
    const char *key;      /**< "training.batch_size"; static like the others. */
    const char *fallback; /**< The default as users write it. */
    const char *unit;     /**< "rows", "bytes", ...; "" = none. */
    const char *
        choices; /**< "adamw|adam|sgd"; NULL when it is not one of a few words; "|a|b": or empty. */
    const char *help; /**< One line. */
} snug_config_key;

/** All keys, those of one section together. @threads Reentrant. */
SNUG_API int64_t snug_config_key_count(void);
SNUG_API snug_config_key snug_config_key_at(int64_t index);

/** Reads "600MiB" or "1.5G" as bytes; SNUG_CODE_USAGE with a hint on a bare number. */
SNUG_API SNUG_MUST_CHECK snug_status snug_size_read(const char *text, int64_t *out_bytes,
                                                    snug_error *err);
/** "600.0 MiB" into `out`, at least 32 bytes; returns `out`. */
SNUG_API const char *snug_size_show(int64_t bytes, char *out);
/** The one of `names` nearest to `name`, or NULL when none is near. */
SNUG_API const char *snug_name_nearest(const char *name, const char *const *names, int64_t count);

#ifdef __cplusplus
}
#endif
#endif
