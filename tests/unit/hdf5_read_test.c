#include "check.h"

#include <math.h>

#include "data/hdf5/h5.h"

/* Files of tools/vectors/make_hdf5_fixtures.py: every expected value is a formula of its place. */
enum { ARENA_BYTES = 16 << 20, FILE_BYTES_MAX = 128 << 10, ROWS = 37, SCRATCH_BYTES = 1 << 16 };
static _Alignas(SNUG_ALIGN) unsigned char block[ARENA_BYTES];
static _Alignas(SNUG_ALIGN) unsigned char scratch_memory[SCRATCH_BYTES];
static unsigned char file_data[FILE_BYTES_MAX];
static unsigned char rows[1 << 20];
static snug_arena arena;
static snug_h5_scratch scratch;
static snug_h5_memory memory;
static snug_h5_bytes source;

static const char *const table_files[] = {"early.h5", "v108.h5", "newest.h5"};

static void load(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/hdf5/%s", SNUG_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    memory = (snug_h5_memory){.data = file_data};
    memory.bytes = (int64_t)fread(file_data, 1, sizeof file_data, file);
    CHECK(memory.bytes > 0 && memory.bytes < FILE_BYTES_MAX);
    (void)fclose(file);
    source = snug_h5_bytes_from_memory(&memory);
}

static snug_h5_file *open_file(const char *name)
{
    snug_error err = {0};
    snug_h5_file *file = NULL;
    load(name);
    snug_arena_init(&arena, "hdf5", block, ARENA_BYTES);
    CHECK_OK(snug_h5_open(&source, &arena, &file, &err));
    return file;
}

static snug_h5_dataset open_set(snug_h5_file *file, const char *path)
{
    snug_error err = {0};
    snug_h5_object object = {0};
    snug_h5_dataset dataset = {0};
    CHECK_OK(snug_h5_find(file, path, &object, &err));
    CHECK(object.kind == SNUG_H5_OBJECT_DATASET);
    CHECK_OK(snug_h5_dataset_open(file, object, &arena, &dataset, &err));
    CHECK(dataset.row_count * dataset.row_bytes <= (int64_t)sizeof rows);
    return dataset;
}

/* Reads everything in one go, and again in portions that cross chunks. */
static void read_all(const snug_h5_dataset *dataset)
{
    static unsigned char portions[sizeof rows];
    snug_error err = {0};
    const int64_t bytes = dataset->row_count * dataset->row_bytes;
    CHECK_OK(snug_h5_read_rows(&source, dataset, 0, dataset->row_count, &scratch, rows, &err));
    for (int64_t first = 0; first < dataset->row_count; first += 5) {
        const int64_t left = dataset->row_count - first;
        CHECK_OK(snug_h5_read_rows(&source, dataset, first, left < 5 ? left : 5, &scratch,
                                   portions + first * dataset->row_bytes, &err));
    }
    CHECK(memcmp(rows, portions, (size_t)bytes) == 0);
    for (int64_t i = 0; i < dataset->block_count; i++) {
        const int64_t first = i * dataset->block_rows;
        const int64_t left = dataset->row_count - first;
        const int64_t count = left < dataset->block_rows ? left : dataset->block_rows;
        CHECK(snug_h5_block_bytes(dataset) <= (int64_t)sizeof portions);
        CHECK_OK(snug_h5_block_read(&source, dataset, i, &scratch, portions, &err));
        CHECK(memcmp(rows + first * dataset->row_bytes, portions,
                     (size_t)(count * dataset->row_bytes)) == 0);
    }
}

static double value_at(const snug_h5_dataset *dataset, const char *name, int64_t row, int64_t j)
{
    double value = NAN;
    const snug_h5_member *member = snug_h5_member_find(dataset, name);
    CHECK(member != NULL);
    snug_h5_to_f64(member, rows + row * dataset->row_bytes, j, 1, &value);
    return value;
}

static void check_session(const snug_h5_dataset *dataset)
{
    CHECK(dataset->row_count == ROWS && dataset->rank == 1);
    CHECK(snug_h5_member_find(dataset, "angles")->count == 3);
    CHECK(snug_h5_member_find(dataset, "emg")->count == 4);
    CHECK(snug_h5_member_find(dataset, "none") == NULL);
    read_all(dataset);
    for (int64_t i = 0; i < ROWS; i++) {
        CHECK(value_at(dataset, "time", i, 0) == (double)i / 2);
        for (int64_t j = 0; j < 3; j++) {
            CHECK(value_at(dataset, "angles", i, j) == (double)(10 * i + j));
        }
        for (int64_t j = 0; j < 4; j++) {
            float value = NAN;
            CHECK(value_at(dataset, "emg", i, j) == (double)i - (double)j / 4);
            snug_h5_to_f32(snug_h5_member_find(dataset, "emg"), rows + i * dataset->row_bytes, j, 1,
                           &value);
            CHECK(value == (float)((double)i - (double)j / 4));
        }
    }
}

