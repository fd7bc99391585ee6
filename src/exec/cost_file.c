#include "exec/cost_file.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/hash.h"
#include "base/json.h"
#include "sys/file.h"

enum { HEADER_BYTES = 1024, POINT_BYTES = 96, SECONDS_MAX = 100000 };

static const char schema[] = "snug.costs/3";

static uint64_t hash_machine(const snug_cost_machine *machine)
{
    uint64_t hash = snug_hash64(machine->cpu, (int64_t)strlen(machine->cpu), 1);
    hash = snug_hash64(machine->isa, (int64_t)strlen(machine->isa), hash);
    hash = snug_hash64(machine->version, (int64_t)strlen(machine->version), hash);
    return snug_hash64_mix(hash, (uint64_t)machine->threads);
}

bool snug_cost_file_path(const snug_cost_machine *machine, char out[SNUG_PATH_BYTES])
{
    char name[64];
    snug_text text;
    snug_text_init(&text, name, sizeof name);
    snug_text_add(&text, "costs-%016llx.json", (unsigned long long)hash_machine(machine));
    return snug_cache_path(name, out);
}

/* A sum over what the points say, so that a damaged digit shows. */
static uint64_t hash_points(const snug_cost_point *points, int64_t count)
{
    uint64_t hash = (uint64_t)count;
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        memcpy(&bits, &points[i].seconds, sizeof bits);
        hash = snug_hash64_mix(hash, points[i].kind);
        hash = snug_hash64_mix(hash, (uint64_t)points[i].samples);
        hash = snug_hash64_mix(hash, bits);
    }
    return hash;
}

/* 64 bits are more than a JSON number promises to keep. */
static void write_hash(snug_json_writer *json, uint64_t hash)
{
    char digits[17];
    snug_text text;
    snug_text_init(&text, digits, sizeof digits);
    snug_text_add(&text, "%016llx", (unsigned long long)hash);
    snug_json_string(json, digits);
}

