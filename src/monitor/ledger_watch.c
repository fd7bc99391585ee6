#include "monitor/ledger_watch.h"

#include <string.h>

#include "base/text.h"

/* The place of this name, a new one when there is room; NULL when there is none. */
static snug_ledger_place *place_of(snug_ledger_watch *watch, const char *name)
{
    char wanted[SNUG_LEDGER_PLACE_BYTES];
    snug_text text;
    snug_text_init(&text, wanted, sizeof wanted);
    snug_text_add(&text, "%s", name);
    for (int64_t i = 0; i < watch->place_count; i++) {
        if (strcmp(watch->places[i].name, wanted) == 0) {
            return &watch->places[i];
        }
    }
    if (watch->place_count == SNUG_LEDGER_PLACES_MAX) {
        return NULL;
    }
    snug_ledger_place *made = &watch->places[watch->place_count++];
    *made = (snug_ledger_place){0};
    memcpy(made->name, wanted, sizeof made->name);
    return made;
}

static void note(snug_ledger_watch *watch, const snug_ledger_place *place, snug_category category,
                 double t)
{
    const bool same = watch->found && watch->leak.category == category &&
                      strcmp(watch->leak.place, place->name) == 0;
    if (watch->found && !same && watch->leak.bytes >= place->grown[category]) {
        return;
    }
    const double first = same ? watch->leak.t : t;
    watch->leak = (snug_ledger_leak){.category = category,
                                     .bytes = place->grown[category],
                                     .repeats = place->repeats[category],
                                     .t = first};
    memcpy(watch->leak.place, place->name, sizeof watch->leak.place);
    watch->found = true;
}

bool snug_ledger_watch_add(snug_ledger_watch *watch, const char *place, double t,
                           const int64_t bytes[SNUG_CATEGORY_COUNT], bool sealed)
{
    snug_ledger_place *here = place_of(watch, place);
    watch->samples++;
    if (here == NULL) {
        return watch->found;
    }
    for (int c = 0; here->seen && c < SNUG_CATEGORY_COUNT; c++) {
        const int64_t growth = bytes[c] - here->last[c];
        if (growth <= 0) {
            here->repeats[c] = 0;
            here->grown[c] = 0;
            continue;
        }
        here->repeats[c]++;
        here->grown[c] += growth;
        if (sealed || here->repeats[c] >= SNUG_LEDGER_REPEATS) {
            note(watch, here, (snug_category)c, t);
        }
    }
    memcpy(here->last, bytes, sizeof here->last);
    here->seen = true;
    return watch->found;
}

void snug_ledger_watch_restart(snug_ledger_watch *watch)
{
    memset(watch->places, 0, sizeof watch->places);
    watch->place_count = 0;
}
