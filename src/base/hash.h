/* Hashes: SHA-256 for what people compare, a 64-bit mix for tables and keys. */
#ifndef SNUG_BASE_HASH_H
#define SNUG_BASE_HASH_H

#include <stdint.h>

typedef struct snug_sha256 {
    uint32_t state[8];
    uint64_t total_bytes;
    unsigned char block[64];
    int32_t block_bytes;
} snug_sha256;

void snug_sha256_init(snug_sha256 *hash);
void snug_sha256_add(snug_sha256 *hash, const void *data, int64_t bytes);
/** The digest as 64 lower-case hexadecimal digits and a final zero. */
void snug_sha256_hex(snug_sha256 *hash, char out[65]);

/** A 64-bit hash of bytes; stable over versions and machines. */
uint64_t snug_hash64(const void *data, int64_t bytes, uint64_t seed);
/** Mixes one word into a hash. */
uint64_t snug_hash64_mix(uint64_t hash, uint64_t word);
/** The same for the bits of a number, and for a string without its zero. */
uint64_t snug_hash64_f64(uint64_t hash, double value);
uint64_t snug_hash64_text(uint64_t hash, const char *text);

#endif
