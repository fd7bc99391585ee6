#include "train/experiments.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/hash.h"
#include "config/yaml_walk.h"
#include "sys/file.h"

/* One key of the grid. */
typedef struct grid_axis {
    const char *key;
    const char *values[SNUG_EXPERIMENT_VALUES_MAX];
    int64_t count;
} grid_axis;

typedef struct change {
    const char *key, *value;
} change;

/* One entry of `list`. */
typedef struct list_item {
    const char *name;
    change changes[SNUG_EXPERIMENT_CHANGES_MAX];
    int64_t count;
} list_item;

/* What is gathered while the file is read. */
typedef struct gathering {
    snug_arena *arena;
    snug_experiments *set;
    change common[SNUG_EXPERIMENT_CHANGES_MAX];
    int64_t common_count;
    grid_axis axes[SNUG_EXPERIMENT_AXES_MAX];
    int64_t axis_count;
    list_item *items[SNUG_EXPERIMENT_ITEMS_MAX];
    int64_t item_count;
    const char *words[SNUG_EXPERIMENT_WORDS_MAX + 1];
    int64_t word_count;
} gathering;

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static snug_status add_change(gathering *self, change *changes, int64_t *count, const char *key,
                              const char *value, snug_error *err)
{
    if (*count == SNUG_EXPERIMENT_CHANGES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "more than %d changes",
                         SNUG_EXPERIMENT_CHANGES_MAX);
    }
    SNUG_TRY(snug_arena_text(self->arena, key, &changes[*count].key, err));
    SNUG_TRY(snug_arena_text(self->arena, value, &changes[*count].value, err));
    ++*count;
    return SNUG_OK;
}

/* The number of a list item at the start of `text`, and what comes after it. */
static bool read_index(const char *text, int64_t *out, const char **out_rest)
{
    char *end = NULL;
    const long long value = isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : -1;
    if (value < 0 || value > INT16_MAX) {
        return false;
    }
    *out = value;
    *out_rest = end;
    return true;
}

/* grid.training.batch_size.0: the number at the end is the item, the rest is the key. */
static snug_status take_grid(gathering *self, const char *key, const snug_yaml_value *value,
                             snug_error *err)
{
    char name[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s", key);
    char *last = strrchr(name, '.');
    if (!value->item || last == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "grid needs a list of values: %.60s: [%.40s, ...]",
                         key, value->text);
    }
    *last = '\0';
    for (const char *at = strrchr(name, '.'); at != NULL; at = NULL) {
        if (isdigit((unsigned char)at[1])) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                             "a value that is a list is written as text: '[1, 2]'");
        }
    }
    grid_axis *axis = NULL;
    for (int64_t i = 0; i < self->axis_count; i++) {
        axis = same(self->axes[i].key, name) ? &self->axes[i] : axis;
    }
    if (axis == NULL) {
        if (self->axis_count == SNUG_EXPERIMENT_AXES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "more than %d keys in the grid",
                             SNUG_EXPERIMENT_AXES_MAX);
        }
        axis = &self->axes[self->axis_count];
        SNUG_TRY(snug_arena_text(self->arena, name, &axis->key, err));
        self->axis_count++;
    }
    if (axis->count == SNUG_EXPERIMENT_VALUES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "more than %d values of %.60s",
                         SNUG_EXPERIMENT_VALUES_MAX, name);
    }
    SNUG_TRY(snug_arena_text(self->arena, value->text, &axis->values[axis->count], err));
    axis->count++;
    return SNUG_OK;
}

/* list.3.training.batch_size */
static snug_status take_item(gathering *self, const char *key, const snug_yaml_value *value,
                             snug_error *err)
{
    int64_t index = 0;
    const char *rest = NULL;
    if (!read_index(key, &index, &rest) || rest[0] != '.' || rest[1] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "list needs mappings: - {KEY: VALUE, ...}");
    }
    if (index >= SNUG_EXPERIMENT_ITEMS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "more than %d entries", SNUG_EXPERIMENT_ITEMS_MAX);
    }
    while (self->item_count <= index) {
        void *memory = NULL;
        SNUG_TRY(snug_arena_alloc(self->arena, sizeof(list_item), &memory, err));
        self->items[self->item_count++] = memory;
    }
    list_item *item = self->items[index];
    if (same(rest, ".name")) {
        return snug_arena_text(self->arena, value->text, &item->name, err);
    }
    SNUG_TRY(add_change(self, item->changes, &item->count, rest + 1, value->text, err));
    return SNUG_OK;
}

