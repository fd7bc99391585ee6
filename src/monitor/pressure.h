/* What a training run does when memory around it gets short: a ladder of actions, step by step. */
#ifndef SNUG_MONITOR_PRESSURE_H
#define SNUG_MONITOR_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/levels.h"

/** From harmless to the end; each one costs more time than the one before, none changes a result.
 */
typedef enum snug_pressure_action {
    SNUG_PRESSURE_NONE,
    SNUG_PRESSURE_WARN,        /* Say it. */
    SNUG_PRESSURE_DROP_CACHES, /* Give caches and read-ahead back. */
    SNUG_PRESSURE_SHRINK,      /* A smaller plan: fewer slots and workers, smaller micro-batch. */
    SNUG_PRESSURE_STOP         /* Save a checkpoint and stop. */
} snug_pressure_action;

/** "none", "warn", "drop_caches", "shrink", "stop"; static. */
const char *snug_pressure_action_name(snug_pressure_action action);

/** How far the ladder goes: `train --on-pressure`. */
typedef enum snug_pressure_policy {
    SNUG_PRESSURE_POLICY_SHRINK, /* All of it; stops only when its own memory is missing. */
    SNUG_PRESSURE_POLICY_STOP,   /* Nothing is made smaller: stops instead. */
    SNUG_PRESSURE_POLICY_WARN    /* Only says it. */
} snug_pressure_policy;

typedef struct snug_pressure_options {
    snug_pressure_policy policy;
    bool strict;     /* Danger that stays at the end of the ladder stops, whoever causes it. */
    double settle_s; /* Time for an action to show its effect; 0: 2 s. */
    double hold_s;   /* So long a level must have been better before it is left; 0: 10 s. */
} snug_pressure_options;

/** What is known at one step. */
typedef struct snug_pressure_facts {
    double t;               /* Seconds; ascending. */
    int64_t headroom_bytes; /* Of snug_probe. */
    int64_t needed_bytes;   /* That the plan will still take from it; 0: all is taken. */
    int64_t budget_bytes;
    snug_level level;         /* By snug_levels: percent, growth and waiting; OK: not watched. */
    const char *level_reason; /* NULL or "": none. */
    bool caches_left;         /* There is something to drop. */
    bool can_shrink;          /* There is a smaller plan. */
} snug_pressure_facts;

/** All zeros, then snug_pressure_init(). */
typedef struct snug_pressure {
    snug_pressure_options options;
    snug_level level;
    bool short_of_own;                     /* What the plan will still take is not there. */
    double better_since_t;                 /* < 0: it is not better. */
    double acted_t;                        /* When the last action was decided; < 0: never. */
    bool told;                             /* Of this level. */
    char reason[SNUG_LEVELS_REASON_BYTES]; /* Of the last action, for the log. */
    char words[SNUG_LEVELS_REASON_BYTES];  /* The same in the user's language, for people. */
} snug_pressure;

void snug_pressure_init(snug_pressure *pressure, const snug_pressure_options *options);

/**
 * Decides what to do at this step. With margin = headroom - needed:
 *
 *     danger   margin < 0: the plan cannot be kept; or the level is danger
 *     warning  margin < 5 % of the budget; or the level is warning
 *     notice   the level is notice
 *
 * A worse level counts at once, a better one when it has lasted `hold_s`. Between two actions
 * `settle_s` must pass. At warning caches are dropped, then the plan shrinks; at danger it shrinks,
 * and where it cannot, the run stops if its own memory is missing or `strict` is set. Each level is
 * told once. Depends on nothing but its arguments: the same facts give the same actions.
 */
snug_pressure_action snug_pressure_step(snug_pressure *pressure, const snug_pressure_facts *facts);

#endif
