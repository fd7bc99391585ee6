#include "monitor/restart.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/json.h"
#include "sys/file.h"
#include "sys/procfs.h"

enum { WORD_BYTES_MAX = 128 << 10, KEY_BYTES = 17 };
static const char SCHEMA[] = "snug.run.state/1";

static bool is_name(char c, bool first)
{
    const unsigned char u = (unsigned char)c;
    return isalpha(u) || c == '_' || (!first && (isdigit(u) || c == '-' || c == '.'));
}

/* Bytes of the name at the start of `text`; 0 when there is none that fits. */
static int64_t name_length(const char *text)
{
    int64_t length = 0;
    while (is_name(text[length], length == 0)) {
        length++;
    }
    return length < SNUG_RESTART_NAME_BYTES ? length : 0;
}

static int32_t find_value(const snug_restart *restart, const char *name, int64_t length)
{
    for (int32_t i = 0; i < restart->value_count; i++) {
        if ((int64_t)strlen(restart->names[i]) == length &&
            memcmp(restart->names[i], name, (size_t)length) == 0) {
            return i;
        }
    }
    return -1;
}

/* {name=value} or {name} at `text`, which begins with '{'. */
typedef struct brace {
    int64_t name_bytes;
    const char *value; /* NULL for {name}. */
    int64_t value_bytes;
    int64_t bytes; /* Of all. */
} brace;

static bool read_brace(const char *text, brace *out)
{
    const int64_t length = name_length(text + 1);
    const char *after = text + 1 + length;
    if (length == 0 || (*after != '=' && *after != '}')) {
        return false;
    }
    *out = (brace){.name_bytes = length};
    if (*after == '=') {
        out->value = after + 1;
        out->value_bytes = (int64_t)strcspn(after + 1, "{}");
        after += 1 + out->value_bytes;
    }
    out->bytes = after + 1 - text;
    return *after == '}';
}

/* ",min=1" and ",max=64" behind a rule; `*at` stands at the comma. */
static snug_status read_bounds(const char *rule, const char **at, snug_restart_rule *out,
                               snug_error *err)
{
    while (**at == ',') {
        int64_t value = 0;
        const bool low = strncmp(*at, ",min=", 5) == 0;
        if ((!low && strncmp(*at, ",max=", 5) != 0) || !snug_procfs_number(*at + 5, &value) ||
            value > SNUG_RESTART_VALUE_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "the rule '%.100s' is wrong after the comma; write min=N or max=N",
                             rule);
        }
        *(low ? &out->low : &out->high) = value;
        *at += 5 + strspn(*at + 5, "0123456789");
    }
    return SNUG_OK;
}

/* NAME=/2,min=1 up to a ';' or the end. */
static snug_status read_rule(const char *rule, snug_restart *restart, snug_restart_rule *out,
                             const char **out_end, snug_error *err)
{
    const int64_t length = name_length(rule);
    const char *at = rule + length;
    snug_restart_rule made = {.low = 1, .high = SNUG_RESTART_VALUE_MAX};
    const bool form = length > 0 && at[0] == '=' && at[1] != '\0' && strchr("/*-+", at[1]) != NULL;
    if (!form || !snug_procfs_number(at + 2, &made.operand) ||
        made.operand > SNUG_RESTART_VALUE_MAX ||
        made.operand < (at[1] == '/' || at[1] == '*' ? 2 : 1)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "the rule '%.100s' is wrong; write it like bs=/2,min=1 or accum=*2", rule);
    }
    made.operation = at[1];
    at += 2 + strspn(at + 2, "0123456789");
    SNUG_TRY(read_bounds(rule, &at, &made, err));
    if (*at != '\0' && *at != ';') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the rule '%.100s' has '%.20s' too many", rule, at);
    }
    made.value = find_value(restart, rule, length);
    if (made.value < 0) {
        if (restart->value_count == SNUG_RESTART_VALUES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "rules for more than %d names",
                             SNUG_RESTART_VALUES_MAX);
        }
        made.value = restart->value_count++;
        memcpy(restart->names[made.value], rule, (size_t)length);
        restart->first[made.value] = -1;
    }
    *out = made;
    *out_end = at;
    return SNUG_OK;
}

