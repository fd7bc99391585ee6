/* Lines into samples: recognise, parse, count what was left out. */
#include "monitor/log_read.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/attr.h"
#include "base/json.h"
#include "base/text.h"
#include "monitor/log_pipe.h"
#include "sys/file.h"

enum {
    BLOCK_BYTES = 256 << 10,
    ORDER_TIME = SNUG_FIELD_COUNT + 1,
    /* So many lines of rubbish at the front are enough to say that it is no log. */
    GUESS_LINES = 16
};

static const int64_t EXACT_DIGITS = 15; /* Below 2^53: a double holds it exactly. */
static const double TIME_MAX = 1e12;
static const double BYTES_MAX = 9e18;

const char *snug_log_kind_name(snug_log_kind kind)
{
    static const char *const names[] = {"unknown",  "snug monitor", "snug train",
                                        "psrecord", "mprof",        "prmon"};
    return names[kind];
}

snug_sample snug_log_sample_none(double t)
{
    snug_sample made = {.t = t};
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        made.values[q] = NAN;
    }
    return made;
}

int64_t snug_log_number(const char *text, int64_t bytes, double *out)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t digits = 0;
    int64_t used = 0;
    int64_t count = 0;
    int64_t decimals = 0;
    const bool negative = bytes > 0 && text[0] == '-';
    used += negative;
    for (; used < bytes && text[used] >= '0' && text[used] <= '9' && count <= EXACT_DIGITS;
         used++) {
        digits = digits * 10 + (uint64_t)(text[used] - '0');
        count++;
    }
    if (count > 0 && used < bytes && text[used] == '.') {
        used++;
        for (; used < bytes && text[used] >= '0' && text[used] <= '9' && count <= EXACT_DIGITS;
             used++) {
            digits = digits * 10 + (uint64_t)(text[used] - '0');
            decimals++;
            count++;
        }
    }
    const char after = used < bytes ? text[used] : '\0';
    if (count > 0 && count <= EXACT_DIGITS && after != 'e' && after != 'E') {
        /* One rounding of exact numbers: the nearest double. */
        *out = (negative ? -1.0 : 1.0) * ((double)digits / tens[decimals]);
        return used;
    }
    /* Long, with an exponent, or none: the reader of JSON numbers decides. */
    used = 0;
    while (used < bytes && text[used] != '\0' && strchr("+-.0123456789eE", text[used]) != NULL) {
        used++;
    }
    const snug_json_event event = {.kind = SNUG_JSON_NUMBER, .text = text, .text_bytes = used};
    snug_json_reader reader;
    snug_json_event found;
    double value = 0;
    snug_json_reader_init(&reader, text, used);
    if (used == 0 || snug_failed(snug_json_next(&reader, &found, NULL)) ||
        found.kind != SNUG_JSON_NUMBER || found.text_bytes != used ||
        snug_failed(snug_json_to_f64(&event, &value, NULL))) {
        return 0;
    }
    *out = value;
    return used;
}

bool snug_log_take(snug_log_reader *reader, const snug_sample *sample)
{
    snug_log *log = reader->log;
    snug_sample moved = *sample;
    if (!(fabs(sample->t) <= TIME_MAX)) {
        log->back_samples++;
        return false;
    }
    /* A wall clock begins at zero, like ours. */
    if (isnan(reader->t_base)) {
        reader->t_base = log->kind == SNUG_LOG_MPROF || log->kind == SNUG_LOG_PRMON ? sample->t : 0;
    }
    moved.t -= reader->t_base;
    if (log->series.sample_count > 0 && moved.t < reader->t_last) {
        log->back_samples++;
        return false;
    }
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        if (!(moved.values[q] >= 0 && moved.values[q] <= BYTES_MAX)) {
            moved.values[q] = NAN;
        }
    }
    reader->t_last = moved.t;
    snug_series_add(&log->series, &moved);
    return true;
}

