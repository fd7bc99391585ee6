/* Our names of tensors against a file's: prefixes, old spellings, what is missing, what is left. */
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/hf/tensor_set.h"

enum { CANDIDATES_MAX = 16, LISTED_MAX = 4 };

/* Of the file and not of a classifier: heads of pre-training, and numbers that are no weights. */
static const char *const KNOWN_PARTS[] = {"cls.", "lm_head.", "generator_lm_head.", "qa_outputs."};
static const char *const KNOWN_ENDS[] = {"position_ids", "token_type_ids"};

typedef char full_name[SNUG_SAFETENSORS_NAME_BYTES + SNUG_TENSOR_PREFIX_BYTES];

/** Our name without our prefix. */
static const char *bare_name(const snug_tensor_match_options *options, const char *name)
{
    const bool has = options->prefix != NULL && snug_begins_with(name, options->prefix);
    return has ? name + strlen(options->prefix) : name;
}

static bool is_new_part(const snug_tensor_match_options *options, const char *whole)
{
    const char *name = bare_name(options, whole);
    if (options->new_parts == NULL) {
        return false;
    }
    for (const char *const *part = options->new_parts; *part != NULL; part++) {
        if (snug_begins_with(name, *part)) {
            return true;
        }
    }
    return false;
}

/** The old spelling of a norm's tensor, or false when it has none. */
static bool old_spelling(const char *name, full_name out)
{
    static const char *const pairs[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                           {"LayerNorm.bias", "LayerNorm.beta"}};
    for (int64_t i = 0; i < SNUG_COUNT(pairs); i++) {
        if (snug_ends_with(name, pairs[i][0])) {
            snug_text text;
            snug_text_init(&text, out, sizeof(full_name));
            snug_text_add(&text, "%.*s%s", (int)(strlen(name) - strlen(pairs[i][0])), name,
                          pairs[i][1]);
            return !text.truncated;
        }
    }
    return false;
}

/** `name` behind the first `prefix_bytes` of `prefix`, in either spelling; -1 when not there. */
static int64_t find_behind(const snug_tensor_set *set, const char *prefix, int64_t prefix_bytes,
                           const char *name)
{
    full_name whole, old;
    snug_text text;
    snug_text_init(&text, whole, sizeof whole);
    snug_text_add(&text, "%.*s%s", (int)prefix_bytes, prefix, name);
    if (text.truncated) {
        return -1;
    }
    int64_t found = snug_tensor_set_find(set, whole);
    if (found < 0 && old_spelling(whole, old)) {
        found = snug_tensor_set_find(set, old);
    }
    return found;
}

/** Under the whole prefix, else before its last part, and so on: "model.bert.", "model.", "". */
static int64_t find_ours(const snug_tensor_set *set, const char *prefix, const char *name)
{
    int64_t bytes = (int64_t)strlen(prefix);
    for (;;) {
        const int64_t found = find_behind(set, prefix, bytes, name);
        if (found >= 0 || bytes == 0) {
            return found;
        }
        do {
            bytes--;
        } while (bytes > 0 && prefix[bytes - 1] != '.');
    }
}

typedef struct prefix_list {
    char names[CANDIDATES_MAX][SNUG_TENSOR_PREFIX_BYTES];
    int64_t count;
} prefix_list;

/** Adds what stands before `name` at the end of `whole`, when it is a prefix and a new one. */
static void add_candidate(prefix_list *list, const char *whole, const char *name)
{
    const size_t bytes = strlen(whole) - strlen(name);
    if (!snug_ends_with(whole, name) || bytes >= SNUG_TENSOR_PREFIX_BYTES ||
        (bytes > 0 && whole[bytes - 1] != '.') || list->count == CANDIDATES_MAX) {
        return;
    }
    for (int64_t i = 0; i < list->count; i++) {
        if (strlen(list->names[i]) == bytes && memcmp(list->names[i], whole, bytes) == 0) {
            return;
        }
    }
    memcpy(list->names[list->count], whole, bytes);
    list->names[list->count][bytes] = '\0';
    list->count++;
}

