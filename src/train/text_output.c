/* Predictions of texts on their way out: a label and the probability of every class. */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "sys/heap.h"
#include "train/text_session.h"

enum { BOUNCE_BYTES = 128 << 10, HEAD_BYTES = 4096, VALUE_BYTES = 32 };

struct snug_text_output {
    snug_predict_options options;
    const snug_labels *labels; /* Borrowed. */
    bool jsonl, to_file;
    int64_t bytes; /* Of the block that this lies in. */
    int64_t written;
    snug_file_writer writer;
    char *line;
    int64_t line_bytes;
    double *probabilities;
};

static snug_status send(snug_text_output *output, const snug_text *text, snug_error *err)
{
    SNUG_ASSERT(!text->truncated);
    if (output->to_file) {
        return snug_file_writer_add(&output->writer, text->data, text->length, err);
    }
    output->options.write(output->options.write_context, text->data, text->length);
    return SNUG_OK;
}

/** A CSV field: quoted, its quotes doubled. */
static void add_field(snug_text *text, const char *value)
{
    snug_text_add(text, "\"");
    for (; *value != '\0'; value++) {
        snug_text_add(text, *value == '"' ? "\"\"" : "%c", *value);
    }
    snug_text_add(text, "\"");
}

static snug_status send_header(snug_text_output *output, snug_error *err)
{
    snug_text text;
    if (output->jsonl) {
        return SNUG_OK;
    }
    snug_text_init(&text, output->line, output->line_bytes);
    snug_text_add(&text, "row,label,probability");
    for (int64_t k = 0; k < output->labels->count; k++) {
        snug_text_add(&text, ",");
        add_field(&text, output->labels->names[k]);
    }
    snug_text_add(&text, "\n");
    return send(output, &text, err);
}

/** Room of a line: every name once and that of the sample's class again, escaped at worst six for
 * one, and as many numbers. */
static int64_t line_bytes(const snug_labels *labels)
{
    int64_t bytes = HEAD_BYTES + 6 * SNUG_LABEL_BYTES_MAX;
    for (int64_t k = 0; k < labels->count; k++) {
        bytes += 6 * (int64_t)strlen(labels->names[k]) + VALUE_BYTES;
    }
    return bytes;
}

snug_status snug_text_output_open(const snug_predict_options *options, const snug_text_own *own,
                                  snug_text_output **out, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL, *bounce = NULL, *line = NULL, *values = NULL;
    snug_arena arena;
    const char *path = options->output;
    if (path != NULL && !snug_ends_with(path, ".csv") && !snug_ends_with(path, ".jsonl")) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "cannot tell the format of '%s': end it in .csv or .jsonl", path);
    }
    const int64_t head = snug_align_up((int64_t)sizeof(snug_text_output), SNUG_ALIGN);
    const int64_t room = line_bytes(&own->labels);
    const int64_t bytes =
        head + BOUNCE_BYTES + room + own->labels.count * (int64_t)sizeof(double) + 4 * SNUG_ALIGN;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, bytes, false, &memory, err));
    snug_text_output *output = memory;
    snug_arena_init(&arena, "predictions", (unsigned char *)memory + head, bytes - head);
    *output = (snug_text_output){.options = *options,
                                 .labels = &own->labels,
                                 .jsonl = path != NULL && snug_ends_with(path, ".jsonl"),
                                 .bytes = bytes,
                                 .line_bytes = room};
    SNUG_TRY_DONE(snug_arena_alloc(&arena, BOUNCE_BYTES, &bounce, err));
    SNUG_TRY_DONE(snug_arena_alloc(&arena, room, &line, err));
    SNUG_TRY_DONE(snug_arena_array(&arena, own->labels.count, sizeof(double), &values, err));
    output->line = line;
    output->probabilities = values;
    if (path != NULL) {
        SNUG_TRY_DONE(snug_file_writer_open(path, bounce, BOUNCE_BYTES, &output->writer, err));
        output->to_file = true;
    }
    SNUG_TRY_DONE(send_header(output, err));
    *out = output;

done:
    if (snug_failed(status)) {
        snug_text_output_close(output);
    }
    return status;
}

/** Softmax in double; answers the largest. */
static int64_t find_probabilities(snug_text_output *output, const float *logits)
{
    const int64_t classes = output->labels->count;
    const int64_t best = snug_class_of(logits, classes);
    double sum = 0.0;
    for (int64_t k = 0; k < classes; k++) {
        output->probabilities[k] = exp((double)logits[k] - (double)logits[best]);
        sum += output->probabilities[k];
    }
    for (int64_t k = 0; k < classes; k++) {
        output->probabilities[k] /= sum;
    }
    return best;
}

static void add_json(const snug_text_output *output, int64_t best, snug_text *text)
{
    snug_json_writer json;
    snug_json_writer_init(&json, text, false);
    snug_json_object_begin(&json);
    snug_json_put_i64(&json, "row", output->written);
    snug_json_put_string(&json, "label", output->labels->names[best]);
    snug_json_put_f64(&json, "probability", output->probabilities[best]);
    snug_json_key(&json, "probabilities");
    snug_json_object_begin(&json);
    for (int64_t k = 0; k < output->labels->count; k++) {
        snug_json_put_f64(&json, output->labels->names[k], output->probabilities[k]);
    }
    snug_json_object_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

snug_status snug_text_output_add(snug_text_output *output, int64_t position, const float *logits,
                                 snug_error *err)
{
    const int64_t best = find_probabilities(output, logits);
    snug_text text;
    snug_text_init(&text, output->line, output->line_bytes);
    if (output->jsonl) {
        add_json(output, best, &text);
    } else {
        snug_text_add(&text, "%lld,", (long long)position);
        add_field(&text, output->labels->names[best]);
        snug_text_add(&text, ",%.6f", output->probabilities[best]);
        for (int64_t k = 0; k < output->labels->count; k++) {
            snug_text_add(&text, ",%.6f", output->probabilities[k]);
        }
        snug_text_add(&text, "\n");
    }
    output->written++;
    return send(output, &text, err);
}

snug_status snug_text_output_commit(snug_text_output *output, int64_t *out_rows, snug_error *err)
{
    if (output->to_file) {
        SNUG_TRY(snug_file_writer_commit(&output->writer, err));
    }
    if (out_rows != NULL) {
        *out_rows = output->written;
    }
    return SNUG_OK;
}

void snug_text_output_close(snug_text_output *output)
{
    if (output == NULL) {
        return;
    }
    snug_file_writer_abort(&output->writer);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, output, output->bytes);
}
