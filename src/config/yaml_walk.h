/* A YAML document as dotted keys and their values, one after the other. */
#ifndef SNUG_CONFIG_YAML_WALK_H
#define SNUG_CONFIG_YAML_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** One value: `data.path`, or `list.0.name` below a list. Texts are borrowed for the call. */
typedef struct snug_yaml_value {
    const char *key;
    const char *text;
    bool plain;           /* Written without quotes. */
    bool item;            /* Of a list: the key ends in its number. */
    int32_t line, column; /* Of the key, or of the item; from 1. */
} snug_yaml_value;

typedef struct snug_yaml_sink {
    void *context;
    /** A list begins; its items follow. May be NULL. */
    void (*list)(void *context, const char *key);
    /**
     * Takes a value. A failure ends the walk with "NAME:LINE:COLUMN: " before the message.
     * @param[out] out_at_key  The key is what is wrong, not the value.
     */
    snug_status (*value)(void *context, const snug_yaml_value *value, bool *out_at_key,
                         snug_error *err);
} snug_yaml_sink;

/**
 * Reads one document: mappings and lists up to SNUG_CONFIG_DEPTH_MAX deep, no aliases. JSON is such
 * a document too.
 *
 * @param name  Of the file, for messages.
 * @mem     libyaml allocates, within the size of the document.
 * @errors  SNUG_CODE_CONFIG with the place; SNUG_CODE_MEMORY; what the sink says.
 */
SNUG_MUST_CHECK snug_status snug_yaml_walk(const char *name, const char *text, int64_t bytes,
                                           const snug_yaml_sink *sink, snug_error *err);

#endif
