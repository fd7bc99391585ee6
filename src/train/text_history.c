/* RUN/training_history.json: a list for each curve, one entry an evaluation, out of the journal. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "data/byte_stream.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/journal.h"
#include "train/text_session.h"

enum { COLUMNS = 5, EVALUATIONS_MAX = 4096, OUT_BYTES = 1 << 20, LINE_BYTES_MIN = 64 << 10 };

static const char *const columns[COLUMNS] = {"step", "train_loss", "val_loss", "val_accuracy",
                                             "val_macro_f1"};

/** What is collected on the way through the journal. */
typedef struct history {
    double *values[COLUMNS]; /* [EVALUATIONS_MAX] each. */
    int64_t count;
    double loss_sum; /* Of the steps since the last evaluation. */
    int64_t loss_count;
} history;

/** What one line says; NaN where it says nothing. */
typedef struct line_values {
    double step, loss, accuracy, macro_f1;
    bool evaluation;
} line_values;

static bool key_is(const snug_json_event *event, const char *key)
{
    return event->kind == SNUG_JSON_KEY && event->text_bytes == (int64_t)strlen(key) &&
           memcmp(event->text, key, strlen(key)) == 0;
}

static snug_status read_line(const char *text, int64_t bytes, line_values *out, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    *out = (line_values){NAN, NAN, NAN, NAN, false};
    snug_json_reader_init(&reader, text, bytes);
    for (;;) {
        const struct {
            const char *key;
            double *value;
        } wanted[] = {{"step", &out->step},
                      {"loss", &out->loss},
                      {"accuracy", &out->accuracy},
                      {"macro_f1", &out->macro_f1}};
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_END) {
            return SNUG_OK;
        }
        if (event.kind != SNUG_JSON_KEY) {
            continue;
        }
        if (key_is(&event, "evaluation")) {
            out->evaluation = true; /* Its figures stand one level deeper: the loop goes in. */
            continue;
        }
        int64_t found = -1;
        for (int64_t i = 0; i < SNUG_COUNT(wanted); i++) {
            found = key_is(&event, wanted[i].key) ? i : found;
        }
        if (found < 0) {
            SNUG_TRY(snug_json_skip(&reader, err));
            continue;
        }
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_NUMBER) {
            SNUG_TRY(snug_json_to_f64(&event, wanted[found].value, err));
        }
    }
}

static void take_line(history *h, const line_values *line)
{
    if (!line->evaluation) {
        h->loss_sum += isnan(line->loss) ? 0.0 : line->loss;
        h->loss_count += !isnan(line->loss);
        return;
    }
    if (h->count == EVALUATIONS_MAX) {
        return;
    }
    const double mean = h->loss_count > 0 ? h->loss_sum / (double)h->loss_count : NAN;
    const double row[COLUMNS] = {line->step, mean, line->loss, line->accuracy, line->macro_f1};
    for (int32_t i = 0; i < COLUMNS; i++) {
        h->values[i][h->count] = row[i];
    }
    h->count++;
    h->loss_sum = 0.0;
    h->loss_count = 0;
}

static snug_status read_journal(const char *path, void *buffer, int64_t bytes, history *h,
                                snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    snug_byte_stream stream;
    bool more = true;
    SNUG_TRY(snug_file_open(path, &file, err));
    const snug_byte_source source = snug_byte_source_of_file(&file);
    SNUG_TRY_DONE(snug_byte_stream_open(&source, false, buffer, bytes, &stream, err));
    SNUG_TRY_DONE(snug_byte_stream_fill(&stream, &more, err));
    while (more) {
        const char *text = NULL;
        int64_t length = 0;
        line_values line;
        SNUG_TRY_DONE(snug_byte_stream_peek_line(&stream, &text, &length, err));
        if (length > 0) {
            SNUG_TRY_DONE(read_line(text, length, &line, err));
            take_line(h, &line);
        }
        stream.at += length;
        SNUG_TRY_DONE(snug_byte_stream_fill(&stream, &more, err));
        if (more) { /* The line end itself. */
            stream.at++;
            snug_byte_stream_newline(&stream);
            SNUG_TRY_DONE(snug_byte_stream_fill(&stream, &more, err));
        }
    }

done:
    snug_file_close(&file);
    return status;
}

static snug_status write_history(const char *path, const history *h, void *memory, snug_error *err)
{
    snug_text text;
    snug_json_writer json;
    snug_text_init(&text, memory, OUT_BYTES);
    snug_json_writer_init(&json, &text, true);
    snug_json_object_begin(&json);
    for (int32_t i = 0; i < COLUMNS; i++) {
        snug_json_put_f64s(&json, columns[i], h->values[i], h->count);
    }
    snug_json_object_end(&json);
    snug_text_add(&text, "\n");
    return snug_file_write_all(path, text.data, text.length, err);
}

snug_status snug_text_history_write(const snug_session *session, snug_error *err)
{
    snug_status status = SNUG_OK;
    char path[SNUG_PATH_BYTES];
    snug_arena arena;
    history h = {0};
    void *buffer = NULL, *values = NULL, *out = NULL;
    const int64_t line = snug_journal_line_bytes(session->family->item_values(session));
    const int64_t bytes = snug_max_i64(LINE_BYTES_MIN, 2 * line);
    snug_heap_arena_init(&arena, "history", SNUG_CATEGORY_RUNTIME, OUT_BYTES);
    SNUG_TRY_DONE(snug_arena_alloc(&arena, bytes, &buffer, err));
    SNUG_TRY_DONE(
        snug_arena_array(&arena, COLUMNS * EVALUATIONS_MAX, sizeof(double), &values, err));
    SNUG_TRY_DONE(snug_arena_alloc(&arena, OUT_BYTES, &out, err));
    for (int32_t i = 0; i < COLUMNS; i++) {
        h.values[i] = (double *)values + (int64_t)i * EVALUATIONS_MAX;
    }
    SNUG_TRY_DONE(read_journal(session->journal_path, buffer, bytes, &h, err));
    SNUG_TRY_DONE(snug_path_join(session->out, "training_history.json", path, err));
    SNUG_TRY_DONE(write_history(path, &h, out, err));

done:
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return status;
}
