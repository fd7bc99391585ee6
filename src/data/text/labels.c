#include "data/text/labels.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/sort.h"
#include "base/text.h"
#include "base/utf8.h"
#include "sys/file.h"

enum { CAPACITY_FIRST = 64 };

static const char *brief(const char *name, char out[SNUG_BRIEF_BYTES])
{
    return snug_brief_text(name, (int64_t)strlen(name), out);
}

/* ---- Finding and adding ---- */

/* The slot of a name, or the free one where it belongs. */
static int64_t find_slot(const snug_labels *labels, const char *name, int64_t bytes)
{
    const int64_t mask = labels->slot_count - 1;
    int64_t at = (int64_t)(snug_hash64(name, bytes, 0) & (uint64_t)mask);
    while (labels->slots[at] != 0) {
        const char *there = labels->names[labels->slots[at] - 1];
        if (strncmp(there, name, (size_t)bytes) == 0 && there[bytes] == '\0') {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

static void fill_slots(snug_labels *labels)
{
    memset(labels->slots, 0, (size_t)labels->slot_count * sizeof labels->slots[0]);
    for (int64_t i = 0; i < labels->count; i++) {
        const char *name = labels->names[i];
        labels->slots[find_slot(labels, name, (int64_t)strlen(name))] = (int32_t)i + 1;
    }
}

/* Room for one more; the old memory stays in the arena, which adds up to as much again at most. */
static snug_status grow(snug_labels *labels, snug_error *err)
{
    const int64_t capacity = snug_max_i64(CAPACITY_FIRST, 2 * labels->capacity);
    void *names = NULL;
    void *slots = NULL;
    if (labels->count < labels->capacity) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_arena_array(labels->arena, capacity, (int64_t)sizeof(char *), &names, err));
    SNUG_TRY(snug_arena_array(labels->arena, 2 * capacity, (int64_t)sizeof(int32_t), &slots, err));
    if (labels->count > 0) {
        memcpy(names, labels->names, (size_t)labels->count * sizeof(char *));
    }
    labels->names = names;
    labels->capacity = capacity;
    labels->slots = slots;
    labels->slot_count = 2 * capacity;
    fill_slots(labels);
    return SNUG_OK;
}

/* Adds a name that is not there yet; *out_new says whether it was. */
static snug_status add(snug_labels *labels, const char *name, int64_t bytes, bool *out_new,
                       snug_error *err)
{
    char *copy = NULL;
    void *memory = NULL;
    SNUG_TRY(grow(labels, err));
    const int64_t slot = find_slot(labels, name, bytes);
    *out_new = labels->slots[slot] == 0;
    if (!*out_new) {
        return SNUG_OK;
    }
    if (bytes > SNUG_LABEL_BYTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "a label of %lld bytes; the limit is %d (is this the column of labels?)",
                         (long long)bytes, (int)SNUG_LABEL_BYTES_MAX);
    }
    if (labels->count == SNUG_LABELS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "more than %d different labels (is this the column of labels?)",
                         (int)SNUG_LABELS_MAX);
    }
    SNUG_TRY(snug_arena_alloc(labels->arena, bytes + 1, &memory, err));
    copy = memory;
    memcpy(copy, name, (size_t)bytes);
    labels->names[labels->count] = copy;
    labels->count++;
    labels->slots[slot] = (int32_t)labels->count;
    return SNUG_OK;
}

/* ---- Order ---- */

/* Digits behind an optional minus; a number has one way to be written. */
static bool is_integer(const char *name)
{
    const char *digits = name[0] == '-' ? name + 1 : name;
    const size_t count = strlen(digits);
    return count > 0 && digits[strspn(digits, "0123456789")] == '\0' &&
           (digits[0] != '0' || (count == 1 && digits == name));
}

/* Integers of any length: by sign, then number of digits, then digits. */
static int compare_integers(const char *a, const char *b)
{
    const bool minus = a[0] == '-';
    if (minus != (b[0] == '-')) {
        return minus ? -1 : 1;
    }
    const size_t a_bytes = strlen(a);
    const size_t b_bytes = strlen(b);
    const int order = a_bytes != b_bytes ? (a_bytes < b_bytes ? -1 : 1) : strcmp(a, b);
    return minus ? -order : order;
}

