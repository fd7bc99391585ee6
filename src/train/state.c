/* The state file: a flat JSON object, one field table for writing and reading. */
#include "train/state.h"

#include <stddef.h>
#include <string.h>

#include "base/attr.h"
#include "base/json.h"
#include "base/text.h"
#include "sys/file.h"

typedef enum field_kind { FIELD_I64, FIELD_U64, FIELD_F64 } field_kind;

typedef struct field {
    const char *name;
    size_t offset;
    field_kind kind;
} field;

static const field FIELDS[] = {
    {"step", offsetof(snug_train_state, step), FIELD_I64},
    {"epoch", offsetof(snug_train_state, epoch), FIELD_I64},
    {"position", offsetof(snug_train_state, position), FIELD_I64},
    {"samples", offsetof(snug_train_state, samples), FIELD_I64},
    {"allocations", offsetof(snug_train_state, allocations), FIELD_I64},
    {"best_step", offsetof(snug_train_state, best_step), FIELD_I64},
    {"best_value", offsetof(snug_train_state, best_value), FIELD_F64},
    {"loss", offsetof(snug_train_state, loss), FIELD_F64},
    {"bad_evaluations", offsetof(snug_train_state, bad_evaluations), FIELD_I64},
    {"rounds", offsetof(snug_train_state, rounds), FIELD_I64},
    {"bad_rounds", offsetof(snug_train_state, bad_rounds), FIELD_I64},
    {"finished", offsetof(snug_train_state, finished), FIELD_I64},
    {"round_best", offsetof(snug_train_state, round_best), FIELD_F64},
    {"journal_bytes", offsetof(snug_train_state, journal_bytes), FIELD_I64},
    {"seconds", offsetof(snug_train_state, seconds), FIELD_F64},
    {"seed", offsetof(snug_train_state, seed), FIELD_U64},
    {"result_hash", offsetof(snug_train_state, result_hash), FIELD_U64},
    {"data_hash", offsetof(snug_train_state, data_hash), FIELD_U64},
};

static const char SCHEMA[] = "snug.state/1";

/** 64-bit words go as hexadecimal text: JSON numbers are doubles for most readers. */
static void hex_from_u64(uint64_t value, char out[17])
{
    for (int i = 15; i >= 0; i--, value >>= 4) {
        out[i] = "0123456789abcdef"[value & 15];
    }
    out[16] = '\0';
}

static bool u64_from_hex(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL) {
            return false;
        }
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *out = value;
    return text[16] == '\0';
}

enum { HASH_TEXT_BYTES = 2 * (int)sizeof(snug_sha256) + 1 };