/* What a line of JSON may say, of all kinds of lines. NAN and empty: not said. */
typedef struct line_facts {
    char type[16], schema[32], name[SNUG_LEDGER_PLACE_BYTES], event[32];
    char text[SNUG_LOG_WORD_BYTES], program[SNUG_LOG_WORD_BYTES], machine[SNUG_LOG_WORD_BYTES];
    char started[SNUG_LOG_WORD_BYTES], command[SNUG_LOG_COMMAND_BYTES];
    double t, index, step, epoch, seconds, rss_bytes, peak_rss_bytes, count;
    double fields[SNUG_FIELD_COUNT];
    int64_t live[SNUG_CATEGORY_COUNT];
    bool has_live, has_step;
} line_facts;

#define WORD(member)                                                                               \
    {                                                                                              \
#member, offsetof(line_facts, member), sizeof(((line_facts *)0)->member)                   \
    }
static const struct {
    const char *key;
    size_t offset;
    size_t bytes;
} words[] = {WORD(type),    WORD(schema),  WORD(name),    WORD(event),  WORD(text),
             WORD(program), WORD(machine), WORD(started), WORD(command)};
#undef WORD

#define NUMBER(member)                                                                             \
    {                                                                                              \
#member, offsetof(line_facts, member)                                                      \
    }
static const struct {
    const char *key;
    size_t offset;
} numbers[] = {NUMBER(t),       NUMBER(index),     NUMBER(step),           NUMBER(epoch),
               NUMBER(seconds), NUMBER(rss_bytes), NUMBER(peak_rss_bytes), NUMBER(count)};
#undef NUMBER

static bool key_is(const snug_json_event *event, const char *name)
{
    return event->text_bytes == (int64_t)strlen(name) &&
           memcmp(event->text, name, (size_t)event->text_bytes) == 0;
}

/* A string of the log into `out`, cut where it is too long. */
static void take_word(const snug_json_event *value, char *out, size_t out_bytes)
{
    char whole[4096];
    snug_text text;
    if (snug_failed(snug_json_unescape(value, whole, sizeof whole, NULL))) {
        return;
    }
    snug_text_init(&text, out, (int64_t)out_bytes);
    snug_text_add(&text, "%s", whole);
}

static bool next(snug_json_reader *reader, snug_json_event *out)
{
    return !snug_failed(snug_json_next(reader, out, NULL));
}

/* The value behind a key as a number, when it is one; false when the line is no JSON. */
static bool take_number(snug_json_reader *reader, double *out)
{
    snug_json_reader ahead = *reader;
    snug_json_event event;
    if (!next(&ahead, &event)) {
        return false;
    }
    if (event.kind != SNUG_JSON_NUMBER) {
        return !snug_failed(snug_json_skip(reader, NULL));
    }
    *reader = ahead;
    return !snug_failed(snug_json_to_f64(&event, out, NULL));
}

/* The bytes of each category; other names are passed over. The object has begun. */
static bool take_live(snug_json_reader *reader, line_facts *out)
{
    snug_json_event key;
    for (;;) {
        double value = NAN;
        if (!next(reader, &key)) {
            return false;
        }
        if (key.kind != SNUG_JSON_KEY) {
            return true;
        }
        if (!take_number(reader, &value)) {
            return false;
        }
        for (int c = 0; c < SNUG_CATEGORY_COUNT && value >= 0 && value <= BYTES_MAX; c++) {
            if (key_is(&key, snug_category_name((snug_category)c))) {
                out->live[c] = (int64_t)value;
                out->has_live = true;
            }
        }
    }
}

/* The words of an array, one after the other with spaces between: a command. It has begun. */
static bool take_words(snug_json_reader *reader, char *out, size_t out_bytes)
{
    snug_json_event event;
    snug_text text;
    snug_text_init(&text, out, (int64_t)out_bytes);
    for (;;) {
        char word[SNUG_LOG_COMMAND_BYTES] = "";
        if (!next(reader, &event)) {
            return false;
        }
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return true;
        }
        if (event.kind != SNUG_JSON_STRING) {
            return false;
        }
        take_word(&event, word, sizeof word);
        snug_text_add(&text, "%s%s", text.length > 0 ? " " : "", word);
    }
}