static snug_status take_number(const snug_yaml_value *value, double high, double *out,
                               snug_error *err)
{
    char *end = NULL;
    const double number = strtod(value->text, &end);
    if (end == value->text || *end != '\0' || !(number >= 0 && number <= high)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be a number from 0 to %g, not '%.40s'",
                         value->key, high, value->text);
    }
    *out = number;
    return SNUG_OK;
}

static snug_status add_word(gathering *self, const char *word, snug_error *err)
{
    if (self->word_count == SNUG_EXPERIMENT_WORDS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "more than %d words in the command",
                         SNUG_EXPERIMENT_WORDS_MAX);
    }
    SNUG_TRY(snug_arena_text(self->arena, word, &self->words[self->word_count], err));
    self->word_count++;
    return SNUG_OK;
}

/* A command in one text is cut at its spaces; whoever needs spaces in a word writes a list. */
static snug_status take_command(gathering *self, const snug_yaml_value *value, snug_error *err)
{
    char word[SNUG_PATH_BYTES];
    const char *at = value->text;
    if (value->item) {
        return add_word(self, value->text, err);
    }
    for (;;) {
        at += strspn(at, " \t\n");
        const size_t length = strcspn(at, " \t\n");
        if (length == 0) {
            return SNUG_OK;
        }
        if (length >= sizeof word) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "a word of the command is too long");
        }
        memcpy(word, at, length);
        word[length] = '\0';
        SNUG_TRY(add_word(self, word, err));
        at += length;
    }
}

static snug_status take_best(gathering *self, const snug_yaml_value *value, snug_error *err)
{
    const char *text = value->text;
    self->set->best_is_highest = strncmp(text, "highest ", 8) == 0;
    text +=
        self->set->best_is_highest || strncmp(text, "lowest ", 7) == 0 ? strcspn(text, " ") + 1 : 0;
    if (text[0] == '\0' || strchr(text, ' ') != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "best is a figure, or 'highest FIGURE', not '%.60s'", value->text);
    }
    SNUG_TRY(snug_arena_text(self->arena, text, &self->set->best, err));
    return SNUG_OK;
}

/* A key at the top; `*out_at_key` stays true when there is none of this name. */
static snug_status take_top(gathering *self, const snug_yaml_value *value, bool *out_at_key,
                            snug_error *err)
{
    snug_experiments *set = self->set;
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"name", &set->name},
                 {"base", &set->base},
                 {"profile", &set->profile},
                 {"budget", &set->budget},
                 {"enforce", &set->enforce}};
    static const char *const known[] = {"name",     "base",       "profile", "budget", "enforce",
                                        "settings", "grid",       "list",    "best",   "columns",
                                        "command",  "time_limit", "retry"};
    double number = 0;
    *out_at_key = false;
    for (int64_t i = 0; i < SNUG_COUNT(texts); i++) {
        if (same(value->key, texts[i].key)) {
            return snug_arena_text(self->arena, value->text, texts[i].out, err);
        }
    }
    if (same(value->key, "best")) {
        return take_best(self, value, err);
    }
    if (same(value->key, "time_limit")) {
        return take_number(value, 1e9, &set->time_limit_s, err);
    }
    if (same(value->key, "retry")) {
        SNUG_TRY(take_number(value, 31, &number, err));
        set->retry_count = (int64_t)number;
        return SNUG_OK;
    }
    *out_at_key = true;
    const char *near = snug_nearest_name(value->key, known, SNUG_COUNT(known));
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "unknown key '%.60s'%s%s%s", value->key,
                     near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                     near != NULL ? "'?" : "");
}