static snug_status read_rules(const char *text, const char *option, bool down,
                              snug_restart *restart, snug_restart_rule *rules, int32_t *count,
                              snug_error *err)
{
    const char *at = text;
    while (at != NULL && *at != '\0') {
        if (*count == SNUG_RESTART_VALUES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "more than %d rules in %s",
                             SNUG_RESTART_VALUES_MAX, option);
        }
        SNUG_TRY(read_rule(at, restart, &rules[*count], &at, err));
        const char operation = rules[*count].operation;
        if (down != (operation == '/' || operation == '-')) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s takes rules with %s, not with '%c'", option,
                             down ? "/ or -" : "* or +", operation);
        }
        ++*count;
        at += *at == ';' ? 1 : 0;
    }
    return SNUG_OK;
}

/* Finds the first values in one word. */
static snug_status scan_word(const char *word, snug_restart *restart, snug_error *err)
{
    for (const char *at = strchr(word, '{'); at != NULL; at = strchr(at + 1, '{')) {
        brace found;
        int64_t value = 0;
        if (!read_brace(at, &found) || found.value == NULL) {
            continue;
        }
        const int32_t index = find_value(restart, at + 1, found.name_bytes);
        if (index < 0) {
            continue;
        }
        if (!snug_procfs_number(found.value, &value) || value > SNUG_RESTART_VALUE_MAX ||
            (int64_t)strspn(found.value, "0123456789") != found.value_bytes) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%.*s' must hold a whole number",
                             (int)found.bytes, at);
        }
        if (restart->first[index] >= 0 && restart->first[index] != value) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s has two values, %" PRId64 " and %" PRId64,
                             restart->names[index], restart->first[index], value);
        }
        restart->first[index] = value;
    }
    return SNUG_OK;
}

snug_status snug_restart_read(const char *shrink, const char *grow, char *const *words,
                              snug_restart *out, snug_error *err)
{
    snug_restart made = {0};
    SNUG_TRY(read_rules(shrink, "--shrink", true, &made, made.shrink, &made.shrink_count, err));
    SNUG_TRY(read_rules(grow, "--grow", false, &made, made.grow, &made.grow_count, err));
    for (int64_t i = 0; words[i] != NULL; i++) {
        SNUG_TRY(scan_word(words[i], &made, err));
    }
    for (int32_t i = 0; i < made.value_count; i++) {
        if (made.first[i] < 0) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "there is a rule for '%s' and no {%s=NUMBER} in the command",
                             made.names[i], made.names[i]);
        }
        made.now[i] = made.first[i];
    }
    *out = made;
    return SNUG_OK;
}

/* The value after one step of a rule, inside its bounds. */
static int64_t apply_rule(const snug_restart_rule *rule, int64_t value)
{
    int64_t next = value;
    switch (rule->operation) {
    case '/':
        next = value / rule->operand;
        break;
    case '*':
        next = snug_mul_i64(value, rule->operand, &next) ? next : SNUG_RESTART_VALUE_MAX;
        break;
    case '-':
        next = value - rule->operand;
        break;
    default:
        next = value + rule->operand;
        break;
    }
    return snug_min_i64(snug_max_i64(next, rule->low), rule->high);
}

/* The largest divisor of the product that is no more than the rule's next value. */
static bool step_pair(snug_restart *restart, const snug_restart_rule *shrink,
                      const snug_restart_rule *grow)
{
    int64_t *small = &restart->now[shrink->value];
    int64_t *large = &restart->now[grow->value];
    const int64_t product = restart->first[shrink->value] * restart->first[grow->value];
    for (int64_t next = apply_rule(shrink, *small); next >= snug_max_i64(1, shrink->low); next--) {
        if (next < *small && product % next == 0) {
            if (product / next > grow->high) {
                return false;
            }
            *small = next;
            *large = product / next;
            return true;
        }
    }
    return false;
}

bool snug_restart_next(snug_restart *restart)
{
    for (int32_t i = 0; i < restart->shrink_count; i++) {
        const snug_restart_rule *shrink = &restart->shrink[i];
        if (i < restart->grow_count) {
            if (step_pair(restart, shrink, &restart->grow[i])) {
                return true;
            }
            continue;
        }
        const int64_t next = apply_rule(shrink, restart->now[shrink->value]);
        if (next < restart->now[shrink->value]) {
            restart->now[shrink->value] = next;
            return true;
        }
    }
    return false;
}

