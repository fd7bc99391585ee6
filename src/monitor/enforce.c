#include "monitor/enforce.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sys/scope.h"

enum { SCOPE_NAME_BYTES = 80 };

const char *snug_rung_name(snug_rung rung)
{
    static const char *const names[] = {"nothing",
                                        "cgroup v2 memory.max",
                                        "cgroup v1 memory.limit_in_bytes",
                                        "cgroup v2 memory.max in a systemd scope",
                                        "RLIMIT_DATA of each process and a watch on all of them",
                                        "a watch on all processes, sampled rather than enforced"};
    return names[rung];
}

const char *snug_rung_key(snug_rung rung)
{
    static const char *const keys[] = {"none",  "cgroup_v2", "cgroup_v1",
                                       "scope", "rlimit",    "watch"};
    return keys[rung];
}

bool snug_rung_watches(snug_rung rung)
{
    return rung == SNUG_RUNG_RLIMIT || rung == SNUG_RUNG_WATCH;
}

/* Not a name that a group of ours has: what is left of it is systemd's to remove. */
static void scope_name(const snug_enforce_options *options, char out[SCOPE_NAME_BYTES])
{
    (void)snprintf(out, SCOPE_NAME_BYTES, "for-%.60s", options->name);
}

/* Whether this process was moved into its scope, by an attempt before this one. */
static bool in_scope(const snug_enforce_options *options, const snug_group *group)
{
    char name[SCOPE_NAME_BYTES];
    scope_name(options, name);
    return strstr(group->folder, name) != NULL;
}

static bool try_group(const snug_enforce_options *options, int32_t version, snug_enforcer *out,
                      snug_text *why)
{
    if (!snug_group_make(options->root, version, options->name, options->limit_bytes, &out->group,
                         why)) {
        return false;
    }
    out->limit_bytes = out->group.limit_bytes;
    return true;
}

static bool try_scope(const snug_enforce_options *options, snug_enforcer *out, snug_text *why)
{
    char name[SCOPE_NAME_BYTES];
    scope_name(options, name);
    return snug_scope_enter(options->root, name, why) && try_group(options, 2, out, why);
}

static bool try_rung(const snug_enforce_options *options, snug_rung rung, snug_enforcer *out,
                     snug_text *why)
{
    switch (rung) {
    case SNUG_RUNG_CGROUP_V2:
        return try_group(options, 2, out, why);
    case SNUG_RUNG_CGROUP_V1:
        return try_group(options, 1, out, why);
    case SNUG_RUNG_SCOPE:
        return try_scope(options, out, why);
    case SNUG_RUNG_RLIMIT:
    case SNUG_RUNG_WATCH:
        return true;
    case SNUG_RUNG_NONE:
        break;
    }
    return false;
}

static bool allowed(snug_enforce choice, snug_rung rung)
{
    switch (choice) {
    case SNUG_ENFORCE_AUTO:
        return true;
    case SNUG_ENFORCE_CGROUP:
        return rung <= SNUG_RUNG_SCOPE;
    case SNUG_ENFORCE_RLIMIT:
        return rung == SNUG_RUNG_RLIMIT;
    case SNUG_ENFORCE_WATCH:
        return rung == SNUG_RUNG_WATCH;
    }
    return false;
}

snug_status snug_enforce_open(const snug_enforce_options *options, snug_enforcer *out,
                              snug_error *err)
{
    static const char *const labels[] = {"",        "cgroup v2", "cgroup v1",
                                         "systemd", "rlimit",    "watch"};
    snug_enforcer enforcer = {.limit_bytes = options->limit_bytes};
    snug_text why;
    snug_text_init(&why, enforcer.why, sizeof enforcer.why);
    for (int rung = SNUG_RUNG_CGROUP_V2; rung <= SNUG_RUNG_WATCH; rung++) {
        char reason[768];
        snug_text reasons;
        snug_text_init(&reasons, reason, sizeof reason);
        if (!allowed(options->choice, (snug_rung)rung)) {
            continue;
        }
        if (try_rung(options, (snug_rung)rung, &enforcer, &reasons)) {
            const bool scope = in_scope(options, &enforcer.group);
            enforcer.rung = scope ? SNUG_RUNG_SCOPE : (snug_rung)rung;
            *out = enforcer;
            return SNUG_OK;
        }
        snug_text_add(&why, "%s%s: %s", why.length > 0 ? "; " : "", labels[rung], reason);
    }
    return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "the limit cannot be enforced here: %.900s",
                     enforcer.why);
}

bool snug_enforce_close(snug_enforcer *enforcer)
{
    const bool gone = snug_group_remove(&enforcer->group);
    *enforcer = (snug_enforcer){0};
    return gone;
}
