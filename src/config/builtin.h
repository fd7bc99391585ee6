/* Configurations and profiles that come with the program, as YAML text under a name. */
#ifndef SNUG_CONFIG_BUILTIN_H
#define SNUG_CONFIG_BUILTIN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct snug_builtin {
    const char *name;
    bool profile;     /* Laid over a configuration; not one by itself. */
    const char *help; /* One line. */
    const char *yaml; /* A document of the configuration language. */
} snug_builtin;

int64_t snug_builtin_count(void);
const snug_builtin *snug_builtin_at(int64_t index);
/** The configuration (or profile) of this name, or NULL. */
const snug_builtin *snug_builtin_find(const char *name, bool profile);
/** The nearest name of that kind, or NULL. */
const char *snug_builtin_nearest(const char *name, bool profile);

#endif
