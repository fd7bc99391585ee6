#include "check.h"

#include <unistd.h>

#include "data/hdf5/h5_describe.h"
#include "data/hdf5/h5_write.h"

enum { ARENA_BYTES = 4 << 20, ROWS = 1000, ROW_BYTES = 8 + 20 * 8 + 16 * 4 };
static _Alignas(SNUG_ALIGN) unsigned char block[ARENA_BYTES];
static char path[256];

static const snug_h5_write_member members[] = {
    {.name = "time", .kind = SNUG_H5_FLOAT, .bytes = 8, .count = 1},
    {.name = "joint_angles", .kind = SNUG_H5_FLOAT, .bytes = 8, .count = 20},
    {.name = "emg", .kind = SNUG_H5_FLOAT, .bytes = 4, .count = 16},
};
static const snug_h5_write_attribute attributes[] = {
    {.name = "session", .kind = SNUG_H5_WRITE_TEXT, .text = "2022-04-07 \xce\xb1"},
    {.name = "side", .kind = SNUG_H5_WRITE_TEXT, .text = "right"},
    {.name = "empty", .kind = SNUG_H5_WRITE_TEXT, .text = ""},
    {.name = "stage", .kind = SNUG_H5_WRITE_TEXT_FIXED, .text = "Counting"},
    {.name = "sample_rate", .kind = SNUG_H5_WRITE_F64, .f64 = 2000.0},
    {.name = "num_channels", .kind = SNUG_H5_WRITE_I64, .i64 = -16},
};

static snug_h5_write_options plain_options(void)
{
    return (snug_h5_write_options){.path = path,
                                   .group = "emg2pose",
                                   .dataset = "timeseries",
                                   .members = members,
                                   .member_count = SNUG_COUNT(members),
                                   .attributes = attributes,
                                   .attribute_count = SNUG_COUNT(attributes),
                                   .buffer_bytes = 777};
}

static void make_row(int64_t i, unsigned char *row)
{
    const double time = (double)i / 2000.0;
    memcpy(row, &time, 8);
    for (int64_t j = 0; j < 20; j++) {
        const double angle = (double)(i * 20 + j);
        memcpy(row + 8 + 8 * j, &angle, 8);
    }
    for (int64_t j = 0; j < 16; j++) {
        const float emg = (float)(i - j) * 0.25f;
        memcpy(row + 168 + 4 * j, &emg, 4);
    }
}

static void write_file(int64_t rows)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_h5_writer writer = {0};
    const snug_h5_write_options options = plain_options();
    snug_arena_init(&arena, "write", block, ARENA_BYTES);
    CHECK_OK(snug_h5_writer_open(&options, &arena, &writer, &err));
    CHECK(writer.row_bytes == ROW_BYTES);
    for (int64_t i = 0; i < rows; i++) {
        unsigned char row[ROW_BYTES];
        make_row(i, row);
        CHECK_OK(snug_h5_writer_rows(&writer, row, 1, &err));
    }
    CHECK(access(path, F_OK) != 0); /* Nothing under its name before the commit. */
    CHECK_OK(snug_h5_writer_commit(&writer, &err));
}

static void check_attributes(snug_h5_file *h5, snug_h5_object group)
{
    char text[64];
    double rate = 0.0;
    int64_t channels = 0;
    snug_error err = {0};
    CHECK_OK(snug_h5_attribute_text(h5, group, "session", text, sizeof text, &err));
    CHECK(strcmp(text, "2022-04-07 \xce\xb1") == 0);
    CHECK_OK(snug_h5_attribute_text(h5, group, "side", text, sizeof text, &err));
    CHECK(strcmp(text, "right") == 0);
    CHECK_OK(snug_h5_attribute_text(h5, group, "empty", text, sizeof text, &err));
    CHECK(text[0] == '\0');
    CHECK_OK(snug_h5_attribute_text(h5, group, "stage", text, sizeof text, &err));
    CHECK(strcmp(text, "Counting") == 0);
    CHECK_OK(snug_h5_attribute_f64(h5, group, "sample_rate", &rate, &err));
    CHECK_OK(snug_h5_attribute_i64(h5, group, "num_channels", &channels, &err));
    CHECK(rate == 2000.0 && channels == -16);
    CHECK_FAILS(snug_h5_attribute_i64(h5, group, "side", &channels, &err), SNUG_CODE_DATA);
    CHECK_FAILS(snug_h5_attribute_i64(h5, group, "sid", &channels, &err), SNUG_CODE_NOT_FOUND);
    CHECK_FAILS(snug_h5_attribute_text(h5, group, "side", text, 5, &err), SNUG_CODE_LIMIT);
    CHECK(channels == -16);
}