static snug_status take_value(void *context, const snug_yaml_value *value, bool *out_at_key,
                              snug_error *err)
{
    gathering *self = context;
    const char *key = value->key;
    if (strncmp(key, "settings.", 9) == 0) {
        SNUG_TRY(add_change(self, self->common, &self->common_count, key + 9, value->text, err));
        return SNUG_OK;
    }
    if (strncmp(key, "grid.", 5) == 0) {
        return take_grid(self, key + 5, value, err);
    }
    if (strncmp(key, "list.", 5) == 0) {
        return take_item(self, key + 5, value, err);
    }
    if (same(key, "command") || strncmp(key, "command.", 8) == 0) {
        return take_command(self, value, err);
    }
    if (strncmp(key, "columns.", 8) == 0) {
        if (self->set->column_count == SNUG_EXPERIMENT_COLUMNS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "more than %d columns",
                             SNUG_EXPERIMENT_COLUMNS_MAX);
        }
        return snug_arena_text(self->arena, value->text,
                               &self->set->columns[self->set->column_count++], err);
    }
    return take_top(self, value, out_at_key, err);
}

/* Letters that no shell and no file system minds; others become '-'. */
static void add_safe(snug_text *text, const char *word)
{
    for (; *word != '\0'; word++) {
        const unsigned char c = (unsigned char)*word;
        snug_text_add(text, "%c", isalnum(c) || strchr("-_.=,", c) != NULL ? c : '-');
    }
}

/* The last part of a dotted key says enough in a name. */
static const char *short_key(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot == NULL ? key : dot + 1;
}

static snug_status choose_name(gathering *self, const list_item *item, const int64_t *places,
                               int64_t number, const char **out, snug_error *err)
{
    char name[SNUG_EXPERIMENT_NAME_BYTES];
    char full[SNUG_EXPERIMENT_NAME_BYTES + 32];
    snug_text text;
    snug_text_init(&text, name, sizeof name);
    if (item != NULL && item->name != NULL) {
        add_safe(&text, item->name);
    } else {
        for (int64_t i = 0; item != NULL && i < item->count; i++) {
            add_safe(&text, text.length > 0 ? "," : "");
            add_safe(&text, short_key(item->changes[i].key));
            add_safe(&text, "=");
            add_safe(&text, item->changes[i].value);
        }
    }
    for (int64_t i = 0; i < self->axis_count; i++) {
        add_safe(&text, text.length > 0 ? "," : "");
        add_safe(&text, short_key(self->axes[i].key));
        add_safe(&text, "=");
        add_safe(&text, self->axes[i].values[places[i]]);
    }
    /* The number keeps names apart that were cut, and folders in order. */
    (void)snprintf(full, sizeof full, "%03" PRId64 "%s%s", number, text.length > 0 ? "-" : "",
                   name);
    SNUG_TRY(snug_arena_text(self->arena, full, out, err));
    return SNUG_OK;
}

static snug_status make_item(gathering *self, const list_item *item, const int64_t *places,
                             int64_t number, snug_experiment *out, snug_error *err)
{
    const int64_t own = item != NULL ? item->count : 0;
    const int64_t count = self->common_count + own + self->axis_count;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(self->arena, 2 * count + 1, sizeof(char *), &memory, err));
    const char **keys = memory;
    const char **values = keys + count;
    int64_t at = 0;
    for (int64_t i = 0; i < self->common_count; i++, at++) {
        keys[at] = self->common[i].key;
        values[at] = self->common[i].value;
    }
    for (int64_t i = 0; i < own; i++, at++) {
        keys[at] = item->changes[i].key;
        values[at] = item->changes[i].value;
    }
    for (int64_t i = 0; i < self->axis_count; i++, at++) {
        keys[at] = self->axes[i].key;
        values[at] = self->axes[i].values[places[i]];
    }
    *out = (snug_experiment){
        .keys = keys, .values = values, .count = count, .common_count = self->common_count};
    SNUG_TRY(choose_name(self, item, places, number, &out->name, err));
    return SNUG_OK;
}

static snug_status expand(gathering *self, snug_error *err)
{
    int64_t combinations = 1;
    void *memory = NULL;
    int64_t at = 0;
    for (int64_t i = 0; i < self->axis_count; i++) {
        /* At most 256^16: stop long before it wraps around. */
        combinations = snug_min_i64(combinations * self->axes[i].count, INT32_MAX);
    }
    const int64_t entries = snug_max_i64(1, self->item_count);
    if (combinations > SNUG_EXPERIMENTS_MAX || combinations * entries > SNUG_EXPERIMENTS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d experiments", SNUG_EXPERIMENTS_MAX);
    }
    SNUG_TRY(snug_arena_array(self->arena, combinations * entries, sizeof(snug_experiment), &memory,
                              err));
    snug_experiment *items = memory;
    for (int64_t entry = 0; entry < entries; entry++) {
        for (int64_t c = 0; c < combinations; c++) {
            int64_t places[SNUG_EXPERIMENT_AXES_MAX] = {0};
            int64_t rest = c;
            for (int64_t i = self->axis_count - 1; i >= 0; i--) {
                places[i] = rest % self->axes[i].count;
                rest /= self->axes[i].count;
            }
            SNUG_TRY(make_item(self, self->item_count > 0 ? self->items[entry] : NULL, places,
                               at + 1, &items[at], err));
            at++;
        }
    }
    self->set->items = items;
    self->set->count = at;
    return SNUG_OK;
}

