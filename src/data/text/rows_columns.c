#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/translate.h"
#include "data/text/rows_inside.h"

/* In the order of preference: the first that is there is taken. */
static const char *const text_names[] = {
    "text",   "sentence",  "review",    "content",  "context", "comment", "title",
    "tweet",  "message",   "utterance", "query",    "premise", "input",   "sentence1",
    "text_a", "question1", "question",  "document", "body"};
static const char *const label_names[] = {"label",    "labels", "answer",    "target",  "class",
                                          "category", "cat",    "sentiment", "emotion", "topic",
                                          "intent",   "y",      "label_id"};
static const struct {
    const char *first, *second;
} pair_names[] = {{"sentence1", "sentence2"}, {"premise", "hypothesis"}, {"text_a", "text_b"},
                  {"question1", "question2"}, {"text", "text_pair"},     {"question", "sentence"}};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Equal but for upper and lower case of ASCII. */
static bool same_name(const char *text, int64_t bytes, const char *name)
{
    if ((int64_t)strlen(name) != bytes) {
        return false;
    }
    for (int64_t i = 0; i < bytes; i++) {
        if (lower(text[i]) != name[i]) {
            return false;
        }
    }
    return true;
}

bool snug_text_is_usual_name(const char *text, int64_t bytes)
{
    for (int64_t i = 0; i < SNUG_COUNT(text_names); i++) {
        if (same_name(text, bytes, text_names[i])) {
            return true;
        }
    }
    for (int64_t i = 0; i < SNUG_COUNT(label_names); i++) {
        if (same_name(text, bytes, label_names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_given(const char *option)
{
    return option != NULL && option[0] != '\0';
}

/* Where the exact name stands, or -1. */
static int64_t find_exact(const snug_text_columns *columns, const char *name)
{
    for (int64_t i = 0; i < columns->count; i++) {
        if (strcmp(columns->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static int64_t find_usual(const snug_text_columns *columns, const char *name)
{
    for (int64_t i = 0; i < columns->count; i++) {
        if (same_name(columns->names[i], (int64_t)strlen(columns->names[i]), name)) {
            return i;
        }
    }
    return -1;
}

bool snug_text_is_header(const snug_text_options *options, const snug_text_columns *columns)
{
    const char *const wanted[] = {options->text_field, options->text_pair_field,
                                  options->label_field};
    for (int64_t i = 0; i < SNUG_COUNT(wanted); i++) {
        const bool number =
            is_given(wanted[i]) && wanted[i][strspn(wanted[i], "0123456789")] == '\0';
        if (is_given(wanted[i]) && !number && find_exact(columns, wanted[i]) >= 0) {
            return true;
        }
    }
    for (int64_t i = 0; i < columns->count; i++) {
        if (snug_text_is_usual_name(columns->names[i], (int64_t)strlen(columns->names[i]))) {
            return true;
        }
    }
    return false;
}

/* "'label', 'review'" for messages, long names and long lists cut. */
static const char *list_names(const snug_text_columns *columns, char out[512])
{
    enum { NAMES_MAX = 12 };
    snug_text text;
    snug_text_init(&text, out, 512);
    for (int64_t i = 0; i < columns->count && i < NAMES_MAX; i++) {
        char name[SNUG_BRIEF_BYTES];
        const int64_t bytes = (int64_t)strlen(columns->names[i]);
        snug_text_add(&text, "%s'%s'", i > 0 ? ", " : "",
                      snug_brief_text(columns->names[i], bytes, name));
    }
    if (columns->count > NAMES_MAX) {
        snug_text_add(&text, ", ... (%lld)", (long long)columns->count);
    }
    return out;
}

static snug_status missing(const snug_text_columns *columns, const char *name, snug_error *err)
{
    char names[512];
    const char *const what = snug_translated(columns->json ? "field" : "column");
    (void)list_names(columns, names);
    if (!columns->named) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "no column '%s': the file seems to have no header, its first row is %s; "
                         "name columns by number, from 0",
                         name, names);
    }
    const char *const nearest = snug_nearest_name(name, columns->names, columns->count);
    if (nearest == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no %s '%s'; there are %s", what, name, names);
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no %s '%s'; did you mean '%s'? There are %s", what,
                     name, nearest, names);
}

/* A column that was asked for, by name or number. */
static snug_status find_given(const snug_text_columns *columns, const char *name, int64_t *out,
                              snug_error *err)
{
    const int64_t found = columns->named ? find_exact(columns, name) : -1;
    if (found >= 0) {
        *out = found;
        return SNUG_OK;
    }
    if (columns->json || name[strspn(name, "0123456789")] != '\0') {
        return missing(columns, name, err);
    }
    const int64_t number = strtoll(name, NULL, 10);
    if (number >= columns->count) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "no column number %s: there are %lld, the first is number 0", name,
                         (long long)columns->count);
    }
    *out = number;
    return SNUG_OK;
}

static bool is_integer(const char *text)
{
    const char *digits = text[0] == '-' || text[0] == '+' ? text + 1 : text;
    return digits[0] != '\0' && digits[strspn(digits, "0123456789")] == '\0';
}

/* Texts by their usual names, alone or in pairs. */
static void guess_named_text(const snug_text_options *options, const snug_text_columns *columns,
                             snug_text_choice *choice)
{
    for (int64_t i = 0; i < SNUG_COUNT(pair_names) && choice->pair < 0; i++) {
        const int64_t first = find_usual(columns, pair_names[i].first);
        const int64_t second = find_usual(columns, pair_names[i].second);
        if (first >= 0 && second >= 0 && !is_given(options->text_field) &&
            !is_given(options->text_pair_field)) {
            choice->text = first;
            choice->pair = second;
        }
    }
    const bool context = find_exact(columns, "Context") >= 0;
    const bool around = find_exact(columns, "Subject") >= 0 || find_exact(columns, "Choices") >= 0;
    choice->joined = columns->json && choice->text < 0 && context && around;
    for (int64_t i = 0; i < SNUG_COUNT(text_names) && choice->text < 0 && !choice->joined; i++) {
        choice->text = find_usual(columns, text_names[i]);
    }
}

/* The only column that is none of two others, or -1. */
static int64_t find_rest(const snug_text_columns *columns, int64_t a, int64_t b)
{
    int64_t found = -1;
    for (int64_t i = 0; i < columns->count; i++) {
        if (i != a && i != b) {
            found = found == -1 ? i : -2;
        }
    }
    return found < 0 ? -1 : found;
}

static void guess(const snug_text_options *options, const snug_text_columns *columns,
                  snug_text_choice *choice)
{
    if (columns->named && choice->text < 0) {
        guess_named_text(options, columns, choice);
    }
    const bool open = columns->named && !is_given(options->label_field);
    for (int64_t i = 0; i < SNUG_COUNT(label_names) && open && choice->label < 0; i++) {
        const int64_t found = find_usual(columns, label_names[i]);
        choice->label = found == choice->text ? -1 : found;
    }
    if (columns->json) {
        return;
    }
    /* Without names, of two columns that are not chosen yet the one with an integer is the label.
     */
    if (!columns->named && columns->count == 2 && choice->text < 0 && choice->label < 0 &&
        is_integer(columns->names[0]) != is_integer(columns->names[1])) {
        choice->label = is_integer(columns->names[0]) ? 0 : 1;
    }
    if (choice->text < 0 && (choice->label >= 0 || columns->count == 1)) {
        choice->text = find_rest(columns, choice->label, choice->pair);
    }
    if (choice->label < 0 && choice->text >= 0 && columns->count == 2 &&
        !is_given(options->label_field)) {
        choice->label = find_rest(columns, choice->text, choice->pair);
    }
}

snug_status snug_text_choose(const snug_text_options *options, const snug_text_columns *columns,
                             snug_text_choice *out, snug_error *err)
{
    char names[512];
    snug_text_choice choice = {-1, -1, -1, false};
    if (is_given(options->text_field)) {
        SNUG_TRY(find_given(columns, options->text_field, &choice.text, err));
    }
    if (is_given(options->text_pair_field)) {
        SNUG_TRY(find_given(columns, options->text_pair_field, &choice.pair, err));
    }
    if (is_given(options->label_field)) {
        /* A file to predict need not have the column that the training had. */
        const snug_status status = find_given(columns, options->label_field, &choice.label,
                                              options->need_label ? err : NULL);
        if (options->need_label) {
            SNUG_TRY(status);
        }
    }
    guess(options, columns, &choice);
    const char *const what = snug_translated(columns->json ? "field" : "column");
    if (choice.text < 0 && !choice.joined) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "cannot tell which %s is the text: there are %s; say it with text_field",
                         what, list_names(columns, names));
    }
    if (choice.label < 0 && options->need_label) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "cannot tell which %s is the label: there are %s; say it with label_field",
                         what, list_names(columns, names));
    }
    if (choice.text == choice.label && choice.text >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s '%s' cannot be the text and the label", what,
                         columns->names[choice.text]);
    }
    *out = choice;
    return SNUG_OK;
}