/* What the machine is, by its processor. The object has begun. */
static bool take_machine(snug_json_reader *reader, line_facts *out)
{
    snug_json_event key;
    for (;;) {
        if (!next(reader, &key)) {
            return false;
        }
        if (key.kind != SNUG_JSON_KEY) {
            return true;
        }
        snug_json_reader ahead = *reader;
        snug_json_event value;
        if (key_is(&key, "cpu") && next(&ahead, &value) && value.kind == SNUG_JSON_STRING) {
            take_word(&value, out->machine, sizeof out->machine);
        }
        if (snug_failed(snug_json_skip(reader, NULL))) {
            return false;
        }
    }
}

/* The value behind a key that is a word of ours, or none of our keys at all. */
static bool take_other(snug_json_reader *reader, const snug_json_event *key, line_facts *out)
{
    snug_json_reader ahead = *reader;
    snug_json_event event;
    if (!next(&ahead, &event)) {
        return false;
    }
    if (event.kind == SNUG_JSON_OBJECT_BEGIN && key_is(key, "live")) {
        *reader = ahead;
        return take_live(reader, out);
    }
    if (event.kind == SNUG_JSON_OBJECT_BEGIN && key_is(key, "machine")) {
        *reader = ahead;
        return take_machine(reader, out);
    }
    if (event.kind == SNUG_JSON_ARRAY_BEGIN && key_is(key, "command")) {
        *reader = ahead;
        return take_words(reader, out->command, sizeof out->command);
    }
    for (int64_t i = 0; event.kind == SNUG_JSON_STRING && i < SNUG_COUNT(words); i++) {
        if (key_is(key, words[i].key)) {
            take_word(&event, (char *)out + words[i].offset, words[i].bytes);
        }
    }
    return !snug_failed(snug_json_skip(reader, NULL));
}

/* Any line of JSON, slowly and strictly. */
static bool read_facts(const char *line, int64_t bytes, line_facts *out)
{
    snug_json_reader reader;
    snug_json_event key;
    *out = (line_facts){.t = NAN,
                        .index = NAN,
                        .step = NAN,
                        .epoch = NAN,
                        .seconds = NAN,
                        .rss_bytes = NAN,
                        .peak_rss_bytes = NAN,
                        .count = NAN};
    for (int f = 0; f < SNUG_FIELD_COUNT; f++) {
        out->fields[f] = NAN;
    }
    snug_json_reader_init(&reader, line, bytes);
    if (!next(&reader, &key) || key.kind != SNUG_JSON_OBJECT_BEGIN) {
        return false;
    }
    for (;;) {
        double *number = NULL;
        if (!next(&reader, &key)) {
            return false;
        }
        if (key.kind == SNUG_JSON_OBJECT_END) {
            return next(&reader, &key) && key.kind == SNUG_JSON_END;
        }
        for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
            if (key_is(&key, numbers[i].key)) {
                number = (double *)(void *)((char *)out + numbers[i].offset);
            }
        }
        const snug_log_field field = snug_log_field_find(key.text, key.text_bytes);
        snug_json_reader ahead = reader;
        snug_json_event value;
        if (number == NULL && field < SNUG_FIELD_COUNT && next(&ahead, &value) &&
            value.kind == SNUG_JSON_NUMBER) {
            number = &out->fields[field];
        }
        if (!(number != NULL ? take_number(&reader, number) : take_other(&reader, &key, out))) {
            return false;
        }
    }
}