static void check_file(int64_t rows)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_file file = {0};
    snug_h5_file *h5 = NULL;
    snug_h5_object object = {0};
    snug_h5_dataset dataset = {0};
    snug_arena_init(&arena, "read", block, ARENA_BYTES);
    CHECK_OK(snug_file_open(path, &file, &err));
    const snug_h5_bytes source = snug_h5_bytes_from_file(&file);
    CHECK_OK(snug_h5_open(&source, &arena, &h5, &err));
    CHECK_OK(snug_h5_find(h5, "/emg2pose", &object, &err));
    CHECK(object.kind == SNUG_H5_OBJECT_GROUP);
    check_attributes(h5, object);
    CHECK_OK(snug_h5_find(h5, "emg2pose/timeseries", &object, &err));
    CHECK(object.kind == SNUG_H5_OBJECT_DATASET);
    CHECK_OK(snug_h5_dataset_open(h5, object, &arena, &dataset, &err));
    CHECK(dataset.row_count == rows && dataset.row_bytes == ROW_BYTES && dataset.rank == 1);
    CHECK(dataset.layout == SNUG_H5_CONTIGUOUS && dataset.type.member_count == 3);
    const snug_h5_member *emg = snug_h5_member_find(&dataset, "emg");
    CHECK(emg != NULL && emg->offset == 168 && emg->count == 16 && emg->bytes == 4);
    for (int64_t i = 0; i < rows; i++) {
        unsigned char wanted[ROW_BYTES];
        unsigned char found[ROW_BYTES];
        make_row(i, wanted);
        CHECK_OK(snug_h5_read_rows(&source, &dataset, i, 1, NULL, found, &err));
        CHECK(memcmp(wanted, found, ROW_BYTES) == 0);
    }
    snug_file_close(&file);
}

static void what_is_written_is_read(void **unused)
{
    static const int64_t counts[] = {0, 1, ROWS};
    (void)unused;
    for (int64_t i = 0; i < SNUG_COUNT(counts); i++) {
        write_file(counts[i]);
        check_file(counts[i]);
        CHECK(unlink(path) == 0);
    }
}

static void an_abort_leaves_nothing(void **unused)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_h5_writer writer = {0};
    char partial[300];
    const snug_h5_write_options options = plain_options();
    (void)unused;
    snug_arena_init(&arena, "write", block, ARENA_BYTES);
    CHECK_OK(snug_h5_writer_open(&options, &arena, &writer, &err));
    snug_h5_writer_abort(&writer);
    snug_h5_writer_abort(&writer);
    snug_h5_writer_abort(NULL);
    (void)snprintf(partial, sizeof partial, "%s.partial", path);
    CHECK(access(path, F_OK) != 0 && access(partial, F_OK) != 0);
}

static void impossible_options_are_refused(void **unused)
{
    static snug_arena arena;
    static char long_text[80000];
    snug_error err = {0};
    snug_h5_writer writer = {0};
    snug_h5_write_options options = plain_options();
    (void)unused;
    snug_arena_init(&arena, "write", block, ARENA_BYTES);
    options.group = "a/b";
    CHECK_FAILS(snug_h5_writer_open(&options, &arena, &writer, &err), SNUG_CODE_USAGE);
    options = plain_options();
    options.member_count = 0;
    CHECK_FAILS(snug_h5_writer_open(&options, &arena, &writer, &err), SNUG_CODE_USAGE);
    memset(long_text, 'x', sizeof long_text - 1);
    const snug_h5_write_attribute text = {
        .name = "t", .kind = SNUG_H5_WRITE_TEXT, .text = long_text};
    options = plain_options();
    options.attributes = &text;
    options.attribute_count = 1;
    CHECK_FAILS(snug_h5_writer_open(&options, &arena, &writer, &err), SNUG_CODE_LIMIT);
    CHECK(!writer.open && arena.used_bytes == 0 && access(path, F_OK) != 0);
}

static void a_description_says_it_all(void **unused)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_file file = {0};
    snug_h5_file *h5 = NULL;
    const snug_h5_description *items = NULL;
    int64_t count = 0;
    (void)unused;
    write_file(10);
    snug_arena_init(&arena, "read", block, ARENA_BYTES);
    CHECK_OK(snug_file_open(path, &file, &err));
    const snug_h5_bytes source = snug_h5_bytes_from_file(&file);
    CHECK_OK(snug_h5_open(&source, &arena, &h5, &err));
    CHECK_OK(snug_h5_describe(h5, &arena, &items, &count, &err));
    CHECK(count == 3);
    CHECK(strcmp(items[0].path, "/") == 0 && strcmp(items[1].path, "/emg2pose") == 0);
    CHECK(items[1].kind == SNUG_H5_OBJECT_GROUP && items[1].attribute_count == 6);
    CHECK(strcmp(items[1].attributes[1].name, "side") == 0);
    CHECK(strcmp(items[1].attributes[1].value, "right") == 0);
    CHECK(strcmp(items[1].attributes[4].value, "2000") == 0);
    CHECK(strcmp(items[2].path, "/emg2pose/timeseries") == 0 && items[2].dataset != NULL);
    CHECK(items[2].stored_bytes == 10 * ROW_BYTES && items[2].problem == NULL);
    snug_file_close(&file);
    CHECK(unlink(path) == 0);
}

int main(void)
{
    (void)snprintf(path, sizeof path, "hdf5_write_test_%ld.h5", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(an_abort_leaves_nothing),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(a_description_says_it_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
