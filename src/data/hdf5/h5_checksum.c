#include "data/hdf5/h5_checksum.h"

typedef struct state {
    uint32_t a;
    uint32_t b;
    uint32_t c;
} state;

static uint32_t rotate(uint32_t value, int32_t bits)
{
    return (value << bits) | (value >> (32 - bits));
}

static void mix(state *s)
{
    s->a -= s->c, s->a ^= rotate(s->c, 4), s->c += s->b;
    s->b -= s->a, s->b ^= rotate(s->a, 6), s->a += s->c;
    s->c -= s->b, s->c ^= rotate(s->b, 8), s->b += s->a;
    s->a -= s->c, s->a ^= rotate(s->c, 16), s->c += s->b;
    s->b -= s->a, s->b ^= rotate(s->a, 19), s->a += s->c;
    s->c -= s->b, s->c ^= rotate(s->b, 4), s->b += s->a;
}

static void finish(state *s)
{
    s->c ^= s->b, s->c -= rotate(s->b, 14);
    s->a ^= s->c, s->a -= rotate(s->c, 11);
    s->b ^= s->a, s->b -= rotate(s->a, 25);
    s->c ^= s->b, s->c -= rotate(s->b, 16);
    s->a ^= s->c, s->a -= rotate(s->c, 4);
    s->b ^= s->a, s->b -= rotate(s->a, 14);
    s->c ^= s->b, s->c -= rotate(s->b, 24);
}

/* Up to four bytes as a little-endian word, missing ones zero. */
static uint32_t word(const unsigned char *at, int64_t bytes)
{
    uint32_t value = 0;
    for (int64_t i = 0; i < bytes && i < 4; i++) {
        value |= (uint32_t)at[i] << (8 * i);
    }
    return value;
}

static void add_words(state *s, const unsigned char *at, int64_t bytes)
{
    s->a += word(at, bytes);
    s->b += bytes > 4 ? word(at + 4, bytes - 4) : 0;
    s->c += bytes > 8 ? word(at + 8, bytes - 8) : 0;
}

uint32_t snug_h5_checksum(const void *data, int64_t bytes)
{
    const unsigned char *at = data;
    const uint32_t start = UINT32_C(0xdeadbeef) + (uint32_t)bytes;
    state s = {.a = start, .b = start, .c = start};
    while (bytes > 12) {
        add_words(&s, at, 12);
        mix(&s);
        at += 12;
        bytes -= 12;
    }
    if (bytes > 0) {
        add_words(&s, at, bytes);
        finish(&s);
    }
    return s.c;
}