void snug_restart_show(const snug_restart *restart, snug_text *out)
{
    for (int32_t i = 0; i < restart->value_count; i++) {
        snug_text_add(out, "%s%s=%" PRId64, i > 0 ? " " : "", restart->names[i], restart->now[i]);
    }
}

void snug_restart_show_product(const snug_restart *restart, snug_text *out)
{
    const int32_t pairs =
        restart->shrink_count < restart->grow_count ? restart->shrink_count : restart->grow_count;
    for (int32_t i = 0; i < pairs; i++) {
        snug_text_add(out, ", global %" PRId64 " kept",
                      restart->now[restart->shrink[i].value] *
                          restart->now[restart->grow[i].value]);
    }
}

/* One word into `out`; false when nothing in it is replaced. */
static bool fill_word(const snug_restart *restart, const char *word, snug_text *out)
{
    bool replaced = false;
    for (const char *at = word; *at != '\0';) {
        brace found;
        const int64_t plain = (int64_t)strcspn(at + 1, "{") + 1;
        const int32_t index = *at == '{' && read_brace(at, &found)
                                  ? find_value(restart, at + 1, found.name_bytes)
                                  : -1;
        if (index >= 0) {
            snug_text_add(out, "%" PRId64, restart->now[index]);
            at += found.bytes;
            replaced = true;
        } else {
            snug_text_add(out, "%.*s", (int)plain, at);
            at += plain;
        }
    }
    return replaced;
}

snug_status snug_restart_fill(const snug_restart *restart, char *const *words, snug_arena *arena,
                              char *const **out, snug_error *err)
{
    int64_t count = 0;
    void *memory = NULL;
    while (words[count] != NULL) {
        count++;
    }
    SNUG_TRY(snug_arena_array(arena, count + 1, sizeof(char *), &memory, err));
    char **filled = memory;
    for (int64_t i = 0; i < count; i++) {
        const int64_t bytes = (int64_t)strlen(words[i]);
        filled[i] = words[i];
        if (restart->value_count == 0 || strchr(words[i], '{') == NULL) {
            continue;
        }
        if (bytes > WORD_BYTES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a word of the command has more than %d bytes",
                             WORD_BYTES_MAX);
        }
        snug_text text;
        /* A number has at most 10 digits more than {a}, of which there is one in 3 bytes. */
        const int64_t room = 5 * bytes + 16;
        SNUG_TRY(snug_arena_alloc(arena, room, &memory, err));
        snug_text_init(&text, memory, room);
        if (fill_word(restart, words[i], &text)) {
            filled[i] = text.data;
        }
    }
    *out = filled;
    return SNUG_OK;
}

uint64_t snug_restart_key(const snug_restart *restart, char *const *words)
{
    uint64_t key = snug_hash64_text(0, SCHEMA);
    for (int64_t i = 0; words[i] != NULL; i++) {
        key = snug_hash64_mix(snug_hash64_text(key, words[i]), (uint64_t)i);
    }
    for (int32_t i = 0; i < restart->value_count; i++) {
        key = snug_hash64_text(key, restart->names[i]);
    }
    return key;
}