static int64_t count_integers(const snug_labels *labels)
{
    int64_t count = 0;
    for (int64_t i = 0; i < labels->count; i++) {
        count += is_integer(labels->names[i]) ? 1 : 0;
    }
    return count;
}

static bool integer_before(const void *things, int32_t a, int32_t b)
{
    const char *const *names = things;
    return compare_integers(names[a], names[b]) < 0;
}

static bool text_before(const void *things, int32_t a, int32_t b)
{
    const char *const *names = things;
    return strcmp(names[a], names[b]) < 0;
}

static snug_status sort(snug_labels *labels, snug_error *err)
{
    const snug_mark start = snug_arena_mark(labels->arena);
    const bool integers = count_integers(labels) == labels->count;
    void *memory = NULL;
    if (labels->count == 0) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_arena_array(labels->arena, labels->count, (int64_t)sizeof(char *), &memory, err));
    const char **names = memory;
    memcpy(names, labels->names, (size_t)labels->count * sizeof(char *));
    /* The table is filled anew below; until then it has room for the order. */
    int32_t *order = labels->slots;
    snug_sort_numbers(order, labels->count, integers ? integer_before : text_before, names);
    for (int64_t i = 0; i < labels->count; i++) {
        labels->names[i] = names[order[i]];
    }
    fill_slots(labels);
    snug_arena_rewind(labels->arena, start);
    return SNUG_OK;
}

/* ---- From rows ---- */

static snug_status add_row(snug_labels *labels, const snug_text_reader *reader,
                           const snug_text_row *row, snug_error *err)
{
    snug_status status = SNUG_OK;
    bool new_one = false;
    if (row->label.text != NULL) {
        status = add(labels, row->label.text, row->label.bytes, &new_one, err);
    }
    for (int64_t i = 0; i < row->choice_count && !snug_failed(status); i++) {
        status = add(labels, row->choices[i].text, row->choices[i].bytes, &new_one, err);
    }
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s: line %lld", snug_text_reader_name(reader),
                                (long long)row->line);
    }
    return status;
}

snug_status snug_labels_collect(snug_text_reader *reader, snug_arena *arena, snug_labels *labels,
                                int64_t *out_rows, snug_error *err)
{
    snug_text_row row;
    bool more = true;
    int64_t rows = 0;
    labels->arena = arena;
    for (;;) {
        SNUG_TRY(snug_text_reader_next(reader, &row, &more, err));
        if (!more) {
            break;
        }
        SNUG_TRY(add_row(labels, reader, &row, err));
        rows++;
    }
    SNUG_TRY(sort(labels, err));
    if (out_rows != NULL) {
        *out_rows = rows;
    }
    return SNUG_OK;
}

/* ---- From files and names ---- */

static snug_status add_new(snug_labels *labels, const char *name, int64_t bytes, snug_error *err)
{
    bool new_one = false;
    SNUG_TRY(add(labels, name, bytes, &new_one, err));
    if (!new_one) {
        char shown[SNUG_BRIEF_BYTES];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the label '%s' is there twice",
                         snug_brief_text(name, bytes, shown));
    }
    return SNUG_OK;
}

snug_status snug_labels_from_names(const char *const *names, int64_t count, snug_arena *arena,
                                   snug_labels *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_labels labels = {.arena = arena};
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY_DONE(add_new(&labels, names[i], (int64_t)strlen(names[i]), err));
    }
    labels.by_number = count_integers(&labels) == 0;
    *out = labels;
done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

static snug_status check_utf8(const char *text, int64_t bytes, snug_error *err)
{
    for (int64_t at = 0; at < bytes;) {
        const int64_t length = text[at] == '\0' ? 0 : snug_utf8_length(text + at, bytes - at);
        if (length == 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "byte %lld: 0x%02x is not UTF-8 text",
                             (long long)at, (unsigned char)text[at]);
        }
        at += length;
    }
    return SNUG_OK;
}