static void hash_to_text(const snug_sha256 *hash, char out[HASH_TEXT_BYTES])
{
    const unsigned char *bytes = (const unsigned char *)hash;
    for (size_t i = 0; i < sizeof *hash; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[HASH_TEXT_BYTES - 1] = '\0';
}

static bool hash_from_text(const char *text, snug_sha256 *out)
{
    snug_sha256 hash;
    unsigned char *bytes = (unsigned char *)&hash;
    const char *digits = "0123456789abcdef";
    if (strlen(text) != HASH_TEXT_BYTES - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof hash; i++) {
        const char *high = strchr(digits, text[2 * i]);
        const char *low = strchr(digits, text[2 * i + 1]);
        if (high == NULL || low == NULL) {
            return false;
        }
        bytes[i] = (unsigned char)((high - digits) << 4 | (low - digits));
    }
    if (hash.block_bytes < 0 || hash.block_bytes >= (int32_t)sizeof hash.block) {
        return false;
    }
    *out = hash;
    return true;
}

snug_status snug_state_write(const char *path, const snug_train_state *state, snug_error *err)
{
    char data[SNUG_STATE_TEXT_BYTES], hash[HASH_TEXT_BYTES];
    snug_text text;
    snug_json_writer json;
    snug_text_init(&text, data, sizeof data);
    snug_json_writer_init(&json, &text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", SCHEMA);
    for (int64_t i = 0; i < SNUG_COUNT(FIELDS); i++) {
        const char *place = (const char *)state + FIELDS[i].offset;
        snug_json_key(&json, FIELDS[i].name);
        if (FIELDS[i].kind == FIELD_I64) {
            snug_json_i64(&json, *(const int64_t *)(const void *)place);
        } else if (FIELDS[i].kind == FIELD_F64) {
            snug_json_f64(&json, *(const double *)(const void *)place);
        } else {
            char hex[17];
            hex_from_u64(*(const uint64_t *)(const void *)place, hex);
            snug_json_string(&json, hex);
        }
    }
    hash_to_text(&state->loss_hash, hash);
    snug_json_put_string(&json, "loss_hash", hash);
    snug_json_object_end(&json);
    snug_text_add(&text, "\n");
    return snug_file_write_all(path, text.data, text.length, err);
}

/** Reads the value of one known field; `seen` gets its bit. */
static snug_status read_field(snug_json_reader *reader, const field *target,
                              snug_train_state *state, snug_error *err)
{
    snug_json_event event;
    char *place = (char *)state + target->offset;
    char hex[17] = "";
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (target->kind == FIELD_I64) {
        return snug_json_to_i64(&event, (int64_t *)(void *)place, err);
    }
    if (target->kind == FIELD_F64) {
        return snug_json_to_f64(&event, (double *)(void *)place, err);
    }
    SNUG_TRY(snug_json_unescape(&event, hex, sizeof hex, err));
    if (!u64_from_hex(hex, (uint64_t *)(void *)place)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'%s' is not 16 hexadecimal digits", target->name);
    }
    return SNUG_OK;
}

static snug_status read_text(snug_json_reader *reader, char *out, int64_t out_bytes,
                             snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind != SNUG_JSON_STRING) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "byte %lld: expected text",
                         (long long)event.offset);
    }
    return snug_json_unescape(&event, out, out_bytes, err);
}

static snug_status read_member(snug_json_reader *reader, const char *key, snug_train_state *state,
                               uint32_t *seen, snug_error *err)
{
    char text[HASH_TEXT_BYTES + 1];
    for (int64_t i = 0; i < SNUG_COUNT(FIELDS); i++) {
        if (strcmp(key, FIELDS[i].name) == 0) {
            *seen |= UINT32_C(1) << i;
            return read_field(reader, &FIELDS[i], state, err);
        }
    }
    if (strcmp(key, "schema") == 0) {
        SNUG_TRY(read_text(reader, text, sizeof text, err));
        return strcmp(text, SCHEMA) == 0
                   ? SNUG_OK
                   : SNUG_FAIL(err, SNUG_CODE_FORMAT, "schema '%s' is not %s", text, SCHEMA);
    }
    if (strcmp(key, "loss_hash") == 0) {
        SNUG_TRY(read_text(reader, text, sizeof text, err));
        *seen |= UINT32_C(1) << SNUG_COUNT(FIELDS);
        return hash_from_text(text, &state->loss_hash)
                   ? SNUG_OK
                   : SNUG_FAIL(err, SNUG_CODE_FORMAT, "'loss_hash' is damaged");
    }
    return snug_json_skip(reader, err);
}

static snug_status parse(const char *data, int64_t bytes, snug_train_state *out, snug_error *err)
{
    snug_train_state state = {0};
    snug_json_reader reader;
    snug_json_event event;
    uint32_t seen = 0;
    snug_json_reader_init(&reader, data, bytes);
    SNUG_TRY(snug_json_next(&reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a state file is a JSON object");
    }
    for (;;) {
        char key[64];
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        SNUG_TRY(snug_json_unescape(&event, key, sizeof key, err));
        SNUG_TRY(read_member(&reader, key, &state, &seen, err));
    }
    if (seen != (UINT32_C(2) << SNUG_COUNT(FIELDS)) - 1) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a field is missing: the file is not whole");
    }
    *out = state;
    return SNUG_OK;
}

snug_status snug_state_read(const char *path, snug_train_state *out, snug_error *err)
{
    char data[SNUG_STATE_TEXT_BYTES];
    int64_t bytes = 0;
    SNUG_TRY(snug_file_read_into(path, data, sizeof data, &bytes, err));
    const snug_status status = parse(data, bytes, out, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", path);
    }
    return status;
}
