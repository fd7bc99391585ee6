#include "data/token/tokenizer.h"

#include "base/assert.h"
#include "base/checked.h"
#include "data/token/tokenizer_internal.h"

const snug_tokenizer_facts *snug_tokenizer_facts_of(const snug_tokenizer *self)
{
    return &self->facts;
}

snug_status snug_token_not_utf8(const unsigned char *text, int64_t at, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the text is not UTF-8: byte %lld is 0x%02x",
                     (long long)at, text[at]);
}

snug_status snug_tokenizer_encode(const snug_tokenizer *self, const char *text, int64_t bytes,
                                  int32_t *ids, int64_t capacity, int64_t *out_count,
                                  snug_error *err)
{
    snug_id_sink sink = {.ids = ids, .capacity = capacity};
    SNUG_ASSERT(bytes >= 0);
    SNUG_ASSERT(capacity >= 0);
    SNUG_TRY(self->model->encode(self, (const unsigned char *)text, bytes, &sink, err));
    *out_count = sink.count;
    return SNUG_OK;
}

/* The ids of a place of a template, at `to`; the place behind them. */
static int32_t *put_ids(const snug_template_ids *from, int32_t *to)
{
    for (int32_t i = 0; i < from->count; i++) {
        *to++ = from->ids[i];
    }
    return to;
}

snug_status snug_tokenizer_single(const snug_tokenizer *self, const char *text, int64_t bytes,
                                  int32_t *ids, int64_t length_max, int64_t *out_count,
                                  snug_error *err)
{
    const snug_token_template *const t = &self->single;
    const int64_t room = length_max - self->facts.single_length_min;
    int64_t count = 0;
    if (room < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a text needs a length of at least %lld, not %lld",
                         (long long)self->facts.single_length_min, (long long)length_max);
    }
    SNUG_TRY(snug_tokenizer_encode(self, text, bytes, ids + t->head.count, room, &count, err));
    const int32_t *const rest = put_ids(&t->head, ids);
    const int32_t *const end = put_ids(&t->tail, ids + (rest - ids) + count);
    *out_count = end - ids;
    return SNUG_OK;
}

/*
 * How many pieces each text keeps of `room`: the shorter one all it has while the other is longer,
 * else half each, the odd one going to the longer, or to the second when they are equal.
 */
static void share_room(int64_t room, int64_t *io_first, int64_t *io_second)
{
    const bool first_longer = *io_first > *io_second;
    const int64_t shorter = snug_min_i64(*io_first, *io_second);
    if (*io_first + *io_second <= room) {
        return;
    }
    int64_t less = shorter;
    int64_t more = room - shorter;
    if (more < less) {
        less = room / 2;
        more = room - less;
    }
    *io_first = first_longer ? more : less;
    *io_second = first_longer ? less : more;
}

snug_status snug_tokenizer_pair(const snug_tokenizer *self, const char *first, int64_t first_bytes,
                                const char *second, int64_t second_bytes, int32_t *ids,
                                int64_t length_max, int64_t *out_first, int64_t *out_count,
                                snug_error *err)
{
    const snug_token_template *const t = &self->pair;
    int64_t first_count = 0;
    int64_t second_count = 0;
    const int64_t room = length_max - self->facts.pair_length_min;
    if (room < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a pair of texts needs a length of at least %lld tokens, not %lld",
                         (long long)self->facts.pair_length_min, (long long)length_max);
    }
    /* Counting ends early, except where two long texts fight for an odd piece. */
    int64_t look = room + 1;
    for (int32_t round = 0; round < 2; round++) {
        SNUG_TRY(snug_tokenizer_encode(self, first, first_bytes, NULL, look, &first_count, err));
        SNUG_TRY(snug_tokenizer_encode(self, second, second_bytes, NULL, look, &second_count, err));
        if (room % 2 == 0 || first_count <= room || second_count <= room) {
            break;
        }
        look = INT64_MAX;
    }
    share_room(room, &first_count, &second_count);
    int64_t written = 0;
    int32_t *at = put_ids(&t->head, ids);
    SNUG_TRY(snug_tokenizer_encode(self, first, first_bytes, at, first_count, &written, err));
    const int64_t middle = (at - ids) + first_count;
    at = put_ids(&t->middle, ids + middle);
    SNUG_TRY(snug_tokenizer_encode(self, second, second_bytes, at, second_count, &written, err));
    at = put_ids(&t->tail, at + second_count);
    *out_count = at - ids;
    *out_first = t->second_typed ? middle + t->middle_first : *out_count;
    return SNUG_OK;
}