/* value[i][j] = factor * (i * columns + j) */
static void check_matrix(snug_h5_file *file, const char *path, int64_t count, int64_t columns,
                         double factor)
{
    const snug_h5_dataset dataset = open_set(file, path);
    const snug_h5_member *member = &dataset.type.members[0];
    CHECK(dataset.row_count == count);
    CHECK(dataset.row_bytes == columns * dataset.type.bytes);
    read_all(&dataset);
    for (int64_t i = 0; i < count * columns; i++) {
        double value = NAN;
        snug_h5_to_f64(member, rows + i * dataset.type.bytes, 0, 1, &value);
        CHECK(value == factor * (double)i);
    }
}

static void sessions_with_every_filter(void **unused)
{
    static const struct {
        const char *path;
        int32_t filters;
    } cases[] = {{"/emg2pose/plain", 0},
                 {"/emg2pose/deflate", 1},
                 {"/emg2pose/shuffle_deflate", 2},
                 {"/emg2pose/fletcher", 1},
                 {"/emg2pose/all", 3},
                 {"/emg2pose/lzf", 1},
                 {"/emg2pose/shuffle_lzf_fletcher", 3}};
    (void)unused;
    for (int64_t f = 0; f < SNUG_COUNT(table_files); f++) {
        snug_h5_file *file = open_file(table_files[f]);
        snug_h5_dataset dataset = open_set(file, "/emg2pose/timeseries");
        CHECK(dataset.layout == SNUG_H5_CONTIGUOUS && snug_h5_scratch_bytes(&dataset) == 0);
        check_session(&dataset);
        dataset = open_set(file, "/emg2pose/swapped");
        check_session(&dataset);
        CHECK(value_at(&dataset, "flag", 36, 0) == 36.0);
        CHECK(snug_h5_member_find(&dataset, "time")->big_endian);
        for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
            dataset = open_set(file, cases[i].path);
            CHECK(dataset.layout == SNUG_H5_CHUNKED && dataset.block_rows == 8);
            CHECK(dataset.chunk_count == 5 && dataset.block_is_chunk);
            CHECK(dataset.filter_count == cases[i].filters);
            check_session(&dataset);
        }
    }
}

static void shapes_types_and_fill(void **unused)
{
    (void)unused;
    for (int64_t f = 0; f < SNUG_COUNT(table_files); f++) {
        snug_h5_file *file = open_file(table_files[f]);
        check_matrix(file, "/grid", 11, 7, 1.0);
        check_matrix(file, "/wide", 11, 7, 1.0);
        check_matrix(file, "/halves", 9, 5, 1.0);
        check_matrix(file, "/compact", 10, 1, 3.0);
        CHECK(open_set(file, "/compact").layout == SNUG_H5_COMPACT);
        CHECK(!open_set(file, "/grid").block_is_chunk && open_set(file, "/wide").block_is_chunk);

        snug_h5_dataset dataset = open_set(file, "/scalar");
        CHECK(dataset.rank == 0 && dataset.row_count == 1);
        read_all(&dataset);
        CHECK(value_at(&dataset, "", 0, 0) == 4.5);

        dataset = open_set(file, "/hole");
        read_all(&dataset);
        for (int64_t i = 0; i < 64; i++) {
            double value = NAN;
            snug_h5_to_f64(&dataset.type.members[0], rows + 4 * i, 0, 1, &value);
            CHECK(value == (i >= 32 && i < 48 ? (double)(i - 32) : -1.5));
        }
        dataset = open_set(file, "/never");
        read_all(&dataset);
        CHECK(value_at(&dataset, "", 4, 0) == 7.0);
        CHECK(dataset.data_address == SNUG_H5_NO_ADDRESS);

        dataset = open_set(file, "/nested");
        read_all(&dataset);
        CHECK(value_at(&dataset, "in.a", 5, 0) == 5.0 && value_at(&dataset, "in.b", 5, 0) == -5.0);
        CHECK(value_at(&dataset, "c", 5, 0) == 15.0);
    }
}

