#include "data/text/rows.h"

#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "data/text/rows_inside.h"

/* ---- Options ---- */

typedef enum answer { ANSWER_AUTO, ANSWER_YES, ANSWER_NO } answer;

static bool is_word(const char *option, const char *word)
{
    return strcmp(option, word) == 0;
}

static snug_status read_answer(const char *option, const char *name, answer *out, snug_error *err)
{
    if (option == NULL || is_word(option, "") || is_word(option, "auto")) {
        *out = ANSWER_AUTO;
    } else if (is_word(option, "yes") || is_word(option, "true")) {
        *out = ANSWER_YES;
    } else if (is_word(option, "no") || is_word(option, "false")) {
        *out = ANSWER_NO;
    } else {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s is '%s'; it should be auto, yes or no", name,
                         option);
    }
    return SNUG_OK;
}

static const char *const format_names[] = {"auto", "csv", "tsv", "lines", "jsonl"};

static snug_status read_format(const char *option, snug_text_format *out, snug_error *err)
{
    if (option == NULL || is_word(option, "")) {
        *out = SNUG_TEXT_AUTO;
        return SNUG_OK;
    }
    for (int64_t i = 0; i < SNUG_COUNT(format_names); i++) {
        if (is_word(option, format_names[i])) {
            *out = (snug_text_format)i;
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_USAGE,
                     "format is '%s'; it should be auto, csv, tsv, lines or jsonl", option);
}

/* ---- The beginning of the text ---- */

/* Bytes of the beginning again, then those of the source behind it. */
static snug_status read_led(void *context, int64_t offset, void *buffer, int64_t bytes,
                            int64_t *out_bytes, snug_error *err)
{
    const snug_text_lead *lead = context;
    if (offset >= lead->bytes) {
        return lead->rest.read_some(lead->rest.context, offset, buffer, bytes, out_bytes, err);
    }
    const int64_t count = snug_min_i64(lead->bytes - offset, bytes);
    memcpy(buffer, lead->data + offset, (size_t)count);
    *out_bytes = count;
    return SNUG_OK;
}

/* Reads until the first line is there; a pipe is not waited for longer than that. */
static snug_status read_lead(snug_text_lead *lead, snug_error *err)
{
    int64_t bytes = 1;
    while (bytes > 0 && lead->bytes < SNUG_TEXT_LEAD_BYTES &&
           memchr(lead->data, '\n', (size_t)lead->bytes) == NULL) {
        SNUG_TRY(lead->rest.read_some(lead->rest.context, lead->bytes, lead->data + lead->bytes,
                                      SNUG_TEXT_LEAD_BYTES - lead->bytes, &bytes, err));
        lead->bytes += bytes;
    }
    return SNUG_OK;
}

static snug_text_format format_by_ending(const char *path)
{
    static const struct {
        const char *ending;
        snug_text_format format;
    } endings[] = {
        {".csv", SNUG_TEXT_CSV},     {".tsv", SNUG_TEXT_TSV},    {".tab", SNUG_TEXT_TSV},
        {".jsonl", SNUG_TEXT_JSONL}, {".json", SNUG_TEXT_JSONL}, {".ndjson", SNUG_TEXT_JSONL},
        {".CSV", SNUG_TEXT_CSV},     {".TSV", SNUG_TEXT_TSV},    {".JSONL", SNUG_TEXT_JSONL}};
    const char *ending = strrchr(path, '.');
    for (int64_t i = 0; ending != NULL && i < SNUG_COUNT(endings); i++) {
        if (is_word(ending, endings[i].ending)) {
            return endings[i].format;
        }
    }
    return SNUG_TEXT_AUTO;
}

/* Whether one of the fields of a line with commas is a usual name of a column. */
static bool has_usual_name(const char *line, int64_t bytes)
{
    int64_t from = 0;
    for (int64_t i = 0; i <= bytes; i++) {
        if (i < bytes && line[i] != ',' && line[i] != '\r') {
            continue;
        }
        const bool quoted = i - from >= 2 && line[from] == '"' && line[i - 1] == '"';
        const int64_t edge = quoted ? 1 : 0;
        if (snug_text_is_usual_name(line + from + edge, i - from - 2 * edge)) {
            return true;
        }
        from = i + 1;
    }
    return false;
}

static snug_text_format format_by_line(const char *text, int64_t bytes, bool may_be_csv)
{
    const char *end = memchr(text, '\n', (size_t)bytes);
    int64_t line = end != NULL ? end - text : bytes;
    if (line >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        line -= 3;
    }
    if (may_be_csv && line > 0 && text[0] == '{') {
        return SNUG_TEXT_JSONL;
    }
    if (line > 0 && memchr(text, '\t', (size_t)line) != NULL) {
        return SNUG_TEXT_TSV;
    }
    return may_be_csv && has_usual_name(text, line) ? SNUG_TEXT_CSV : SNUG_TEXT_LINES;
}

static snug_status find_format(snug_text_reader *reader, snug_error *err)
{
    const char *path = reader->options.path;
    SNUG_TRY(read_format(reader->options.format, &reader->format, err));
    if (reader->format == SNUG_TEXT_AUTO && path != NULL) {
        reader->format = format_by_ending(path);
    }
    if (reader->format != SNUG_TEXT_AUTO) {
        return SNUG_OK;
    }
    const char *ending = path != NULL ? strrchr(path, '.') : NULL;
    const bool txt = ending != NULL && is_word(ending, ".txt");
    reader->lead.rest = reader->source;
    SNUG_TRY(read_lead(&reader->lead, err));
    reader->source = (snug_byte_source){.context = &reader->lead, .read_some = read_led};
    reader->format = format_by_line(reader->lead.data, reader->lead.bytes, !txt);
    return SNUG_OK;
}

static snug_status open_source(snug_text_reader *reader, snug_error *err)
{
    const snug_text_options *options = &reader->options;
    if (options->path == NULL) {
        reader->span = (snug_byte_span){options->memory, options->memory_bytes};
        reader->source = snug_byte_source_of_span(&reader->span);
        return SNUG_OK;
    }
    reader->once = is_word(options->path, "-") || snug_path_look(options->path) == SNUG_PATH_OTHER;
    if (reader->once) {
        SNUG_TRY(snug_file_open_stream(options->path, &reader->file, err));
        reader->source = snug_byte_source_of_stream(&reader->file);
    } else {
        SNUG_TRY(snug_file_open(options->path, &reader->file, err));
        reader->source = snug_byte_source_of_file(&reader->file);
    }
    return SNUG_OK;
}

/* ---- Tables: CSV, TSV, lines ---- */

static snug_status open_csv(snug_text_reader *reader, snug_arena *arena, snug_error *err)
{
    answer quotes = ANSWER_AUTO;
    const bool csv = reader->format == SNUG_TEXT_CSV;
    SNUG_TRY(read_answer(reader->options.quotes, "quotes", &quotes, err));
    const bool quoted = quotes == ANSWER_YES || (quotes == ANSWER_AUTO && csv);
    const bool lines = reader->format == SNUG_TEXT_LINES;
    const snug_csv_options options = {.separator = csv     ? '\0'
                                                   : lines ? SNUG_CSV_UNDIVIDED
                                                           : '\t',
                                      .quotes = quoted && !lines ? SNUG_CSV_QUOTES_INNER
                                                                 : SNUG_CSV_QUOTES_NONE,
                                      .text = true};
    return snug_csv_open(&reader->source, &options, arena, &reader->csv, err);
}

static snug_status check_field_count(const snug_text_reader *reader, snug_error *err)
{
    const snug_csv_reader *csv = &reader->csv;
    if (csv->field_count == reader->field_count) {
        return SNUG_OK;
    }
    const bool quote = reader->format == SNUG_TEXT_TSV && csv->quotes == SNUG_CSV_QUOTES_NONE &&
                       csv->field_count > 0 && csv->fields[0].bytes > 0 &&
                       csv->fields[0].text[0] == '"';
    return SNUG_FAIL(err, SNUG_CODE_DATA, "line %lld has %lld field%s; the first row has %lld%s",
                     (long long)csv->line, (long long)csv->field_count,
                     csv->field_count == 1 ? "" : "s", (long long)reader->field_count,
                     quote ? " (quotes are text in tsv unless quotes is yes)" : "");
}

static snug_text_piece piece_of(const snug_csv_reader *csv, int64_t index)
{
    return index < 0 ? (snug_text_piece){0}
                     : (snug_text_piece){csv->fields[index].text, csv->fields[index].bytes};
}

/* Makes a row of the record read last. */
static snug_status csv_row(const snug_text_reader *reader, snug_text_row *out, snug_error *err)
{
    const snug_csv_reader *csv = &reader->csv;
    SNUG_TRY(check_field_count(reader, err));
    const snug_text_piece label = piece_of(csv, reader->choice.label);
    if (label.text != NULL && label.bytes == 0 && reader->options.need_label) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "line %lld: the label is empty",
                         (long long)csv->line);
    }
    *out = (snug_text_row){.line = csv->line,
                           .text = piece_of(csv, reader->choice.text),
                           .pair = piece_of(csv, reader->choice.pair),
                           .label = label.bytes > 0 ? label : (snug_text_piece){0}};
    return SNUG_OK;
}