static void take_fields(snug_log_reader *reader, double t, const double fields[SNUG_FIELD_COUNT])
{
    snug_log *log = reader->log;
    snug_sample sample = snug_log_sample_none(t);
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        sample.values[q] = fields[snug_quantity_field((snug_quantity)q)];
    }
    if (!snug_log_take(reader, &sample)) {
        return;
    }
    if (fields[SNUG_FIELD_CGROUP_LIMIT] > 0 && fields[SNUG_FIELD_CGROUP_LIMIT] <= BYTES_MAX) {
        log->limit = fields[SNUG_FIELD_CGROUP_LIMIT];
    }
    log->peak_kernel = fmax(log->peak_kernel, fields[SNUG_FIELD_PEAK]);
    log->cgroup_peak = fmax(log->cgroup_peak, fields[SNUG_FIELD_CGROUP_PEAK]);
    log->late_ms = fmax(log->late_ms, fields[SNUG_FIELD_LATE_MS]);
}

static void take_note(snug_log *log, double t, const char *what, const char *words_of)
{
    if (log->note_count++ < SNUG_LOG_EVENTS_MAX) {
        snug_log_note *note = &log->notes[log->note_count - 1];
        snug_text text;
        note->t = t;
        snug_text_init(&text, note->what, sizeof note->what);
        snug_text_add(&text, "%s", what);
        snug_text_init(&text, note->text, sizeof note->text);
        snug_text_add(&text, "%s", words_of);
    }
}

/* A second header: another run was written behind the first. What came before is dropped. */
static void begin_run(snug_log_reader *reader, const line_facts *facts)
{
    snug_log *log = reader->log;
    if (log->runs++ > 0 && log->series.sample_count > 0) {
        memset(&log->series, 0, sizeof log->series);
        memset(&log->ledger, 0, sizeof log->ledger);
        log->limit = log->peak_kernel = log->cgroup_peak = log->late_ms = 0;
        log->oom_kills = 0;
        log->note_count = 0;
        log->epoch = -1;
        reader->t_last = -INFINITY;
    }
    memcpy(log->command, facts->command, sizeof log->command);
    memcpy(log->program, facts->program, sizeof log->program);
    memcpy(log->machine, facts->machine, sizeof log->machine);
    memcpy(log->started, facts->started, sizeof log->started);
}

static bool take_phase(snug_log_reader *reader, const line_facts *facts)
{
    snug_log *log = reader->log;
    if (isnan(facts->t)) {
        return false;
    }
    if (strcmp(facts->name, "epoch") == 0) {
        snug_series_mark(&log->series, facts->t);
    }
    if (facts->has_live) {
        (void)snug_ledger_watch_add(&log->ledger, facts->name, facts->t, facts->live, false);
    }
    return true;
}

/* A line of our monitor that is no plain sample. */
static bool take_ours(snug_log_reader *reader, const line_facts *facts)
{
    snug_log *log = reader->log;
    if (strcmp(facts->type, SNUG_LOG_TYPE_SAMPLE) == 0) {
        if (isnan(facts->t)) {
            return false;
        }
        take_fields(reader, facts->t, facts->fields);
        return true;
    }
    if (strcmp(facts->type, SNUG_LOG_TYPE_HEADER) == 0) {
        begin_run(reader, facts);
        return true;
    }
    if (strcmp(facts->type, SNUG_LOG_TYPE_PHASE) == 0) {
        return take_phase(reader, facts);
    }
    if (strcmp(facts->type, SNUG_LOG_TYPE_EVENT) == 0) {
        if (strcmp(facts->event, SNUG_LOG_EVENT_OOM_KILL) == 0) {
            log->oom_kills += facts->count >= 1 && facts->count < 1e6 ? (int64_t)facts->count : 1;
        }
        take_note(log, facts->t, facts->event, facts->text);
        return true;
    }
    /* Other types may be added one day. */
    return facts->type[0] != '\0';
}