/* "sweep" of "runs/sweep.yaml". */
static snug_status name_of_file(const char *path, snug_arena *arena, const char **out,
                                snug_error *err)
{
    char name[SNUG_EXPERIMENT_NAME_BYTES];
    const char *file = snug_path_name(path);
    const char *dot = strrchr(file, '.');
    (void)snprintf(name, sizeof name, "%.*s", dot != NULL ? (int)(dot - file) : 90, file);
    SNUG_TRY(snug_arena_text(arena, name[0] != '\0' ? name : "experiments", out, err));
    return SNUG_OK;
}

static snug_status check_set(const char *name, const snug_experiments *set, snug_error *err)
{
    static const char *const ways = "auto cgroup rlimit watch";
    if ((set->base == NULL) == (set->command_count == 0)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: give either a base configuration or a command",
                         name);
    }
    if (set->profile != NULL && set->base == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: a profile needs a base configuration", name);
    }
    if (set->enforce != NULL && (set->enforce[0] == '\0' || strchr(set->enforce, ' ') != NULL ||
                                 strstr(ways, set->enforce) == NULL)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "%s: enforce must be auto, cgroup, rlimit or watch, not '%.40s'", name,
                         set->enforce);
    }
    if (set->name[0] == '\0' || strchr(set->name, '/') != NULL || set->name[0] == '.') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: '%.60s' is no name for a folder", name,
                         set->name);
    }
    return SNUG_OK;
}

snug_status snug_experiments_parse(const char *name, const char *data, int64_t bytes,
                                   snug_arena *arena, snug_experiments *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(arena);
    snug_experiments set = {0};
    void *memory = NULL;
    SNUG_TRY_DONE(snug_arena_alloc(arena, sizeof(gathering), &memory, err));
    gathering *self = memory;
    self->arena = arena;
    self->set = &set;
    const snug_yaml_sink sink = {.context = self, .value = take_value};
    SNUG_TRY_DONE(snug_yaml_walk(name, data, bytes, &sink, err));
    if (set.name == NULL) {
        SNUG_TRY_DONE(name_of_file(name, arena, &set.name, err));
    }
    if (self->word_count > 0) {
        set.command = self->words;
        set.command_count = self->word_count;
    }
    SNUG_TRY_DONE(check_set(name, &set, err));
    SNUG_TRY_DONE(expand(self, err));
    *out = set;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, mark);
    }
    return status;
}

snug_status snug_experiments_read(const char *path, snug_arena *arena, snug_experiments *out,
                                  snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(arena);
    const char *data = NULL;
    int64_t bytes = 0;
    SNUG_TRY_DONE(
        snug_file_read_all(path, SNUG_EXPERIMENTS_FILE_BYTES_MAX, arena, &data, &bytes, err));
    SNUG_TRY_DONE(snug_experiments_parse(path, data, bytes, arena, out, err));

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, mark);
    }
    return status;
}

/* The value of {place} of `bytes` letters; NULL when it stands for nothing. */
static const char *place_value(const snug_experiments *set, const snug_experiment *item,
                               const snug_experiment_places *places, const char *place,
                               int64_t bytes)
{
    const struct {
        const char *name, *value;
    } fixed[] = {{"name", item->name},
                 {"run", places->run},
                 {"budget", places->budget},
                 {"base", set->base},
                 {"snug", places->program}};
    for (int64_t i = 0; i < SNUG_COUNT(fixed); i++) {
        if ((int64_t)strlen(fixed[i].name) == bytes &&
            memcmp(fixed[i].name, place, (size_t)bytes) == 0) {
            return fixed[i].value;
        }
    }
    /* The last one of a key wins, as on a command line. */
    for (int64_t i = item->count - 1; i >= 0; i--) {
        if ((int64_t)strlen(item->keys[i]) == bytes &&
            memcmp(item->keys[i], place, (size_t)bytes) == 0) {
            return item->values[i];
        }
    }
    return NULL;
}

