#include "sys/cgroup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/procfs.h"

/* Above this a v1 limit means none: the kernel writes LONG_MAX rounded down to a page. */
#define UNLIMITED_BYTES (INT64_C(1) << 62)

enum { PATH_BYTES = SNUG_CGROUP_PATH_BYTES };

/* Where a controller's files of this process are. */
typedef struct group_place {
    int32_t version;             /* 0: nowhere. */
    char mount[PATH_BYTES];      /* With the root before it. */
    char relative[PATH_BYTES];   /* The own group below the mount: "" or "/a/b". */
    char mount_root[PATH_BYTES]; /* What the mount shows of the hierarchy. */
    bool own_hidden;
    bool exists;
} group_place;

static bool copy_path(char out[PATH_BYTES], const char *text)
{
    const size_t length = strlen(text);
    if (length >= PATH_BYTES) {
        return false;
    }
    memcpy(out, text, length + 1);
    return true;
}

/* True when the comma-separated `list` has the word. */
static bool list_has(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The own path in the hierarchy of the controller; `*out_version` is 0 when there is none. */
static snug_status read_own_path(const char *root, int64_t pid, const char *controller,
                                 int32_t *out_version, char out_v1[PATH_BYTES],
                                 char out_v2[PATH_BYTES], bool *out_has_v2, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_line_reader reader;
    char file[SNUG_PATH_BYTES];
    snug_text text;
    char *line = NULL;
    *out_version = 0;
    *out_has_v2 = false;
    snug_text_init(&text, file, sizeof file);
    if (pid == 0) {
        snug_text_add(&text, "%s/proc/self/cgroup", root);
    } else {
        snug_text_add(&text, "%s/proc/%lld/cgroup", root, (long long)pid);
    }
    if (snug_path_look(file) == SNUG_PATH_NONE) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_lines_open(&reader, file, err));
    for (;;) {
        SNUG_TRY_DONE(snug_lines_next(&reader, &line, err));
        if (line == NULL) {
            break;
        }
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        const bool unified = controllers[0] == '\0';
        if ((unified && !copy_path(out_v2, path)) ||
            (!unified && list_has(controllers, controller) && !copy_path(out_v1, path))) {
            SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the control group '%.100s...' is too long", path);
        }
        *out_has_v2 = *out_has_v2 || unified;
        if (!unified && list_has(controllers, controller)) {
            *out_version = 1;
        }
    }
    if (*out_version == 0 && *out_has_v2) {
        *out_version = 2;
    }
done:
    snug_lines_close(&reader);
    return status;
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void resolve_octal(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

typedef struct mount_line {
    char *mount_root;
    char *mount_point;
    const char *type;
    const char *options; /* Of the file system. */
} mount_line;

/* Cuts a line of mountinfo; false when it is not one. */
static bool parse_mount(char *line, mount_line *out)
{
    char *words[6];
    char *rest = NULL;
    char *dash = strstr(line, " - ");
    if (dash == NULL) {
        return false;
    }
    *dash = '\0';
    char *word = strtok_r(line, " ", &rest);
    for (int i = 0; i < 6; i++) {
        if (word == NULL) {
            return false;
        }
        words[i] = word;
        word = strtok_r(NULL, " ", &rest);
    }
    const char *type = strtok_r(dash + 3, " ", &rest);
    const char *source = strtok_r(NULL, " ", &rest);
    const char *options = strtok_r(NULL, " ", &rest);
    if (type == NULL || source == NULL) {
        return false;
    }
    resolve_octal(words[3]);
    resolve_octal(words[4]);
    *out = (mount_line){.mount_root = words[3],
                        .mount_point = words[4],
                        .type = type,
                        .options = options != NULL ? options : ""};
    return true;
}

/*
 * The own path as seen through a mount that shows only what is below `mount_root`. A path with ".."
 * lies outside of the namespace, and so does the own group when the mount shows another branch:
 * then the top of the mount is all that can be known.
 */
static const char *path_below(const char *mount_root, const char *own, bool *out_hidden)
{
    const size_t length = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
    *out_hidden = strncmp(own, "/..", 3) == 0 || strncmp(mount_root, "/..", 3) == 0 ||
                  strncmp(own, mount_root, length) != 0 ||
                  (own[length] != '/' && own[length] != '\0');
    if (*out_hidden || strcmp(own + length, "/") == 0) {
        return "";
    }
    return own + length;
}

static snug_status fill_place(const char *root, const mount_line *mount, const char *own,
                              group_place *place, snug_error *err)
{
    char folder[2 * PATH_BYTES];
    snug_text text;
    bool hidden = false;
    const char *relative = path_below(mount->mount_root, own, &hidden);
    snug_text_init(&text, place->mount, PATH_BYTES);
    snug_text_add(&text, "%s%s", root, mount->mount_point);
    if (text.truncated || !copy_path(place->relative, relative) ||
        !copy_path(place->mount_root, mount->mount_root)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the control group mount '%.100s' is too long",
                         mount->mount_point);
    }
    (void)snprintf(folder, sizeof folder, "%s%s", place->mount, place->relative);
    place->exists = snug_path_look(folder) == SNUG_PATH_FOLDER;
    place->own_hidden = hidden || !place->exists;
    return SNUG_OK;
}

/* Of two mounts of one hierarchy, the one that shows the own group, then the one that shows more.
 */
static bool is_better(const group_place *a, const group_place *b)
{
    if (b->version == 0 || a->own_hidden != b->own_hidden) {
        return b->version == 0 || !a->own_hidden;
    }
    return strlen(a->relative) > strlen(b->relative);
}

static snug_status find_mount(const char *root, const char *controller, int32_t version,
                              const char *own, group_place *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_line_reader reader;
    char file[SNUG_PATH_BYTES];
    snug_text text;
    char *line = NULL;
    group_place best = {0};
    snug_text_init(&text, file, sizeof file);
    snug_text_add(&text, "%s/proc/self/mountinfo", root);
    SNUG_TRY(snug_lines_open(&reader, file, err));
    for (;;) {
        mount_line mount = {0};
        group_place place = {.version = version};
        SNUG_TRY_DONE(snug_lines_next(&reader, &line, err));
        if (line == NULL) {
            break;
        }
        if (!parse_mount(line, &mount)) {
            continue;
        }
        const bool fits =
            version == 1 ? strcmp(mount.type, "cgroup") == 0 && list_has(mount.options, controller)
                         : strcmp(mount.type, "cgroup2") == 0;
        if (fits) {
            SNUG_TRY_DONE(fill_place(root, &mount, own, &place, err));
            best = is_better(&place, &best) ? place : best;
        }
    }
    *out = best;
done:
    snug_lines_close(&reader);
    return status;
}

/* `out_unified` may be NULL: the place in the v2 hierarchy, whichever holds the controller. */
static snug_status find_place(const char *root, int64_t pid, const char *controller,
                              group_place *out, group_place *out_unified, snug_error *err)
{
    char v1[PATH_BYTES] = "";
    char v2[PATH_BYTES] = "";
    int32_t version = 0;
    bool has_v2 = false;
    group_place place = {0};
    group_place unified = {0};
    SNUG_TRY(read_own_path(root, pid, controller, &version, v1, v2, &has_v2, err));
    if (version == 1) {
        SNUG_TRY(find_mount(root, controller, 1, v1, &place, err));
    }
    if (has_v2 && (place.version == 0 || out_unified != NULL)) {
        SNUG_TRY(find_mount(root, controller, 2, v2, &unified, err));
        place = place.version == 0 ? unified : place;
    }
    if (out_unified != NULL) {
        *out_unified = unified;
    }
    *out = place;
    return SNUG_OK;
}

/* One file of one level. False when it is not there, may not be read or is too long. */
static bool read_level_file(const char *folder, const char *name, char *out, int64_t capacity)
{
    char path[SNUG_PATH_BYTES];
    int64_t bytes = 0;
    snug_text text;
    snug_text_init(&text, path, sizeof path);
    snug_text_add(&text, "%s/%s", folder, name);
    return !text.truncated && snug_file_read_into(path, out, capacity, &bytes, NULL) == SNUG_OK;
}

static bool read_level_number(const char *folder, const char *name, int64_t *out)
{
    char text[64];
    if (!read_level_file(folder, name, text, sizeof text)) {
        return false;
    }
    if (strncmp(text, "max", 3) == 0) {
        *out = INT64_MAX;
        return true;
    }
    int64_t value = 0;
    if (!snug_procfs_number(text, &value)) {
        /* Beyond int64 (v1 may say 2^64 - 1), or "-1": no limit. */
        value = isdigit((unsigned char)text[0]) || text[0] == '-' ? INT64_MAX : -1;
    }
    *out = value >= UNLIMITED_BYTES ? INT64_MAX : value;
    return value >= 0;
}

bool snug_cgroup_number(const char *folder, const char *name, int64_t *out)
{
    return read_level_number(folder, name, out);
}

int64_t snug_cgroup_entry(const char *folder, const char *file, const char *name, int64_t fallback)
{
    char path[SNUG_PATH_BYTES];
    snug_line_reader reader;
    snug_text text;
    char *line = NULL;
    int64_t value = fallback;
    const size_t length = strlen(name);
    snug_text_init(&text, path, sizeof path);
    snug_text_add(&text, "%s/%s", folder, file);
    if (text.truncated || snug_lines_open(&reader, path, NULL) != SNUG_OK) {
        return fallback;
    }
    while (snug_lines_next(&reader, &line, NULL) == SNUG_OK && line != NULL) {
        int64_t found = 0;
        if (strncmp(line, name, length) == 0 && line[length] == ' ' &&
            snug_procfs_number(line + length + 1, &found)) {
            value = found;
            break;
        }
    }
    snug_lines_close(&reader);
    return value;
}

static int64_t read_stat(const char *folder, const char *name, int64_t fallback)
{
    return snug_cgroup_entry(folder, "memory.stat", name, fallback);
}

/* False when this level has no memory files: the controller is not enabled so deep, or at the top.
 */
static bool read_level_v2(const char *folder, snug_cgroup_level *level)
{
    int64_t high = INT64_MAX;
    level->limit_bytes = INT64_MAX;
    level->limit_file = "memory.max";
    if (!read_level_number(folder, "memory.current", &level->usage_bytes)) {
        return false;
    }
    (void)read_level_number(folder, "memory.max", &level->limit_bytes);
    if (read_level_number(folder, "memory.high", &high) && high < level->limit_bytes) {
        level->limit_bytes = high;
        level->limit_file = "memory.high";
    }
    if (!read_level_number(folder, "memory.peak", &level->peak_bytes)) {
        level->peak_bytes = -1;
    }
    level->inactive_file_bytes = read_stat(folder, "inactive_file", 0);
    level->active_file_bytes = read_stat(folder, "active_file", 0);
    return true;
}

static bool read_level_v1(const char *folder, snug_cgroup_level *level)
{
    level->limit_bytes = INT64_MAX;
    level->limit_file = "memory.limit_in_bytes";
    if (!read_level_number(folder, "memory.usage_in_bytes", &level->usage_bytes)) {
        return false;
    }
    (void)read_level_number(folder, "memory.limit_in_bytes", &level->limit_bytes);
    if (!read_level_number(folder, "memory.max_usage_in_bytes", &level->peak_bytes)) {
        level->peak_bytes = -1;
    }
    level->inactive_file_bytes = read_stat(folder, "inactive_file", 0);
    level->inactive_file_bytes =
        read_stat(folder, "total_inactive_file", level->inactive_file_bytes);
    level->active_file_bytes = read_stat(folder, "active_file", 0);
    level->active_file_bytes = read_stat(folder, "total_active_file", level->active_file_bytes);
    return true;
}

/*
 * On v1 a level knows the tightest limit above it even when that group cannot be seen. Its usage is
 * unknown then and at least that of the last level, which stands in for it.
 */
static void apply_hidden_v1_limit(const char *folder, snug_cgroup *group)
{
    snug_cgroup_level *last = &group->levels[group->level_count - 1];
    const int64_t tightest = read_stat(folder, "hierarchical_memory_limit", INT64_MAX);
    for (int32_t i = 0; i < group->level_count; i++) {
        if (group->levels[i].limit_bytes <= tightest) {
            return;
        }
    }
    if (tightest < UNLIMITED_BYTES) {
        last->limit_bytes = tightest;
        last->limit_file = "memory.stat: hierarchical_memory_limit";
        group->ancestors_hidden = true;
    }
}

/* Cuts the last part of "/a/b"; false when nothing is left to cut. */
static bool go_up(char *relative)
{
    char *slash = strrchr(relative, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return true;
}

snug_status snug_cgroup_read(const char *root, snug_cgroup *out, snug_error *err)
{
    return snug_cgroup_read_process(root, 0, out, err);
}

snug_status snug_cgroup_read_process(const char *root, int64_t pid, snug_cgroup *out,
                                     snug_error *err)
{
    group_place place = {0};
    group_place unified = {0};
    SNUG_TRY(find_place(root, pid, "memory", &place, &unified, err));
    (void)copy_path(out->mount, place.mount);
    out->unified[0] = '\0';
    if (unified.version != 0) {
        snug_text text;
        snug_text_init(&text, out->unified, sizeof out->unified);
        snug_text_add(&text, "%s%s", unified.mount, unified.own_hidden ? "" : unified.relative);
    }
    out->version = place.version;
    out->own_hidden = place.own_hidden;
    out->ancestors_hidden = false;
    out->level_count = 0;
    if (place.version == 0) {
        return SNUG_OK;
    }
    char folder[2 * PATH_BYTES];
    bool top_counted = false;
    do {
        (void)snprintf(folder, sizeof folder, "%s%s", place.mount, place.relative);
        if (out->level_count == SNUG_CGROUP_LEVELS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d levels of control groups",
                             SNUG_CGROUP_LEVELS_MAX);
        }
        snug_cgroup_level *level = &out->levels[out->level_count];
        top_counted =
            place.version == 1 ? read_level_v1(folder, level) : read_level_v2(folder, level);
        if (top_counted) {
            (void)copy_path(level->path, place.relative[0] != '\0' ? place.relative : "/");
            out->level_count++;
        }
    } while (go_up(place.relative));

    if (place.version == 2) {
        /* The true top of v2 has no memory files: if this one has them, it is not the top. */
        out->ancestors_hidden = top_counted || strcmp(place.mount_root, "/") != 0;
    } else if (out->level_count > 0) {
        out->ancestors_hidden = strcmp(place.mount_root, "/") != 0;
        apply_hidden_v1_limit(folder, out);
    }
    return SNUG_OK;
}

snug_status snug_cgroup_own(const char *root, int64_t pid, int32_t *out_version,
                            char out_folder[2 * SNUG_CGROUP_PATH_BYTES], int64_t *out_top_bytes,
                            snug_error *err)
{
    group_place place = {0};
    SNUG_TRY(find_place(root, pid, "memory", &place, NULL, err));
    *out_version = place.own_hidden ? 0 : place.version;
    *out_top_bytes = (int64_t)strlen(place.mount);
    (void)snprintf(out_folder, (size_t)2 * PATH_BYTES, "%s%s", place.mount, place.relative);
    return SNUG_OK;
}

int64_t snug_cgroup_level_headroom(const snug_cgroup_level *level)
{
    if (level->limit_bytes == INT64_MAX) {
        return INT64_MAX;
    }
    const int64_t inactive = snug_min_i64(level->inactive_file_bytes, level->usage_bytes);
    return snug_max_i64(0, level->limit_bytes - (level->usage_bytes - inactive));
}

static double read_quota(const char *folder, int32_t version)
{
    char text[64];
    int64_t quota = 0;
    int64_t period = 0;
    if (version == 2) {
        if (!read_level_file(folder, "cpu.max", text, sizeof text)) {
            return 0;
        }
        const char *second = strchr(text, ' ');
        if (second == NULL || !snug_procfs_number(text, &quota) ||
            !snug_procfs_number(second + 1, &period)) {
            return 0;
        }
    } else if (!read_level_file(folder, "cpu.cfs_quota_us", text, sizeof text) ||
               !snug_procfs_number(text, &quota) ||
               !read_level_number(folder, "cpu.cfs_period_us", &period)) {
        return 0;
    }
    return period > 0 ? (double)quota / (double)period : 0;
}

snug_status snug_cgroup_cpu_quota(const char *root, double *out_cores, snug_error *err)
{
    group_place place = {0};
    double cores = 0;
    SNUG_TRY(find_place(root, 0, "cpu", &place, NULL, err));
    if (place.version != 0) {
        char folder[2 * PATH_BYTES];
        do {
            (void)snprintf(folder, sizeof folder, "%s%s", place.mount, place.relative);
            const double quota = read_quota(folder, place.version);
            if (quota > 0 && (cores == 0 || quota < cores)) {
                cores = quota;
            }
        } while (go_up(place.relative));
    }
    *out_cores = cores;
    return SNUG_OK;
}