/* A step of RUN/metrics.jsonl; evaluations and remarks have no memory in them. */
static bool take_metrics(snug_log_reader *reader, const line_facts *facts)
{
    snug_log *log = reader->log;
    if (isnan(facts->rss_bytes) || isnan(facts->seconds)) {
        return !isnan(facts->step) || facts->event[0] != '\0';
    }
    snug_sample sample = snug_log_sample_none(facts->seconds);
    sample.values[SNUG_QUANTITY_RSS] = facts->rss_bytes;
    if (!snug_log_take(reader, &sample)) {
        return true;
    }
    log->peak_kernel = fmax(log->peak_kernel, facts->peak_rss_bytes);
    if (facts->epoch >= 0 && facts->epoch < 1e15 && (int64_t)facts->epoch > log->epoch) {
        if (log->epoch >= 0) {
            snug_series_mark(&log->series, facts->seconds);
        }
        log->epoch = (int64_t)facts->epoch;
    }
    return true;
}

/* The key at this place of a sample: mostly the same as in the sample before. */
static int32_t field_at(snug_log_reader *reader, int64_t place, const char *key, int64_t bytes)
{
    if (place < SNUG_COUNT(reader->order) && reader->order[place].bytes == bytes &&
        memcmp(reader->order[place].key, key, (size_t)bytes) == 0) {
        return reader->order[place].field;
    }
    const int32_t field =
        bytes == 1 && key[0] == 't' ? ORDER_TIME : (int32_t)snug_log_field_find(key, bytes);
    if (place < SNUG_COUNT(reader->order) && bytes < (int64_t)sizeof reader->order[place].key) {
        memcpy(reader->order[place].key, key, (size_t)bytes);
        reader->order[place].bytes = (int32_t)bytes;
        reader->order[place].field = field;
    }
    return field;
}

/*
 * {"type":"sample","t":1.5,"rss":1048576,...} without spaces, as the writer makes it: nearly every
 * line of a long log. False for anything else, which the strict reader then decides on; the two
 * agree on what they both accept (tests/fuzz/monitor_log_fuzz.c).
 */
static bool take_sample_fast(snug_log_reader *reader, const char *line, int64_t bytes)
{
    static const char front[] = "{\"type\":\"sample\"";
    double fields[SNUG_FIELD_COUNT + 2];
    int64_t at = (int64_t)sizeof front - 1;
    if (bytes <= at || memcmp(line, front, sizeof front - 1) != 0) {
        return false;
    }
    for (int f = 0; f < SNUG_FIELD_COUNT + 2; f++) {
        fields[f] = NAN;
    }
    for (int64_t place = 0; line[at] == ','; place++) {
        at++;
        if (at >= bytes || line[at] != '"') {
            return false;
        }
        const int64_t key = ++at;
        while (at < bytes && ((line[at] >= 'a' && line[at] <= 'z') || line[at] == '_')) {
            at++;
        }
        const int64_t key_bytes = at - key;
        if (key_bytes == 0 || at + 2 >= bytes || line[at] != '"' || line[at + 1] != ':') {
            return false;
        }
        at += 2;
        /* JSON knows no number like 007 or "1.". */
        const int64_t first = at + (line[at] == '-');
        double value = 0;
        const int64_t used = snug_log_number(line + at, bytes - at, &value);
        if (used == 0 || at + used >= bytes || line[at + used - 1] == '.' ||
            (line[first] == '0' && line[first + 1] >= '0' && line[first + 1] <= '9')) {
            return false;
        }
        at += used;
        fields[field_at(reader, place, line + key, key_bytes)] = value;
    }
    if (line[at] != '}' || at + 1 != bytes || isnan(fields[ORDER_TIME])) {
        return false;
    }
    take_fields(reader, fields[ORDER_TIME], fields);
    return true;
}

/* Which kind of JSON lines these are. */
static bool begin_json(snug_log *log, const line_facts *facts)
{
    if (strcmp(facts->schema, SNUG_LOG_SCHEMA) == 0 ||
        strcmp(facts->type, SNUG_LOG_TYPE_HEADER) == 0 ||
        strcmp(facts->type, SNUG_LOG_TYPE_SAMPLE) == 0) {
        log->kind = SNUG_LOG_OURS;
    } else if (!isnan(facts->step) && !isnan(facts->rss_bytes)) {
        log->kind = SNUG_LOG_METRICS;
    }
    return log->kind != SNUG_LOG_UNKNOWN;
}