static snug_status load_lines(const char *text, int64_t bytes, snug_labels *labels, snug_error *err)
{
    int64_t line = 0;
    SNUG_TRY(check_utf8(text, bytes, err));
    for (int64_t from = 0; from < bytes;) {
        const char *end = memchr(text + from, '\n', (size_t)(bytes - from));
        const int64_t next = end != NULL ? end - text + 1 : bytes;
        int64_t length = end != NULL ? next - 1 - from : bytes - from;
        line++;
        if (length > 0 && text[from + length - 1] == '\r') {
            length--;
        }
        snug_status status = SNUG_OK;
        if (length > 0) {
            status = add_new(labels, text + from, length, err);
        } else if (next < bytes) {
            status = SNUG_FAIL(err, SNUG_CODE_DATA, "an empty name");
        }
        if (snug_failed(status)) {
            (void)snug_error_prefix(err, "line %lld", (long long)line);
            return status;
        }
        from = next;
    }
    return SNUG_OK;
}

/* Puts the names, which are in the order of the file, into the order of their numbers. */
static snug_status arrange(snug_labels *labels, const int32_t *ids, const char **scratch,
                           snug_error *err)
{
    char a[SNUG_BRIEF_BYTES];
    char b[SNUG_BRIEF_BYTES];
    for (int64_t i = 0; i < labels->count; i++) {
        const char *name = labels->names[i];
        if (ids[i] < 0 || ids[i] >= labels->count) {
            return SNUG_FAIL(err, SNUG_CODE_DATA,
                             "the number of the label '%s' is not from 0 to %lld, as those of "
                             "%lld labels are",
                             brief(name, a), (long long)labels->count - 1,
                             (long long)labels->count);
        }
        if (scratch[ids[i]] != NULL) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "the labels '%s' and '%s' have the number %d",
                             brief(scratch[ids[i]], a), brief(name, b), ids[i]);
        }
        scratch[ids[i]] = name;
    }
    if (labels->count > 0) {
        memcpy(labels->names, scratch, (size_t)labels->count * sizeof(char *));
        fill_slots(labels);
    }
    return SNUG_OK;
}

static snug_status load_pairs(const char *text, int64_t bytes, snug_labels *labels, int32_t *ids,
                              snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event = {0};
    snug_json_reader_init(&reader, text, bytes);
    SNUG_TRY(snug_json_expect(&reader, SNUG_JSON_OBJECT_BEGIN, "an object of names and numbers",
                              &event, err));
    for (;;) {
        char name[SNUG_LABEL_BYTES_MAX + 1];
        int64_t id = 0;
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        SNUG_TRY(snug_json_next(&reader, &event, err));
        SNUG_TRY(snug_json_to_i64(&event, &id, err));
        SNUG_TRY(add_new(labels, name, (int64_t)strlen(name), err));
        ids[labels->count - 1] = id < 0 || id > SNUG_LABELS_MAX ? -1 : (int32_t)id;
    }
    return snug_json_expect(&reader, SNUG_JSON_END, "the end of the file", &event, err);
}

static snug_status load_json(const char *text, int64_t bytes, snug_labels *labels,
                             snug_arena *scratch, snug_error *err)
{
    void *ids = NULL;
    void *names = NULL;
    SNUG_TRY(snug_arena_array(scratch, SNUG_LABELS_MAX, (int64_t)sizeof(int32_t), &ids, err));
    SNUG_TRY(snug_arena_array(scratch, SNUG_LABELS_MAX, (int64_t)sizeof(char *), &names, err));
    SNUG_TRY(load_pairs(text, bytes, labels, ids, err));
    return arrange(labels, ids, names, err);
}

snug_status snug_labels_load(const char *path, snug_arena *arena, snug_labels *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_labels labels = {.arena = arena};
    const char *text = NULL;
    int64_t bytes = 0;
    SNUG_TRY_DONE(snug_file_read_all(path, SNUG_LABEL_FILE_BYTES_MAX, arena, &text, &bytes, err));
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        bytes -= 3;
    }
    const char *first = text + strspn(text, " \t\r\n");
    status = *first == '{' ? load_json(text, bytes, &labels, arena, err)
                           : load_lines(text, bytes, &labels, err);
    if (!snug_failed(status) && labels.count == 0) {
        status = SNUG_FAIL(err, SNUG_CODE_DATA, "no labels");
    }
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", path);
        goto done;
    }
    labels.by_number = count_integers(&labels) == 0;
    *out = labels;
done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

