/* Leaks of a program that counts its own memory: exact numbers, so growth is a fact. */
#ifndef SNUG_MONITOR_LEDGER_WATCH_H
#define SNUG_MONITOR_LEDGER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/category.h"

enum {
    SNUG_LEDGER_PLACES_MAX = 16,  /* Kinds of moments: end of an epoch, of a validation, ... */
    SNUG_LEDGER_PLACE_BYTES = 48, /* The name of one, with its final zero. */
    SNUG_LEDGER_REPEATS = 2       /* So many growths in a row are a leak. */
};

/** What was found: this category has grown at the same place `repeats` times in a row. */
typedef struct snug_ledger_leak {
    snug_category category;
    int64_t bytes;   /* Grown over these repetitions. */
    int64_t repeats; /* >= SNUG_LEDGER_REPEATS, or 1 after the seal. */
    double t;        /* When it was noticed first. */
    char place[SNUG_LEDGER_PLACE_BYTES];
} snug_ledger_leak;

typedef struct snug_ledger_place {
    char name[SNUG_LEDGER_PLACE_BYTES];
    bool seen;
    int64_t last[SNUG_CATEGORY_COUNT];
    int64_t grown[SNUG_CATEGORY_COUNT]; /* Since the category last stood still or fell. */
    int64_t repeats[SNUG_CATEGORY_COUNT];
} snug_ledger_place;

/**
 * Compares the bytes of each category with those at the same place one round before. All zeros is
 * an empty watch. One owner at a time; allocates nothing.
 */
typedef struct snug_ledger_watch {
    snug_ledger_place places[SNUG_LEDGER_PLACES_MAX];
    int64_t place_count;
    int64_t samples;
    bool found;
    snug_ledger_leak leak; /* The largest found so far; valid when `found`. */
} snug_ledger_watch;

/**
 * Adds a moment.
 *
 * @param place   Which kind of moment: bytes are compared between moments of the same place. A name
 *                beyond the sixteenth is not looked at.
 * @param t       Seconds, for the report.
 * @param bytes   One per category, as snug_heap_usage_read() gives them.
 * @param sealed  The category's memory was all made: a single growth is a leak already.
 * @return        Whether a leak is known now; it is in `watch->leak`.
 */
bool snug_ledger_watch_add(snug_ledger_watch *watch, const char *place, double t,
                           const int64_t bytes[SNUG_CATEGORY_COUNT], bool sealed);

/** Forgets what was compared with, not what was found: another plan, other sizes. */
void snug_ledger_watch_restart(snug_ledger_watch *watch);

#endif