static void check_text(snug_h5_file *file, snug_h5_object group, const char *name,
                       const char *expected)
{
    char text[64] = "";
    snug_error err = {0};
    CHECK_OK(snug_h5_attribute_text(file, group, name, text, sizeof text, &err));
    CHECK(strcmp(text, expected) == 0);
}

static void attributes_and_texts(void **unused)
{
    static const char *const words[] = {"zero", "one", "", "three"};
    (void)unused;
    for (int64_t f = 0; f < SNUG_COUNT(table_files); f++) {
        snug_error err = {0};
        snug_h5_object group = {0};
        double rate = 0.0;
        int64_t number = 0;
        snug_h5_file *file = open_file(table_files[f]);
        CHECK_OK(snug_h5_find(file, "emg2pose", &group, &err));
        check_text(file, group, "side", "right");
        check_text(file, group, "user", "\xce\xb1-user");
        check_text(file, group, "fixed", "fixed text");
        CHECK_OK(snug_h5_attribute_f64(file, group, "sample_rate", &rate, &err));
        CHECK_OK(snug_h5_attribute_i64(file, group, "num_channels", &number, &err));
        CHECK(rate == 2000.0 && number == 16);
        CHECK_OK(snug_h5_attribute_i64(file, group, "big", &number, &err));
        CHECK(number == (INT64_C(1) << 62) + 1);
        CHECK_FAILS(snug_h5_attribute_f64(file, group, "vector", &rate, &err), SNUG_CODE_DATA);
        CHECK_FAILS(snug_h5_attribute_f64(file, group, "rate", &rate, &err), SNUG_CODE_NOT_FOUND);
        const snug_h5_dataset dataset = open_set(file, "/words");
        read_all(&dataset);
        for (int64_t i = 0; i < 4; i++) {
            char text[16];
            CHECK_OK(snug_h5_text_value(file, &dataset.type.members[0],
                                        rows + i * dataset.row_bytes, 0, text, sizeof text, &err));
            CHECK(strcmp(text, words[i]) == 0);
        }
    }
}

static void links(void **unused)
{
    (void)unused;
    for (int64_t f = 0; f < SNUG_COUNT(table_files); f++) {
        snug_error err = {0};
        snug_h5_object object = {0};
        snug_h5_file *file = open_file(table_files[f]);
        const snug_h5_dataset dataset = open_set(file, "/emg2pose/soft");
        check_session(&dataset);
        CHECK(open_set(file, "emg2pose//relative/").row_count == ROWS);
        CHECK_FAILS(snug_h5_find(file, "/emg2pose/circle", &object, &err), SNUG_CODE_LIMIT);
        CHECK_FAILS(snug_h5_find(file, "/emg2pose/outside", &object, &err), SNUG_CODE_UNSUPPORTED);
        CHECK_FAILS(snug_h5_find(file, "/emg2pose/timeserie", &object, &err), SNUG_CODE_NOT_FOUND);
        CHECK(strstr(err.message, "'timeseries'") != NULL);
        CHECK(object.address == 0);
    }
}

static void every_chunk_index(void **unused)
{
    snug_h5_dataset dataset = {0};
    (void)unused;
    snug_h5_file *file = open_file("v110.h5");
    check_matrix(file, "single", 100, 1, 3.0);
    check_matrix(file, "single_deflate", 100, 1, 3.0);
    check_matrix(file, "implicit", 100, 1, 3.0);
    check_matrix(file, "fixed", 100, 1, 3.0);
    check_matrix(file, "fixed_deflate", 100, 1, 3.0);
    check_matrix(file, "extensible", 100, 1, 3.0);
    check_matrix(file, "extensible_deflate", 100, 1, 3.0);
    check_matrix(file, "tree", 20, 12, 1.0);
    check_matrix(file, "tree_deflate", 20, 12, 1.0);
    check_matrix(file, "columns", 20, 12, 1.0);
    check_matrix(file, "columns_deflate", 20, 12, 1.0);
    check_matrix(file, "room", 20, 12, 1.0);
    check_matrix(file, "paged", 1500, 1, 3.0);
    check_matrix(file, "deep", 30, 20, 1.0);
    dataset = open_set(file, "far_hole");
    read_all(&dataset);
    for (int64_t i = 0; i < 4000; i++) {
        const double wanted = i >= 3000 && i < 3010 ? (double)(i - 3000) * 3 : -5.0;
        CHECK(value_at(&dataset, "", i, 0) == wanted);
    }
}

