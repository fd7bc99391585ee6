/* safetensors: what is written is read back in any layout, and hostile headers are refused. */
#include "check.h"

#include <unistd.h>

#include "data/tensor_file/safetensors.h"
#include "data/tensor_file/safetensors_header.h"

static _Alignas(SNUG_ALIGN) unsigned char memory[1 << 20];
static unsigned char buffer[1 << 18];

static void round_trip_with_a_transposed_layout(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_arena arena = {0};
    snug_safetensors file = {0};
    char path[] = "safetensors-XXXXXX";
    float matrix[6] = {1, 2, 3, 4, 5, 6}; /* [2, 3] */
    float scalar = 7.5F, back[6] = {0}, plain[6] = {0};
    const snug_tensor_layout transposed = {.rank = 2, .extent = {3, 2}, .stride = {1, 3}};
    const snug_shape none = {0}, shape = snug_shape_2(3, 2);
    const snug_safetensors_item items[] = {{"a.weight", transposed, matrix},
                                           {"scale", snug_tensor_layout_plain(&none), &scalar}};
    const char *metadata[] = {"format", "pt", NULL};

    const int handle = mkstemp(path);
    CHECK(handle >= 0);
    (void)close(handle);
    CHECK_OK(snug_safetensors_write(path, items, 2, metadata, buffer, sizeof buffer, &err));
    snug_arena_init(&arena, "test", memory, sizeof memory);
    CHECK_OK(snug_safetensors_open(path, &arena, &file, &err));
    CHECK(file.entry_count == 2);
    const snug_safetensors_entry *entry = snug_safetensors_find(&file, "a.weight");
    CHECK(entry != NULL && snug_shape_equal(&entry->shape, &shape));
    CHECK(snug_safetensors_find(&file, "b") == NULL);
    CHECK_OK(
        snug_safetensors_read_f32(&file, entry, &transposed, back, buffer, sizeof buffer, &err));
    CHECK(memcmp(back, matrix, sizeof matrix) == 0);
    const snug_tensor_layout straight = snug_tensor_layout_plain(&shape);
    CHECK_OK(
        snug_safetensors_read_f32(&file, entry, &straight, plain, buffer, sizeof buffer, &err));
    const float expected[6] = {1, 4, 2, 5, 3, 6};
    CHECK(memcmp(plain, expected, sizeof expected) == 0);
    const snug_shape wrong = snug_shape_2(2, 3);
    const snug_tensor_layout other = snug_tensor_layout_plain(&wrong);
    CHECK_FAILS(snug_safetensors_read_f32(&file, entry, &other, plain, buffer, sizeof buffer, &err),
                SNUG_CODE_DATA);
    CHECK(strstr(err.message, "[3, 2]") != NULL);
    snug_safetensors_close(&file);
    CHECK(unlink(path) == 0);
}

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        snug_status code;
    } cases[] = {
        {"", SNUG_CODE_FORMAT},
        {"[]", SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}}", SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[96,104]}}", SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F7\",\"shape\":[2],\"data_offsets\":[0,8]}}", SNUG_CODE_UNSUPPORTED},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}x", SNUG_CODE_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snug_error err = {0};
        snug_arena arena = {0};
        snug_safetensors_entry *entries = NULL;
        int64_t count = 0;
        snug_arena_init(&arena, "test", memory, sizeof memory);
        CHECK_FAILS(snug_safetensors_parse(cases[i].json, (int64_t)strlen(cases[i].json), 100,
                                           &arena, &entries, &count, &err),
                    cases[i].code);
        CHECK(entries == NULL && count == 0);
    }
}

static void a_header_longer_than_the_file_is_refused(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_arena arena = {0};
    snug_safetensors file = {0};
    char path[] = "safetensors-XXXXXX";
    const unsigned char bytes[] = {255, 255, 255, 255, 255, 255, 255, 127, '{', '}'};
    const int handle = mkstemp(path);
    CHECK(handle >= 0 && write(handle, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    (void)close(handle);
    snug_arena_init(&arena, "test", memory, sizeof memory);
    CHECK_FAILS(snug_safetensors_open(path, &arena, &file, &err), SNUG_CODE_FORMAT);
    CHECK(file.entries == NULL && arena.used_bytes == 0);
    CHECK(strstr(err.message, path) != NULL);
    CHECK(unlink(path) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_with_a_transposed_layout),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(a_header_longer_than_the_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
