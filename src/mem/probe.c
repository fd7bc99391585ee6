#include "mem/probe.h"

#include "base/checked.h"
#include "base/text.h"

static int64_t remaining(int64_t limit, int64_t used)
{
    return limit == INT64_MAX ? INT64_MAX : snug_max_i64(0, limit - snug_max_i64(0, used));
}

/* Takes the candidate when it is tighter; the first of equals stays. */
static void tighten(snug_probe *probe, snug_bound bound, int32_t level, int64_t bytes)
{
    if (bytes < probe->headroom_bytes) {
        probe->headroom_bytes = bytes;
        probe->bound = bound;
        probe->bound_level = level;
    }
}

static void add_reason(const snug_probe *probe, snug_text *text)
{
    char limit[SNUG_SIZE_TEXT_BYTES];
    char used[SNUG_SIZE_TEXT_BYTES];
    char total[SNUG_SIZE_TEXT_BYTES];
    (void)snug_size_text(probe->machine.total_bytes, total);
    switch (probe->bound) {
    case SNUG_BOUND_MACHINE:
        snug_text_say(text, "bound by the machine's available memory (%s in all)", total);
        break;
    case SNUG_BOUND_CGROUP: {
        const snug_cgroup_level *level = &probe->group.levels[probe->bound_level];
        snug_text_say(text, "bound by control group %s %s (%s, %s in use), not by host RAM (%s)",
                      level->path, level->limit_file, snug_size_text(level->limit_bytes, limit),
                      snug_size_text(level->usage_bytes, used), total);
        break;
    }
    case SNUG_BOUND_ADDRESS:
        snug_text_say(text,
                      "bound by the process limit RLIMIT_AS (%s, %s in use), not by host RAM (%s)",
                      snug_size_text(probe->limits.address_bytes, limit),
                      snug_size_text(probe->process.address_bytes, used), total);
        break;
    case SNUG_BOUND_DATA:
        snug_text_say(
            text, "bound by the process limit RLIMIT_DATA (%s, %s in use), not by host RAM (%s)",
            snug_size_text(probe->limits.data_bytes, limit),
            snug_size_text(probe->process.data_bytes, used), total);
        break;
    }
    if (probe->group.own_hidden) {
        snug_text_say(text, "; the own control group cannot be seen");
    } else if (probe->group.ancestors_hidden) {
        snug_text_say(text, "; control groups above cannot be seen");
    }
}

void snug_probe_decide(snug_probe *probe)
{
    snug_text text;
    char size[SNUG_SIZE_TEXT_BYTES];
    probe->headroom_bytes = snug_max_i64(0, probe->machine.available_bytes);
    probe->bound = SNUG_BOUND_MACHINE;
    probe->bound_level = -1;
    for (int32_t i = 0; i < probe->group.level_count; i++) {
        tighten(probe, SNUG_BOUND_CGROUP, i, snug_cgroup_level_headroom(&probe->group.levels[i]));
    }
    tighten(probe, SNUG_BOUND_ADDRESS, -1,
            remaining(probe->limits.address_bytes, probe->process.address_bytes));
    tighten(probe, SNUG_BOUND_DATA, -1,
            remaining(probe->limits.data_bytes, probe->process.data_bytes));
    snug_text_init(&text, probe->sentence, sizeof probe->sentence);
    snug_text_say(&text, "%s free: ", snug_size_text(probe->headroom_bytes, size));
    add_reason(probe, &text);
}

snug_status snug_probe_read(const char *root, snug_probe *out, snug_error *err)
{
    /* Read straight into `out`: a second probe would be a large thing on a small stack. */
    snug_machine_memory machine = {0};
    snug_process_memory process = {0};
    snug_rlimits limits = {0};
    SNUG_TRY(snug_procfs_machine(root, &machine, err));
    SNUG_TRY(snug_procfs_process(root, 0, &process, err));
    SNUG_TRY(snug_rlimits_read(&limits, err));
    SNUG_TRY(snug_cgroup_read(root, &out->group, err));
    out->machine = machine;
    out->process = process;
    out->limits = limits;
    snug_probe_decide(out);
    return SNUG_OK;
}