static void user_block_and_dense_groups(void **unused)
{
    snug_error err = {0};
    snug_h5_object group = {0};
    double value = 0.0;
    (void)unused;
    snug_h5_file *file = open_file("user_block.h5");
    snug_h5_dataset dataset = open_set(file, "/emg2pose/timeseries");
    check_session(&dataset);
    CHECK(dataset.chunks[0].address > 1024);

    file = open_file("dense.h5");
    dataset = open_set(file, "/many/t57");
    read_all(&dataset);
    CHECK(value_at(&dataset, "", 0, 0) == 57.0 && value_at(&dataset, "", 1, 0) == 114.0);
    CHECK_OK(snug_h5_find(file, "/many", &group, &err));
    CHECK_OK(snug_h5_attribute_f64(file, group, "a39", &value, &err));
    CHECK(value == 39.0 / 4);
    check_text(file, group, "text", "far away");
}

/* A file cut anywhere is refused with a line, and never read outside what there is. */
static void truncated_files_are_refused(void **unused)
{
    (void)unused;
    for (int64_t f = 0; f < SNUG_COUNT(table_files); f++) {
        load(table_files[f]);
        const int64_t whole = memory.bytes;
        for (int64_t bytes = 0; bytes < whole; bytes += 97) {
            snug_error err = {0};
            snug_h5_file *file = NULL;
            memory.bytes = bytes;
            source = snug_h5_bytes_from_memory(&memory);
            snug_arena_init(&arena, "hdf5", block, ARENA_BYTES);
            CHECK_FAILS(snug_h5_open(&source, &arena, &file, &err), SNUG_CODE_FORMAT);
            CHECK(file == NULL && arena.used_bytes == 0);
        }
    }
}

static void a_damaged_chunk_is_noticed(void **unused)
{
    snug_error err = {0};
    (void)unused;
    snug_h5_file *file = open_file("early.h5");
    const snug_h5_dataset summed = open_set(file, "/emg2pose/fletcher");
    const snug_h5_dataset packed = open_set(file, "/emg2pose/deflate");
    file_data[summed.chunks[2].address + 5] ^= 1;
    file_data[packed.chunks[1].address] ^= 0xff;
    CHECK_OK(snug_h5_read_rows(&source, &summed, 0, 16, &scratch, rows, &err));
    CHECK_FAILS(snug_h5_read_rows(&source, &summed, 16, 1, &scratch, rows, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "chunk 2") != NULL);
    CHECK_FAILS(snug_h5_read_rows(&source, &packed, 9, 1, &scratch, rows, &err), SNUG_CODE_FORMAT);
    snug_h5_scratch none = {.memory = scratch_memory, .memory_bytes = SCRATCH_BYTES};
    CHECK_FAILS(snug_h5_read_rows(&source, &packed, 0, 1, &none, rows, &err),
                SNUG_CODE_UNSUPPORTED);
    none.memory_bytes = 8;
    CHECK_FAILS(snug_h5_read_rows(&source, &packed, 0, 1, &none, rows, &err), SNUG_CODE_LIMIT);
}

static void a_full_arena_is_a_limit_and_rewound(void **unused)
{
    snug_error err = {0};
    snug_h5_file *file = NULL;
    snug_h5_object object = {0};
    snug_h5_dataset dataset = {0};
    static snug_arena small;
    (void)unused;
    load("early.h5");
    snug_arena_init(&arena, "hdf5", block, 4096);
    CHECK_FAILS(snug_h5_open(&source, &arena, &file, &err), SNUG_CODE_LIMIT);
    CHECK(file == NULL && arena.used_bytes == 0);
    file = open_file("early.h5");
    CHECK_OK(snug_h5_find(file, "/emg2pose/deflate", &object, &err));
    snug_arena_init(&small, "small", scratch_memory, 256);
    CHECK_FAILS(snug_h5_dataset_open(file, object, &small, &dataset, &err), SNUG_CODE_LIMIT);
    CHECK(small.used_bytes == 0 && dataset.row_count == 0);
}

int main(void)
{
    snug_error err = {0};
    scratch.memory = scratch_memory;
    scratch.memory_bytes = SCRATCH_BYTES;
    if (snug_failed(snug_h5_inflater_create(&scratch.inflater, &err))) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_with_every_filter),
        cmocka_unit_test(shapes_types_and_fill),
        cmocka_unit_test(attributes_and_texts),
        cmocka_unit_test(links),
        cmocka_unit_test(every_chunk_index),
        cmocka_unit_test(user_block_and_dense_groups),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(a_damaged_chunk_is_noticed),
        cmocka_unit_test(a_full_arena_is_a_limit_and_rewound),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snug_h5_inflater_destroy(scratch.inflater);
    return failed;
}