snug_status snug_cost_file_write(const char *path, const snug_cost_machine *machine,
                                 const snug_cost_table *table, snug_arena *scratch, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    const int64_t bytes = HEADER_BYTES + POINT_BYTES * table->count;
    char folder[SNUG_PATH_BYTES];
    void *memory = NULL;
    snug_text text;
    snug_json_writer json;
    SNUG_TRY_DONE(snug_arena_alloc(scratch, bytes, &memory, err));
    snug_text_init(&text, memory, bytes);
    snug_json_writer_init(&json, &text, false);
    snug_json_object_begin(&json);
    snug_json_key(&json, "schema");
    snug_json_string(&json, schema);
    snug_json_key(&json, "cpu");
    snug_json_string(&json, machine->cpu);
    snug_json_key(&json, "isa");
    snug_json_string(&json, machine->isa);
    snug_json_key(&json, "version");
    snug_json_string(&json, machine->version);
    snug_json_key(&json, "threads");
    snug_json_i64(&json, machine->threads);
    snug_json_key(&json, "sum");
    write_hash(&json, hash_points(table->points, table->count));
    snug_json_key(&json, "points");
    snug_json_array_begin(&json);
    for (int64_t i = 0; i < table->count; i++) {
        snug_json_array_begin(&json);
        write_hash(&json, table->points[i].kind);
        snug_json_i64(&json, table->points[i].samples);
        snug_json_f64(&json, table->points[i].seconds);
        snug_json_array_end(&json);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    const int64_t folder_bytes = snug_path_name(path) - path - 1;
    if (text.truncated || folder_bytes < 1 || folder_bytes >= SNUG_PATH_BYTES) {
        status = SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' cannot be written", path);
        goto done;
    }
    memcpy(folder, path, (size_t)folder_bytes);
    folder[folder_bytes] = '\0';
    SNUG_TRY_DONE(snug_folder_make(folder, err));
    SNUG_TRY_DONE(snug_file_write_all(path, text.data, text.length, err));

done:
    snug_arena_rewind(scratch, start);
    return status;
}

static bool next(snug_json_reader *reader, snug_json_kind kind, snug_json_event *out)
{
    return snug_json_next(reader, out, NULL) == SNUG_OK && out->kind == kind;
}

/* The file is our own, so keys come in the order in which they are written. */
static bool next_key(snug_json_reader *reader, const char *key)
{
    snug_json_event event;
    return next(reader, SNUG_JSON_KEY, &event) && event.text_bytes == (int64_t)strlen(key) &&
           memcmp(event.text, key, (size_t)event.text_bytes) == 0;
}

static bool next_text(snug_json_reader *reader, const char *key, const char *expected)
{
    snug_json_event event;
    char text[256];
    return next_key(reader, key) && next(reader, SNUG_JSON_STRING, &event) &&
           snug_json_unescape(&event, text, sizeof text, NULL) == SNUG_OK &&
           strcmp(text, expected) == 0;
}

static bool next_hash(snug_json_reader *reader, uint64_t *out)
{
    snug_json_event event;
    uint64_t value = 0;
    if (!next(reader, SNUG_JSON_STRING, &event) || event.text_bytes != 16) {
        return false;
    }
    for (int64_t i = 0; i < event.text_bytes; i++) {
        const char c = event.text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        value = value * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return true;
}

static bool read_header(snug_json_reader *reader, const snug_cost_machine *machine, uint64_t *sum)
{
    snug_json_event event;
    int64_t threads = 0;
    return next(reader, SNUG_JSON_OBJECT_BEGIN, &event) && next_text(reader, "schema", schema) &&
           next_text(reader, "cpu", machine->cpu) && next_text(reader, "isa", machine->isa) &&
           next_text(reader, "version", machine->version) && next_key(reader, "threads") &&
           next(reader, SNUG_JSON_NUMBER, &event) &&
           snug_json_to_i64(&event, &threads, NULL) == SNUG_OK && threads == machine->threads &&
           next_key(reader, "sum") && next_hash(reader, sum) && next_key(reader, "points") &&
           next(reader, SNUG_JSON_ARRAY_BEGIN, &event);
}

/* The points up to the end of their array; they must be sorted. */
static bool read_points(snug_json_reader *reader, snug_cost_table *table)
{
    snug_json_event event;
    for (;;) {
        snug_cost_point point = {0};
        if (snug_json_next(reader, &event, NULL) != SNUG_OK) {
            return false;
        }
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return true;
        }
        if (event.kind != SNUG_JSON_ARRAY_BEGIN || !next_hash(reader, &point.kind) ||
            !next(reader, SNUG_JSON_NUMBER, &event) ||
            snug_json_to_i64(&event, &point.samples, NULL) != SNUG_OK || point.samples < 1 ||
            !next(reader, SNUG_JSON_NUMBER, &event) ||
            snug_json_to_f64(&event, &point.seconds, NULL) != SNUG_OK || !isfinite(point.seconds) ||
            point.seconds <= 0.0 || point.seconds > SECONDS_MAX ||
            !next(reader, SNUG_JSON_ARRAY_END, &event)) {
            return false;
        }
        if (!snug_cost_add(table, &point)) {
            return false;
        }
    }
}

bool snug_cost_file_read(const char *path, const snug_cost_machine *machine, snug_arena *scratch,
                         snug_cost_table *table)
{
    const snug_mark start = snug_arena_mark(scratch);
    const char *data = NULL;
    int64_t bytes = 0;
    uint64_t sum = 0;
    snug_json_reader reader;
    snug_json_event event;
    bool good = snug_file_read_all(path, HEADER_BYTES + POINT_BYTES * SNUG_COST_POINTS_MAX, scratch,
                                   &data, &bytes, NULL) == SNUG_OK;
    if (good) {
        snug_json_reader_init(&reader, data, bytes);
        good = read_header(&reader, machine, &sum) && read_points(&reader, table) &&
               next(&reader, SNUG_JSON_OBJECT_END, &event) &&
               next(&reader, SNUG_JSON_END, &event) &&
               sum == hash_points(table->points, table->count);
    }
    if (!good) {
        table->count = 0;
    }
    snug_arena_rewind(scratch, start);
    return good;
}
