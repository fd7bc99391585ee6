/*
 * Prints one line per data set member of an HDF5 file as our reader sees it: path, member, count,
 * and the SHA-256 of its values as little-endian f64 (or of its texts, each ended by a zero). Made
 * for compare_hdf5.py; build it by hand against libsnug.a:
 *
 *     cc -std=c17 -D_GNU_SOURCE -Iinclude -Isrc tools/vectors/hdf5_digest.c build/libsnug.a \
 *        -ldeflate -lyaml -lpthread -lm -ldl -o /tmp/hdf5_digest
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/hdf5/h5.h"
#include "data/hdf5/h5_describe.h"

typedef struct digest {
    snug_h5_bytes source;
    snug_arena *arena;
    snug_h5_scratch scratch;
} digest;

static void add_value(snug_h5_file *file, const snug_h5_member *member,
                      const unsigned char *element, snug_sha256 *hash)
{
    for (int64_t i = 0; i < member->count; i++) {
        char text[65536];
        double value = 0.0;
        snug_error err = {0};
        if (snug_h5_is_number(member)) {
            snug_h5_to_f64(member, element, i, 1, &value);
            value = isnan(value) ? NAN : value;
            snug_sha256_add(hash, &value, sizeof value);
        } else if (snug_failed(
                       snug_h5_text_value(file, member, element, i, text, sizeof text, &err))) {
            printf("text\t%s\n", err.message);
        } else {
            snug_sha256_add(hash, text, (int64_t)strlen(text) + 1);
        }
    }
}

static void print_member(digest *state, snug_h5_file *file, const char *path,
                         const snug_h5_dataset *dataset, const snug_h5_member *member)
{
    char hex[65];
    snug_error err = {0};
    snug_sha256 hash;
    unsigned char *row = malloc((size_t)dataset->row_bytes + 1);
    snug_sha256_init(&hash);
    for (int64_t i = 0; i < dataset->row_count; i++) {
        if (snug_failed(
                snug_h5_read_rows(&state->source, dataset, i, 1, &state->scratch, row, &err))) {
            printf("unread\t%s\t%s\n", path, err.message);
            free(row);
            return;
        }
        for (int64_t at = 0; at < dataset->row_bytes; at += dataset->type.bytes) {
            add_value(file, member, row + at, &hash);
        }
    }
    snug_sha256_hex(&hash, hex);
    printf("data\t%s\t%s\t%s\t%lld\t%s\n", path, member->name, member->type_name,
           (long long)dataset->row_count, hex);
    free(row);
}

static snug_status visit(void *context, snug_h5_file *file, const snug_h5_entry *entry, bool *stop,
                         snug_error *err)
{
    digest *state = context;
    snug_h5_dataset dataset;
    snug_error problem = {0};
    (void)stop;
    (void)err;
    if (entry->problem != NULL) {
        printf("damaged\t%s\t%s\n", entry->path, entry->problem->message);
        return SNUG_OK;
    }
    if (entry->object.kind != SNUG_H5_OBJECT_DATASET) {
        return SNUG_OK;
    }
    const snug_mark mark = snug_arena_mark(state->arena);
    if (snug_failed(snug_h5_dataset_open(file, entry->object, state->arena, &dataset, &problem))) {
        printf("refused\t%s\t%s: %s\n", entry->path, snug_status_name(problem.code),
               problem.message);
        return SNUG_OK;
    }
    if (dataset.row_count * dataset.row_bytes > (INT64_C(1) << 26)) {
        printf("large\t%s\t%lld rows\n", entry->path, (long long)dataset.row_count);
        snug_arena_rewind(state->arena, mark);
        return SNUG_OK;
    }
    for (int64_t i = 0; i < dataset.type.member_count; i++) {
        const snug_h5_member *member = &dataset.type.members[i];
        if (member->kind == SNUG_H5_UNSUPPORTED) {
            printf("type\t%s\t%s\t%s\n", entry->path, member->name, member->type_name);
        } else {
            print_member(state, file, entry->path, &dataset, member);
        }
    }
    snug_arena_rewind(state->arena, mark);
    return SNUG_OK;
}

int main(int argc, char **argv)
{
    enum { ARENA_BYTES = 80 << 20, SCRATCH_BYTES = 90 << 20 };
    static snug_arena arena;
    snug_error err = {0};
    snug_file file = {0};
    snug_h5_file *h5 = NULL;
    if (argc != 2 || snug_failed(snug_file_open(argv[1], &file, &err))) {
        fprintf(stderr, "usage: hdf5_digest FILE (%s)\n", err.message);
        return 2;
    }
    digest state = {.source = snug_h5_bytes_from_file(&file), .arena = &arena};
    snug_arena_init(&arena, "digest", aligned_alloc(64, ARENA_BYTES), ARENA_BYTES);
    state.scratch.memory = aligned_alloc(64, SCRATCH_BYTES);
    state.scratch.memory_bytes = SCRATCH_BYTES;
    if (snug_failed(snug_h5_inflater_create(&state.scratch.inflater, &err)) ||
        snug_failed(snug_h5_open(&state.source, &arena, &h5, &err)) ||
        snug_failed(snug_h5_walk(h5, &arena, visit, &state, &err))) {
        printf("file\t%s: %s\n", snug_status_name(err.code), err.message);
        return 1;
    }
    return 0;
}