snug_status snug_restart_save(const snug_restart *restart, uint64_t key, int64_t limit_bytes,
                              const char *path, snug_error *err)
{
    char data[2048];
    char name[KEY_BYTES];
    snug_text text;
    snug_json_writer json;
    snug_text_init(&text, data, sizeof data);
    (void)snprintf(name, sizeof name, "%016" PRIx64, key);
    snug_json_writer_init(&json, &text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", SCHEMA);
    snug_json_put_string(&json, "command", name);
    snug_json_put_i64(&json, "limit_bytes", limit_bytes);
    snug_json_key(&json, "values");
    snug_json_object_begin(&json);
    for (int32_t i = 0; i < restart->value_count; i++) {
        snug_json_put_i64(&json, restart->names[i], restart->now[i]);
    }
    snug_json_object_end(&json);
    snug_json_object_end(&json);
    snug_text_add(&text, "\n");
    SNUG_TRY(snug_file_write_all(path, text.data, text.length, err));
    return SNUG_OK;
}

/* What a state file says. */
typedef struct saved_state {
    char schema[32], command[KEY_BYTES];
    int64_t limit_bytes;
    int64_t values[SNUG_RESTART_VALUES_MAX]; /* -1: not there. */
} saved_state;

static snug_status read_field(snug_json_reader *reader, const char *name, saved_state *out,
                              snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (strcmp(name, "schema") == 0 || strcmp(name, "command") == 0) {
        const bool schema = name[0] == 's';
        if (event.kind != SNUG_JSON_STRING) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'%s' is no text", name);
        }
        SNUG_TRY(snug_json_unescape(
            &event, schema ? out->schema : out->command,
            schema ? (int64_t)sizeof out->schema : (int64_t)sizeof out->command, err));
    } else if (strcmp(name, "limit_bytes") == 0) {
        SNUG_TRY(snug_json_to_i64(&event, &out->limit_bytes, err));
    }
    return SNUG_OK;
}

/* "values": {"bs": 4, ...}; names that the command does not have are passed over. */
static snug_status read_values(snug_json_reader *reader, const snug_restart *restart,
                               saved_state *out, snug_error *err)
{
    snug_json_event event;
    char name[SNUG_RESTART_NAME_BYTES];
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'values' is no object");
    }
    for (;;) {
        int64_t value = 0;
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            return SNUG_OK;
        }
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        SNUG_TRY(snug_json_next(reader, &event, err));
        SNUG_TRY(snug_json_to_i64(&event, &value, err));
        const int32_t index = find_value(restart, name, (int64_t)strlen(name));
        if (index >= 0 && value >= 0 && value <= SNUG_RESTART_VALUE_MAX) {
            out->values[index] = value;
        }
    }
}

static snug_status read_state(const char *data, int64_t bytes, const snug_restart *restart,
                              saved_state *out, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    char name[32];
    snug_json_reader_init(&reader, data, bytes);
    SNUG_TRY(snug_json_next(&reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "not an object");
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        if (strcmp(name, "values") == 0) {
            SNUG_TRY(read_values(&reader, restart, out, err));
        } else if (strcmp(name, "schema") == 0 || strcmp(name, "command") == 0 ||
                   strcmp(name, "limit_bytes") == 0) {
            SNUG_TRY(read_field(&reader, name, out, err));
        } else {
            SNUG_TRY(snug_json_skip(&reader, err));
        }
    }
    if (strcmp(out->schema, SCHEMA) != 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "its schema is not %s", SCHEMA);
    }
    return SNUG_OK;
}

snug_status snug_restart_load(snug_restart *restart, uint64_t key, int64_t limit_bytes,
                              const char *path, snug_arena *arena, bool *out_used, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(arena);
    const char *data = NULL;
    char name[KEY_BYTES];
    int64_t bytes = 0;
    saved_state saved = {0};
    snug_error why = {0};
    bool used = false;
    memset(saved.values, 0xff, sizeof saved.values);
    if (snug_path_look(path) == SNUG_PATH_NONE) {
        *out_used = false;
        return SNUG_OK;
    }
    SNUG_TRY_DONE(
        snug_file_read_all(path, SNUG_RESTART_STATE_BYTES_MAX, arena, &data, &bytes, err));
    if (snug_failed(read_state(data, bytes, restart, &saved, &why))) {
        /* Whatever it was: a text that is too long is none of ours either. */
        SNUG_FAIL_DONE(err, SNUG_CODE_FORMAT, "'%.200s' is no state file: %s", path, why.message);
    }
    (void)snprintf(name, sizeof name, "%016" PRIx64, key);
    used = strcmp(name, saved.command) == 0 && limit_bytes <= saved.limit_bytes;
    for (int32_t i = 0; i < restart->value_count && used; i++) {
        used = saved.values[i] >= 0;
    }
    for (int32_t i = 0; i < restart->value_count && used; i++) {
        restart->now[i] = saved.values[i];
    }
    *out_used = used;

done:
    snug_arena_rewind(arena, mark);
    return status;
}