/**
 * The prefix under which most of our tensors stand, the shortest of equals. Candidates are what
 * stands before the first of ours that is in the file at all.
 */
static void find_prefix(const snug_tensor_set *set, const snug_safetensors_item *items,
                        int64_t count, const snug_tensor_match_options *options,
                        char out[SNUG_TENSOR_PREFIX_BYTES])
{
    prefix_list list = {0};
    int64_t best = 0;
    out[0] = '\0';
    for (int64_t i = 0; i < count && list.count == 0; i++) {
        full_name old;
        const char *name = bare_name(options, items[i].name);
        const bool has_old = old_spelling(name, old);
        for (int64_t e = 0; e < set->entry_count && !is_new_part(options, items[i].name); e++) {
            add_candidate(&list, set->entries[e].tensor->name, name);
            if (has_old) {
                add_candidate(&list, set->entries[e].tensor->name, old);
            }
        }
    }
    for (int64_t c = 0; c < list.count; c++) {
        const char *prefix = list.names[c];
        const int64_t bytes = (int64_t)strlen(prefix);
        int64_t found = 0;
        for (int64_t i = 0; i < count; i++) {
            const char *name = bare_name(options, items[i].name);
            found += find_behind(set, prefix, bytes, name) >= 0 ? 1 : 0;
        }
        if (found > best || (found == best && strlen(prefix) < strlen(out))) {
            best = found;
            memcpy(out, prefix, SNUG_TENSOR_PREFIX_BYTES);
        }
    }
}

/** Adds a name to a list for people: the first few, then dots. */
static void list_name(snug_text *text, int64_t number, const char *name)
{
    if (number < LISTED_MAX) {
        snug_text_add(text, "%s%s", number > 0 ? ", " : "", name);
    } else if (number == LISTED_MAX) {
        snug_text_add(text, ", ...");
    }
}

static snug_status check_missing(const snug_safetensors_item *items, int64_t count,
                                 const snug_tensor_match_options *options, const int64_t *entries,
                                 const char *prefix, snug_error *err)
{
    char names[LISTED_MAX * SNUG_SAFETENSORS_NAME_BYTES];
    snug_text text;
    int64_t missing = 0;
    snug_text_init(&text, names, sizeof names);
    for (int64_t i = 0; i < count; i++) {
        if (entries[i] < 0 && !is_new_part(options, items[i].name)) {
            list_name(&text, missing++, items[i].name);
        }
    }
    if (missing > 0) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "the weights lack %lld of the %lld tensors that the model needs "
                         "(prefix '%s'): %.700s",
                         (long long)missing, (long long)count, prefix, names);
    }
    return SNUG_OK;
}

/** Shape and type of a tensor that was found; `entry` becomes -1 when a new part differs. */
static snug_status check_found(const snug_tensor_set *set, const snug_safetensors_item *item,
                               const snug_tensor_match_options *options, int64_t *entry,
                               snug_error *err)
{
    const snug_safetensors_entry *tensor = set->entries[*entry].tensor;
    const snug_shape wanted = snug_tensor_layout_shape(&item->layout);
    char has[96], wants[96];
    if (!snug_shape_equal(&tensor->shape, &wanted)) {
        if (options->new_when_shape_differs && is_new_part(options, item->name)) {
            *entry = -1;
            return SNUG_OK;
        }
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "tensor '%s' has shape %s in the file, the model's '%s' is %s",
                         tensor->name, snug_shape_text(&tensor->shape, has), item->name,
                         snug_shape_text(&wanted, wants));
    }
    if (!snug_file_dtype_is_float(tensor->dtype)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "tensor '%s' holds %s; a weight is F32, F64, F16 or BF16", tensor->name,
                         snug_file_dtype_name(tensor->dtype));
    }
    return SNUG_OK;
}