/* Reads the first record, tells whether it is a header, and chooses the columns. */
static snug_status open_table(snug_text_reader *reader, snug_arena *arena, snug_error *err)
{
    snug_csv_reader *csv = &reader->csv;
    snug_text_columns columns = {0};
    answer header = ANSWER_AUTO;
    bool more = false;
    SNUG_TRY(read_answer(reader->options.header, "header", &header, err));
    SNUG_TRY(open_csv(reader, arena, err));
    SNUG_TRY(snug_csv_next(csv, &more, err));
    if (!more) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the file is empty");
    }
    if (csv->field_count > SNUG_TEXT_COLUMNS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the first row has %lld columns; the limit is %d",
                         (long long)csv->field_count, (int)SNUG_TEXT_COLUMNS_MAX);
    }
    for (int64_t i = 0; i < csv->field_count; i++) {
        columns.names[i] = csv->fields[i].text;
    }
    columns.count = csv->field_count;
    reader->field_count = csv->field_count;
    reader->header = header == ANSWER_YES ||
                     (header == ANSWER_AUTO && snug_text_is_header(&reader->options, &columns));
    columns.named = reader->header;
    SNUG_TRY(snug_text_choose(&reader->options, &columns, &reader->choice, err));
    if (reader->header) {
        SNUG_TRY(snug_csv_next(csv, &more, err));
    }
    if (!more) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "there is a header but no row");
    }
    return SNUG_OK;
}

