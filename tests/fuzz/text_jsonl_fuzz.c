/* Any bytes as rows of JSONL, and as a file of labels: read, or refused in one line. */
#include <stdlib.h>
#include <string.h>

#include "data/text/labels.h"
#include "data/text/rows.h"
#include "fuzz/text_check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    enum { ARENA_BYTES = 6 << 20 };
    static snug_arena arena;
    static unsigned char *memory;
    snug_error err = {0};
    snug_text_reader *reader = NULL;
    snug_labels labels = {0};
    snug_text_row row;
    bool more = true;
    if (memory == NULL) {
        memory = aligned_alloc(SNUG_ALIGN, ARENA_BYTES);
    }
    const unsigned char how = bytes > 0 ? data[0] : 0;
    const snug_text_options options = {.memory = (const char *)data + (bytes > 0 ? 1 : 0),
                                       .memory_bytes = bytes > 0 ? (int64_t)bytes - 1 : 0,
                                       .format = (how & 1) != 0 ? "auto" : "jsonl",
                                       .text_field = (how & 2) != 0 ? "text" : NULL,
                                       .label_field = (how & 4) != 0 ? "label" : NULL,
                                       .text_pair_field = (how & 8) != 0 ? "b" : NULL,
                                       .need_label = (how & 16) != 0};
    snug_arena_init(&arena, "fuzz", memory, ARENA_BYTES);
    if (snug_failed(snug_text_reader_open(&options, &arena, &reader, &err))) {
        check_message(&err);
        return 0;
    }
    while (more) {
        if (snug_failed(snug_text_reader_next(reader, &row, &more, &err))) {
            check_message(&err);
            break;
        }
        if (more) {
            check_piece(&row.text);
            check_piece(&row.pair);
            check_piece(&row.label);
            for (int64_t i = 0; i < row.choice_count; i++) {
                check_piece(&row.choices[i]);
            }
        }
    }
    if (!snug_failed(snug_text_reader_rewind(reader, &err)) &&
        !snug_failed(snug_labels_collect(reader, &arena, &labels, NULL, &err))) {
        for (int64_t i = 0; i < labels.count; i++) {
            if (snug_labels_find(&labels, labels.names[i], (int64_t)strlen(labels.names[i])) != i) {
                abort(); /* Every label is found at its place. */
            }
        }
    }
    snug_text_reader_close(reader);
    return 0;
}