static bool take_json(snug_log_reader *reader, const char *line, int64_t bytes)
{
    line_facts facts;
    if (!read_facts(line, bytes, &facts)) {
        return false;
    }
    if (reader->log->kind == SNUG_LOG_UNKNOWN && !begin_json(reader->log, &facts)) {
        return false;
    }
    return reader->log->kind == SNUG_LOG_OURS ? take_ours(reader, &facts)
                                              : take_metrics(reader, &facts);
}

static bool is_json_kind(snug_log_kind kind)
{
    return kind == SNUG_LOG_OURS || kind == SNUG_LOG_METRICS;
}

static bool take_line(snug_log_reader *reader, const char *line, int64_t bytes)
{
    const snug_log_kind kind = reader->log->kind;
    if (kind == SNUG_LOG_OURS && take_sample_fast(reader, line, bytes)) {
        return true;
    }
    if (is_json_kind(kind) || (kind == SNUG_LOG_UNKNOWN && line[0] == '{')) {
        return take_json(reader, line, bytes);
    }
    if (kind == SNUG_LOG_UNKNOWN) {
        return snug_log_other_begin(reader, line, bytes);
    }
    return snug_log_other_line(reader, line, bytes);
}

static void read_line(snug_log_reader *reader, const char *line, int64_t bytes)
{
    snug_log *log = reader->log;
    log->lines++;
    if (bytes > 0 && line[bytes - 1] == '\r') {
        bytes--;
    }
    /* Much rubbish and nothing else: the rest is not worth a look. */
    if (bytes == 0 || (log->kind == SNUG_LOG_UNKNOWN && log->bad_lines >= GUESS_LINES)) {
        return;
    }
    if (!take_line(reader, line, bytes)) {
        log->bad_line = log->bad_lines++ == 0 ? log->lines : log->bad_line;
    }
}

void snug_log_reader_init(snug_log_reader *reader, snug_log *log)
{
    memset(log, 0, sizeof *log);
    memset(reader, 0, sizeof *reader);
    log->epoch = -1;
    reader->log = log;
    reader->t_last = -INFINITY;
    reader->t_base = NAN;
}

/* Keeps the beginning of a line; one that is too long is left out as a whole. */
static void carry(snug_log_reader *reader, const char *text, int64_t bytes)
{
    if (reader->carried_bytes + bytes > SNUG_LOG_LINE_BYTES_MAX) {
        reader->too_long = true;
        reader->carried_bytes = 0;
    }
    if (!reader->too_long) {
        memcpy(reader->carried + reader->carried_bytes, text, (size_t)bytes);
        reader->carried_bytes += bytes;
    }
}

void snug_log_reader_feed(snug_log_reader *reader, const char *text, int64_t bytes)
{
    int64_t at = 0;
    while (at < bytes) {
        const char *end = memchr(text + at, '\n', (size_t)(bytes - at));
        const int64_t length = end != NULL ? end - (text + at) : bytes - at;
        if (end != NULL && reader->carried_bytes == 0 && !reader->too_long &&
            length <= SNUG_LOG_LINE_BYTES_MAX) {
            read_line(reader, text + at, length);
        } else {
            carry(reader, text + at, length);
            if (end != NULL && reader->too_long) {
                snug_log *log = reader->log;
                log->lines++;
                log->bad_line = log->bad_lines++ == 0 ? log->lines : log->bad_line;
                reader->too_long = false;
            } else if (end != NULL) {
                const int64_t carried = reader->carried_bytes;
                reader->carried_bytes = 0;
                read_line(reader, reader->carried, carried);
            }
        }
        at += length + 1;
    }
}

/* A last line without its end: whole by chance, or cut, which is no fault of the log. */
static void finish_line(snug_log_reader *reader)
{
    snug_log *log = reader->log;
    const int64_t bad = log->bad_lines;
    if (reader->too_long) {
        log->cut = true;
    } else if (reader->carried_bytes > 0) {
        read_line(reader, reader->carried, reader->carried_bytes);
        log->cut = log->bad_lines > bad && log->kind != SNUG_LOG_UNKNOWN;
        log->bad_lines = log->cut ? bad : log->bad_lines;
    }
}