/* ---- The reader ---- */

static snug_status open_rows(snug_text_reader *reader, snug_arena *arena, snug_error *err)
{
    SNUG_TRY(find_format(reader, err));
    if (reader->format == SNUG_TEXT_JSONL) {
        SNUG_TRY(snug_text_json_open(reader, arena, err));
    } else {
        SNUG_TRY(open_table(reader, arena, err));
    }
    reader->pending = true;
    return SNUG_OK;
}

snug_status snug_text_reader_open(const snug_text_options *options, snug_arena *arena,
                                  snug_text_reader **out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_text_reader *reader = NULL;
    void *memory = NULL;
    SNUG_TRY_DONE(snug_arena_alloc(arena, (int64_t)sizeof(snug_text_reader), &memory, err));
    reader = memory;
    reader->options = *options;
    reader->name = options->path == NULL         ? "text"
                   : is_word(options->path, "-") ? "standard input"
                                                 : options->path;
    SNUG_TRY_DONE(open_source(reader, err)); /* Its errors name the path. */
    status = open_rows(reader, arena, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", reader->name);
        goto done;
    }
    *out = reader;

done:
    if (snug_failed(status)) {
        snug_text_reader_close(reader);
        snug_arena_rewind(arena, start);
    }
    return status;
}

static snug_status next_row(snug_text_reader *reader, snug_text_row *out, bool *out_more,
                            snug_error *err)
{
    const bool json = reader->format == SNUG_TEXT_JSONL;
    bool more = true;
    if (!reader->pending && json) {
        SNUG_TRY(snug_text_json_line(&reader->json, &more, err));
    } else if (!reader->pending) {
        SNUG_TRY(snug_csv_next(&reader->csv, &more, err));
    }
    reader->pending = false;
    if (more && json) {
        SNUG_TRY(snug_text_json_row(reader, out, err));
    } else if (more) {
        SNUG_TRY(csv_row(reader, out, err));
    }
    *out_more = more;
    return SNUG_OK;
}

snug_status snug_text_reader_next(snug_text_reader *reader, snug_text_row *out, bool *out_more,
                                  snug_error *err)
{
    const snug_status status = next_row(reader, out, out_more, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", reader->name);
    }
    return status;
}

snug_status snug_text_reader_rewind(snug_text_reader *reader, snug_error *err)
{
    snug_status status = SNUG_OK;
    bool more = false;
    if (reader->once) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s: a pipe can be read once only", reader->name);
    }
    reader->pending = false;
    if (reader->format == SNUG_TEXT_JSONL) {
        return snug_byte_stream_rewind(&reader->json.stream, err);
    }
    SNUG_TRY(snug_csv_rewind(&reader->csv, err));
    if (reader->header) {
        status = snug_csv_next(&reader->csv, &more, err);
    }
    return status;
}

void snug_text_reader_close(snug_text_reader *reader)
{
    if (reader != NULL) {
        snug_file_close(&reader->file);
    }
}

const char *snug_text_reader_name(const snug_text_reader *reader)
{
    return reader->name;
}

bool snug_text_reader_has_label(const snug_text_reader *reader)
{
    return reader->choice.label >= 0;
}

const char *snug_text_reader_describe(const snug_text_reader *reader,
                                      char out[SNUG_TEXT_DESCRIPTION_BYTES])
{
    const bool json = reader->format == SNUG_TEXT_JSONL;
    const snug_text_choice *choice = &reader->choice;
    const struct {
        const char *what;
        int64_t index;
        const char *name;
    } parts[] = {{"text", choice->text, reader->json.text_name},
                 {"second text", choice->pair, reader->json.pair_name},
                 {"label", choice->label, reader->json.label_name}};
    snug_text text;
    snug_text_init(&text, out, SNUG_TEXT_DESCRIPTION_BYTES);
    snug_text_add(&text, "%s%s", format_names[reader->format],
                  json             ? ""
                  : reader->header ? " with header"
                                   : " without header");
    if (choice->joined) {
        snug_text_add(&text, ", text from Subject, Context and Choices");
    }
    for (int64_t i = 0; i < SNUG_COUNT(parts); i++) {
        if (parts[i].index >= 0 && json) {
            snug_text_add(&text, ", %s '%s'", parts[i].what, parts[i].name);
        } else if (parts[i].index >= 0) {
            snug_text_add(&text, ", %s in column %lld", parts[i].what, (long long)parts[i].index);
        }
    }
    return out;
}