/** Whether a tensor that nobody asked for is one of those that every such file may have. */
static bool is_known(const char *name, const char *prefix)
{
    for (int64_t i = 0; i < SNUG_COUNT(KNOWN_ENDS); i++) {
        if (snug_ends_with(name, KNOWN_ENDS[i])) {
            return true;
        }
    }
    /* A head stands beside the encoder, under the part of the prefix that both share. */
    for (int64_t bytes = (int64_t)strlen(prefix); bytes >= 0; bytes--) {
        const bool part = bytes == 0 || prefix[bytes - 1] == '.';
        for (int64_t i = 0; part && i < SNUG_COUNT(KNOWN_PARTS); i++) {
            if (strncmp(name, prefix, (size_t)bytes) == 0 &&
                snug_begins_with(name + bytes, KNOWN_PARTS[i])) {
                return true;
            }
        }
    }
    return false;
}

static void write_report(const snug_tensor_set *set, const snug_safetensors_item *items,
                         int64_t count, const int64_t *entries, const unsigned char *used,
                         const snug_tensor_match *match, snug_text *report)
{
    int64_t listed = 0;
    snug_text_say(report, "%lld of %lld tensors found", (long long)match->found, (long long)count);
    if (match->prefix[0] != '\0') {
        snug_text_say(report, " under '%s'", match->prefix);
    }
    if (match->fresh > 0) {
        snug_text_say(report, "; newly initialised: ");
        for (int64_t i = 0; i < count; i++) {
            if (entries[i] < 0) {
                list_name(report, listed++, items[i].name);
            }
        }
    }
    listed = 0;
    if (match->unused > 0) {
        snug_text_say(report, "; not used: %lld (", (long long)match->unused);
        for (int64_t e = 0; e < set->entry_count; e++) {
            const char *name = set->entries[set->by_name[e]].tensor->name;
            if (used[set->by_name[e]] == 0 && !is_known(name, match->prefix)) {
                list_name(report, listed++, name);
            }
        }
        snug_text_add(report, ")");
    }
}

snug_status snug_tensor_set_match(const snug_tensor_set *set, const snug_safetensors_item *items,
                                  int64_t count, const snug_tensor_match_options *options,
                                  snug_arena *arena, int64_t *out_entries, snug_tensor_match *out,
                                  snug_text *report, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    const int64_t room = snug_max_i64(set->entry_count, 1);
    snug_tensor_match match = {0};
    void *marks = NULL, *numbers = NULL;
    SNUG_TRY_DONE(snug_arena_array(arena, room, 1, &marks, err));
    SNUG_TRY_DONE(snug_arena_array(arena, snug_max_i64(count, 1), sizeof(int64_t), &numbers, err));
    unsigned char *used = marks;
    int64_t *entries = numbers;

    find_prefix(set, items, count, options, match.prefix);
    for (int64_t i = 0; i < count; i++) {
        entries[i] = find_ours(set, match.prefix, bare_name(options, items[i].name));
        if (entries[i] >= 0) {
            used[entries[i]] = 1; /* Even when its shape differs: it was considered. */
            SNUG_TRY_DONE(check_found(set, &items[i], options, &entries[i], err));
        }
        match.found += entries[i] >= 0 ? 1 : 0;
        match.fresh += entries[i] < 0 ? 1 : 0;
    }
    SNUG_TRY_DONE(check_missing(items, count, options, entries, match.prefix, err));
    for (int64_t e = 0; e < set->entry_count; e++) {
        if (used[e] == 0) {
            const bool known = is_known(set->entries[e].tensor->name, match.prefix);
            match.ignored += known ? 1 : 0;
            match.unused += known ? 0 : 1;
        }
    }
    if (report != NULL) {
        write_report(set, items, count, entries, used, &match, report);
    }
    memcpy(out_entries, entries, (size_t)count * sizeof(int64_t));
    *out = match;

done:
    snug_arena_rewind(arena, start);
    return status;
}
