#include "monitor/enforce.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/text.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/procfs.h"

enum { PAGE_BYTES_MAX = 64 << 10 };

/* What a shell in the scope says its limit is; nothing when the controller does not reach it. */
static const char probe_script[] =
    "cat \"/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/memory.max\"";

const char *snug_rung_name(snug_rung rung)
{
    static const char *const names[] = {"nothing",
                                        "cgroup v2 memory.max",
                                        "cgroup v1 memory.limit_in_bytes",
                                        "a systemd scope",
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

static void add_word(snug_enforcer *enforcer, const char *format, ...) SNUG_PRINTF(2, 3);

static void add_word(snug_enforcer *enforcer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(enforcer->texts[enforcer->text_count],
                    sizeof enforcer->texts[enforcer->text_count], format, arguments);
    va_end(arguments);
    enforcer->text_count++;
}

static void scope_words(const snug_enforce_options *options, snug_enforcer *out)
{
    out->text_count = 0;
    add_word(out, "systemd-run");
    add_word(out, "--user");
    add_word(out, "--scope");
    add_word(out, "--quiet");
    add_word(out, "--collect");
    add_word(out, "-p");
    add_word(out, "MemoryMax=%" PRId64, options->limit_bytes);
    add_word(out, "-p");
    add_word(out, "MemorySwapMax=0");
    add_word(out, "--");
}

/* Has a shell run in such a scope and say its limit: whether it would be kept is then known. */
static bool try_scope(const snug_enforce_options *options, snug_enforcer *out, snug_text *why)
{
    const char *words[SNUG_ENFORCE_WORDS_MAX + 5] = {"/usr/bin/env"};
    char path[SNUG_PATH_BYTES];
    char answer[256];
    int exit = 0;
    int64_t kept = 0;
    int64_t count = 1;
    (void)snprintf(path, sizeof path, "%s/run/systemd/system", options->root);
    if (snug_path_look(path) != SNUG_PATH_FOLDER) {
        snug_text_add(why, "systemd does not run here");
        return false;
    }
    if (getenv("XDG_RUNTIME_DIR") == NULL && getenv("DBUS_SESSION_BUS_ADDRESS") == NULL) {
        snug_text_add(why, "no user session (XDG_RUNTIME_DIR is not set)");
        return false;
    }
    scope_words(options, out);
    for (int64_t i = 0; i < out->text_count; i++) {
        words[count++] = out->texts[i];
    }
    words[count++] = "sh";
    words[count++] = "-c";
    words[count] = probe_script;
    if (snug_failed(snug_child_run(words, answer, sizeof answer, &exit, NULL)) || exit != 0 ||
        !snug_procfs_number(answer, &kept)) {
        snug_text_add(why, "systemd-run --user --scope gives no group with a memory limit");
        out->text_count = 0;
        return false;
    }
    if (kept > options->limit_bytes || kept < options->limit_bytes - PAGE_BYTES_MAX) {
        snug_text_add(why, "the scope does not keep the limit");
        out->text_count = 0;
        return false;
    }
    return true;
}

static bool try_rung(const snug_enforce_options *options, snug_rung rung, snug_enforcer *out,
                     snug_text *why)
{
    switch (rung) {
    case SNUG_RUNG_CGROUP_V2:
    case SNUG_RUNG_CGROUP_V1:
        if (!snug_group_make(options->root, rung == SNUG_RUNG_CGROUP_V2 ? 2 : 1, options->name,
                             options->limit_bytes, &out->group, why)) {
            return false;
        }
        out->limit_bytes = out->group.limit_bytes;
        return true;
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
            enforcer.rung = (snug_rung)rung;
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
    /* The group of a scope belongs to systemd, which removes it when it is empty. */
    const bool gone = enforcer->rung == SNUG_RUNG_SCOPE || snug_group_remove(&enforcer->group);
    *enforcer = (snug_enforcer){0};
    return gone;
}
