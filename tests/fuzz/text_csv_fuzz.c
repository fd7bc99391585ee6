/* Any bytes as rows of CSV, TSV or lines: every row is text, or refused in one line. */
#include <stdlib.h>
#include <string.h>

#include "data/text/labels.h"
#include "data/text/rows.h"
#include "fuzz/text_check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

static int64_t read_rows(snug_text_reader *reader, int64_t *out_bytes)
{
    snug_error err = {0};
    snug_text_row row;
    bool more = true;
    int64_t rows = 0;
    *out_bytes = 0;
    for (;;) {
        if (snug_failed(snug_text_reader_next(reader, &row, &more, &err))) {
            check_message(&err);
            return -1 - rows;
        }
        if (!more) {
            return rows;
        }
        check_piece(&row.text);
        check_piece(&row.pair);
        check_piece(&row.label);
        *out_bytes += row.text.bytes + row.label.bytes;
        rows++;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    enum { ARENA_BYTES = 4 << 20 };
    static const char *const formats[] = {"csv", "tsv", "lines", "auto"};
    static const char *const quotes[] = {"auto", "yes", "no"};
    static snug_arena arena;
    static unsigned char *memory;
    char description[SNUG_TEXT_DESCRIPTION_BYTES];
    snug_error err = {0};
    snug_text_reader *reader = NULL;
    snug_labels labels = {0};
    int64_t first_bytes = 0;
    int64_t second_bytes = 0;
    if (memory == NULL) {
        memory = aligned_alloc(SNUG_ALIGN, ARENA_BYTES);
    }
    /* The first byte chooses how to read. */
    const unsigned char how = bytes > 0 ? data[0] : 0;
    const snug_text_options options = {.memory = (const char *)data + (bytes > 0 ? 1 : 0),
                                       .memory_bytes = bytes > 0 ? (int64_t)bytes - 1 : 0,
                                       .format = formats[how & 3],
                                       .quotes = quotes[(how >> 2) % 3],
                                       .text_field = (how & 0x20) != 0 ? "0" : NULL,
                                       .label_field = (how & 0x40) != 0 ? "1" : NULL,
                                       .need_label = (how & 0x80) != 0};
    snug_arena_init(&arena, "fuzz", memory, ARENA_BYTES);
    if (snug_failed(snug_text_reader_open(&options, &arena, &reader, &err))) {
        check_message(&err);
        return 0;
    }
    (void)snug_text_reader_describe(reader, description);
    const int64_t first = read_rows(reader, &first_bytes);
    if (snug_failed(snug_text_reader_rewind(reader, &err)) ||
        read_rows(reader, &second_bytes) != first || second_bytes != first_bytes) {
        abort(); /* The second reading gives what the first gave. */
    }
    if (!snug_failed(snug_text_reader_rewind(reader, &err))) {
        (void)snug_failed(snug_labels_collect(reader, &arena, &labels, NULL, &err));
    }
    snug_text_reader_close(reader);
    return 0;
}