/* Words are made in a list of fixed size, which is copied at the end. */
typedef struct word_list {
    char *words[SNUG_EXPERIMENT_WORDS_MAX + 2 * SNUG_EXPERIMENT_CHANGES_MAX + 8];
    int64_t count;
    snug_arena *arena;
} word_list;

static snug_status put_word(word_list *list, const char *text, int64_t bytes, snug_error *err)
{
    void *memory = NULL;
    if (list->count + 1 >= SNUG_COUNT(list->words)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "too many words in a command");
    }
    SNUG_TRY(snug_arena_alloc(list->arena, bytes + 1, &memory, err));
    memcpy(memory, text, (size_t)bytes);
    list->words[list->count++] = memory;
    return SNUG_OK;
}

static snug_status put_changes(word_list *list, const snug_experiment *item, snug_error *err)
{
    char word[SNUG_PATH_BYTES];
    for (int64_t i = 0; i < item->count; i++) {
        const int length = snprintf(word, sizeof word, "%s=%s", item->keys[i], item->values[i]);
        if (length >= (int)sizeof word) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the value of %.60s is too long", item->keys[i]);
        }
        SNUG_TRY(put_word(list, word, length, err));
    }
    return SNUG_OK;
}

static snug_status put_template(word_list *list, const snug_experiments *set,
                                const snug_experiment *item, const snug_experiment_places *places,
                                const char *word, snug_error *err)
{
    char data[2 * SNUG_PATH_BYTES];
    snug_text text;
    if (same(word, "{changes}")) {
        return put_changes(list, item, err);
    }
    if (same(word, "{resume}")) {
        return places->resume ? put_word(list, "--resume", 8, err) : SNUG_OK;
    }
    snug_text_init(&text, data, sizeof data);
    while (*word != '\0') {
        const int64_t name_bytes = *word == '{' ? (int64_t)strcspn(word + 1, "{}") : 0;
        const char *value = *word == '{' && word[1 + name_bytes] == '}'
                                ? place_value(set, item, places, word + 1, name_bytes)
                                : NULL;
        const int64_t plain = value != NULL ? 0 : 1 + (int64_t)strcspn(word + 1, "{");
        snug_text_add(&text, "%.*s%s", (int)plain, word, value != NULL ? value : "");
        word += value != NULL ? name_bytes + 2 : plain;
    }
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a word of the command is too long");
    }
    return put_word(list, text.data, text.length, err);
}

snug_status snug_experiment_command(const snug_experiments *set, const snug_experiment *item,
                                    const snug_experiment_places *places, snug_arena *arena,
                                    char *const **out, snug_error *err)
{
    static const char *const train[] = {"{snug}",   "train", "{base}", "{changes}", "--budget",
                                        "{budget}", "--out", "{run}",  "{resume}",  "--quiet"};
    const char *const *words = set->command != NULL ? set->command : train;
    const int64_t count = set->command != NULL ? set->command_count : SNUG_COUNT(train);
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, sizeof(word_list), &memory, err));
    word_list *list = memory;
    list->arena = arena;
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY(put_template(list, set, item, places, words[i], err));
    }
    if (set->command == NULL && set->profile != NULL) {
        SNUG_TRY(put_word(list, "--profile", 9, err));
        SNUG_TRY(put_word(list, set->profile, (int64_t)strlen(set->profile), err));
    }
    *out = list->words;
    return SNUG_OK;
}

uint64_t snug_experiment_key(const snug_experiments *set, const snug_experiment *item)
{
    uint64_t key = snug_hash64_text(0, set->base != NULL ? set->base : "");
    key = snug_hash64_text(key, set->profile != NULL ? set->profile : "");
    for (int64_t i = 0; i < set->command_count; i++) {
        key = snug_hash64_mix(snug_hash64_text(key, set->command[i]), (uint64_t)i);
    }
    for (int64_t i = 0; i < item->count; i++) {
        key = snug_hash64_mix(snug_hash64_text(key, item->keys[i]), (uint64_t)i);
        key = snug_hash64_text(key, item->values[i]);
    }
    return key;
}