/* ---- Use ---- */

int64_t snug_labels_find(const snug_labels *labels, const char *name, int64_t bytes)
{
    if (labels->count == 0) {
        return -1;
    }
    const int64_t slot = find_slot(labels, name, bytes);
    return (int64_t)labels->slots[slot] - 1;
}

/* The class whose number is written in `name`, or -1. */
static int64_t find_number(const snug_labels *labels, const char *name)
{
    int64_t value = 0;
    if (!labels->by_number || !is_integer(name) || name[0] == '-' || strlen(name) > 6) {
        return -1;
    }
    for (const char *at = name; *at != '\0'; at++) {
        value = value * 10 + (*at - '0');
    }
    return value < labels->count ? value : -1;
}

static snug_status unknown_label(const snug_labels *labels, const snug_text_reader *reader,
                                 const snug_text_row *row, snug_error *err)
{
    enum { SHOWN_MAX = 8 };
    char label[SNUG_BRIEF_BYTES];
    char names[SHOWN_MAX * (SNUG_BRIEF_BYTES + 2)];
    snug_text text;
    snug_text_init(&text, names, sizeof names);
    for (int64_t i = 0; i < labels->count && i < SHOWN_MAX; i++) {
        char name[SNUG_BRIEF_BYTES];
        snug_text_add(&text, "%s%s", i > 0 ? ", " : "", brief(labels->names[i], name));
    }
    return SNUG_FAIL(err, SNUG_CODE_DATA,
                     "%s: line %lld: the label '%s' is none of the %lld that are known (%s%s)",
                     snug_text_reader_name(reader), (long long)row->line,
                     snug_brief_text(row->label.text, row->label.bytes, label),
                     (long long)labels->count, names, labels->count > SHOWN_MAX ? ", ..." : "");
}

snug_status snug_labels_of_row(const snug_labels *labels, const snug_text_reader *reader,
                               const snug_text_row *row, int32_t *out, snug_error *err)
{
    if (row->label.text == NULL) {
        *out = -1;
        return SNUG_OK;
    }
    int64_t found = snug_labels_find(labels, row->label.text, row->label.bytes);
    if (found < 0) {
        found = find_number(labels, row->label.text);
    }
    if (found < 0) {
        return unknown_label(labels, reader, row, err);
    }
    *out = (int32_t)found;
    return SNUG_OK;
}

snug_status snug_labels_check_training(const snug_labels *labels, const char *where,
                                       snug_error *err)
{
    if (labels->count == 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s: no row has a label", where);
    }
    if (labels->count == 1) {
        char name[SNUG_BRIEF_BYTES];
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s: every row has the label '%s'; with one class there is nothing to "
                         "learn",
                         where, brief(labels->names[0], name));
    }
    return SNUG_OK;
}

snug_status snug_labels_write(const snug_labels *labels, const char *path, snug_arena *scratch,
                              snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    void *memory = NULL;
    int64_t capacity = 16;
    for (int64_t i = 0; i < labels->count; i++) {
        /* A byte takes six at most ("\u001f"); quotes, number, comma and spaces are the rest. */
        capacity += 6 * (int64_t)strlen(labels->names[i]) + 32;
    }
    SNUG_TRY_DONE(snug_arena_alloc(scratch, capacity, &memory, err));
    snug_text text;
    snug_json_writer writer;
    snug_text_init(&text, memory, capacity);
    snug_json_writer_init(&writer, &text, true);
    snug_json_object_begin(&writer);
    for (int64_t i = 0; i < labels->count; i++) {
        snug_json_put_i64(&writer, labels->names[i], i);
    }
    snug_json_object_end(&writer);
    snug_text_add(&text, "\n");
    SNUG_ASSERT(!text.truncated);
    SNUG_TRY_DONE(snug_file_write_all(path, text.data, text.length, err));
done:
    snug_arena_rewind(scratch, start);
    return status;
}

uint64_t snug_labels_hash(const snug_labels *labels)
{
    uint64_t hash = snug_hash64_mix(0, (uint64_t)labels->count);
    for (int64_t i = 0; i < labels->count; i++) {
        const char *name = labels->names[i];
        hash = snug_hash64(name, (int64_t)strlen(name), hash);
    }
    return hash;
}
