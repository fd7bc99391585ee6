/* What the fuzz targets of text rows ask of every piece and every message. */
#ifndef SNUG_TESTS_FUZZ_TEXT_CHECK_H
#define SNUG_TESTS_FUZZ_TEXT_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/text/rows.h"

/** A piece is absent, or UTF-8 without zeros and with one behind. */
static inline void check_piece(const snug_text_piece *piece)
{
    if (piece->text != NULL && piece->text[piece->bytes] != '\0') {
        abort();
    }
    for (int64_t at = 0; at < piece->bytes;) {
        const int64_t length = snug_utf8_length(piece->text + at, piece->bytes - at);
        if (length == 0 || piece->text[at] == '\0') {
            abort();
        }
        at += length;
    }
}

/** One line says why. */
static inline void check_message(const snug_error *err)
{
    if (err->message[0] == '\0' || strchr(err->message, '\n') != NULL) {
        abort();
    }
}

#endif