snug_status snug_log_reader_finish(snug_log_reader *reader, snug_error *err)
{
    snug_log *log = reader->log;
    finish_line(reader);
    snug_log_other_finish(reader);
    if (log->lines == 0 && log->kind == SNUG_LOG_UNKNOWN) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the file is empty");
    }
    if (log->kind == SNUG_LOG_UNKNOWN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "line %lld is of no memory log that is known here (snug monitor, "
                         "metrics.jsonl, psrecord, mprof, prmon)",
                         (long long)(log->bad_line > 0 ? log->bad_line : 1));
    }
    if (log->series.sample_count == 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "a log of %s without a sample that can be read",
                         snug_log_kind_name(log->kind));
    }
    if (log->bad_lines > log->series.sample_count) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "more lines are broken (%lld, the first is line %lld) than whole (%lld)",
                         (long long)log->bad_lines, (long long)log->bad_line,
                         (long long)log->series.sample_count);
    }
    return SNUG_OK;
}

/** How the working memory of snug_log_read() is divided. */
typedef struct read_room {
    snug_log_reader reader;
    char block[BLOCK_BYTES];
    snug_log_pipe pipe;
} read_room;

int64_t snug_log_read_bytes(void)
{
    return (int64_t)sizeof(read_room);
}

static snug_status read_packed(read_room *room, snug_log *log, snug_error *err)
{
    const char *block = NULL;
    int64_t bytes = 0;
    bool whole = false;
    for (;;) {
        const snug_status status = snug_log_pipe_next(&room->pipe, &block, &bytes, &whole, err);
        if (status == SNUG_CODE_FORMAT && log->series.sample_count > 0) {
            /* What came before the damage is good. */
            log->packed_cut = true;
            if (err != NULL) {
                *err = (snug_error){0};
            }
            return SNUG_OK;
        }
        SNUG_TRY(status);
        if (bytes == 0) {
            log->packed_cut = !whole;
            return SNUG_OK;
        }
        snug_log_reader_feed(&room->reader, block, bytes);
    }
}

static snug_status read_plain(const snug_file *file, read_room *room, snug_error *err)
{
    int64_t offset = 0;
    for (;;) {
        int64_t got = 0;
        SNUG_TRY(snug_file_read_some(file, offset, room->block, BLOCK_BYTES, &got, err));
        if (got == 0) {
            return SNUG_OK;
        }
        snug_log_reader_feed(&room->reader, room->block, got);
        offset += got;
    }
}

static snug_status read_file(const snug_file *file, read_room *room, snug_log *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    int64_t got = 0;
    unsigned char front[4] = {0};
    SNUG_TRY(snug_file_read_some(file, 0, front, sizeof front, &got, err));
    const snug_log_packing packing = snug_log_packing_of(front, got);
    snug_log_reader_init(&room->reader, out);
    if (packing == SNUG_LOG_PLAIN) {
        SNUG_TRY(read_plain(file, room, err));
    } else {
        SNUG_TRY(snug_log_pipe_open(&room->pipe, packing, file, err));
        status = read_packed(room, out, err);
        snug_log_pipe_close(&room->pipe);
        SNUG_TRY(status);
    }
    SNUG_TRY(snug_log_reader_finish(&room->reader, err));
    return SNUG_OK;
}

snug_status snug_log_read(const char *path, void *memory, snug_log *out, snug_error *err)
{
    snug_file file = {0};
    if (snug_path_look(path) == SNUG_PATH_NONE) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "there is no file '%s'", path);
    }
    SNUG_TRY(snug_file_open(path, &file, err));
    const snug_status status = read_file(&file, memory, out, err);
    snug_file_close(&file);
    return snug_failed(status) ? snug_error_prefix(err, "%s", path) : SNUG_OK;
}
