#include "base/hash.h"

#include <string.h>

#include "base/assert.h"

/* The fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

static void compress(uint32_t state[8], const unsigned char block[64])
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        const uint32_t s0 =
            rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ (w[i - 15] >> 3);
        const uint32_t s1 =
            rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t v[8];
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t s1 = rotate_right(v[4], 6) ^ rotate_right(v[4], 11) ^ rotate_right(v[4], 25);
        const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        const uint32_t t1 = v[7] + s1 + choice + round_constants[i] + w[i];
        const uint32_t s0 = rotate_right(v[0], 2) ^ rotate_right(v[0], 13) ^ rotate_right(v[0], 22);
        const uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(&v[1], &v[0], 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

void snug_sha256_init(snug_sha256 *hash)
{
    *hash = (snug_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                    0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void snug_sha256_add(snug_sha256 *hash, const void *data, int64_t bytes)
{
    SNUG_ASSERT(bytes >= 0);
    const unsigned char *from = data;
    hash->total_bytes += (uint64_t)bytes;
    while (bytes > 0) {
        if (hash->block_bytes == 0 && bytes >= 64) {
            compress(hash->state, from);
            from += 64;
            bytes -= 64;
            continue;
        }
        const int64_t room = 64 - hash->block_bytes;
        const int64_t take = bytes < room ? bytes : room;
        memcpy(hash->block + hash->block_bytes, from, (size_t)take);
        hash->block_bytes += (int32_t)take;
        from += take;
        bytes -= take;
        if (hash->block_bytes == 64) {
            compress(hash->state, hash->block);
            hash->block_bytes = 0;
        }
    }
}

void snug_sha256_hex(snug_sha256 *hash, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    const uint64_t bits = hash->total_bytes * 8;
    const unsigned char one = 0x80;
    const unsigned char zero = 0;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    }
    snug_sha256_add(hash, &one, 1);
    while (hash->block_bytes != 56) {
        snug_sha256_add(hash, &zero, 1);
    }
    snug_sha256_add(hash, length, sizeof length);
    for (int i = 0; i < 32; i++) {
        const uint32_t byte = hash->state[i / 4] >> (24 - 8 * (i % 4)) & 0xff;
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[64] = '\0';
}

uint64_t snug_hash64_mix(uint64_t hash, uint64_t word)
{
    /* The finaliser of SplitMix64 over the running state: every input bit reaches every output. */
    uint64_t x = (hash ^ word) + UINT64_C(0x9e3779b97f4a7c15) * (hash | 1);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t snug_hash64(const void *data, int64_t bytes, uint64_t seed)
{
    SNUG_ASSERT(bytes >= 0);
    const unsigned char *from = data;
    uint64_t hash = snug_hash64_mix(seed, (uint64_t)bytes);
    for (int64_t i = 0; i < bytes; i += 8) {
        const int64_t take = bytes - i < 8 ? bytes - i : 8;
        uint64_t word = 0;
        for (int64_t j = 0; j < take; j++) {
            word |= (uint64_t)from[i + j] << (8 * j);
        }
        hash = snug_hash64_mix(hash, word);
    }
    return hash;
}

uint64_t snug_hash64_f64(uint64_t hash, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return snug_hash64_mix(hash, bits);
}

uint64_t snug_hash64_text(uint64_t hash, const char *text)
{
    return snug_hash64(text, (int64_t)strlen(text), hash);
}
