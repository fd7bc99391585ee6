/* safetensors: what is written is read back in any layout, and hostile headers are refused. */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "data/tensor_file/safetensors.h"
#include "data/tensor_file/safetensors_header.h"
#include "tensor/half.h"

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
    const snug_safetensors_item items[] = {
        {.name = "a.weight", .layout = transposed, .data = matrix},
        {.name = "scale", .layout = snug_tensor_layout_plain(&none), .data = &scalar}};
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
        /* The same name twice. */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
         SNUG_CODE_FORMAT},
        /* Products and offsets beyond 64 bits, more axes than there are, an end before its start.
         */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551615,3]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}",
         SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", SNUG_CODE_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", SNUG_CODE_FORMAT},
        /* An empty tensor in the middle of another. */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}",
         SNUG_CODE_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snug_error err = {0};
        snug_arena arena = {0};
        snug_safetensors index = {0};
        snug_arena_init(&arena, "test", memory, sizeof memory);
        CHECK_FAILS(snug_safetensors_parse(cases[i].json, (int64_t)strlen(cases[i].json), 100,
                                           &arena, &index, &err),
                    cases[i].code);
        CHECK(index.entries == NULL && index.entry_count == 0);
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

static void a_header_of_depth_100000_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    static char json[2 * DEPTH + 16];
    snug_error err = {0};
    snug_arena arena = {0};
    snug_safetensors index = {0};
    snug_arena_init(&arena, "test", memory, sizeof memory);
    memcpy(json, "{\"a\":", 5);
    memset(json + 5, '[', DEPTH);
    memset(json + 5 + DEPTH, ']', DEPTH);
    json[5 + 2 * DEPTH] = '}';
    CHECK_FAILS(snug_safetensors_parse(json, 6 + 2 * DEPTH, 0, &arena, &index, &err),
                SNUG_CODE_LIMIT);
    /* The same under a key of an entry that is passed over. */
    memcpy(json, "{\"a\":{\"extra\":", 14);
    CHECK_FAILS(snug_safetensors_parse(json, 6 + 2 * DEPTH, 0, &arena, &index, &err),
                SNUG_CODE_LIMIT);
    CHECK(index.entries == NULL);
}

static void empty_tensors_stand_anywhere_between_others(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_arena arena = {0};
    snug_safetensors index = {0};
    const char json[] = "{\"full\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        "\"z\":{\"dtype\":\"I8\",\"shape\":[3,0],\"data_offsets\":[8,8]},"
                        "\"a\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    snug_arena_init(&arena, "test", memory, sizeof memory);
    CHECK_OK(snug_safetensors_parse(json, (int64_t)strlen(json), 8, &arena, &index, &err));
    CHECK(index.entry_count == 3);
    CHECK(strcmp(index.entries[index.by_name[0]].name, "a") == 0);
    CHECK(snug_safetensors_find(&index, "z")->dtype == SNUG_FILE_I8);
}

/* The formula of the format, in double. */
static double f16_value(uint32_t half)
{
    const double sign = (half & 0x8000u) != 0 ? -1.0 : 1.0;
    const int exponent = (int)(half >> 10 & 31u);
    const double fraction = (double)(half & 1023u);
    return sign * (exponent == 0 ? ldexp(fraction, -24) : ldexp(1024.0 + fraction, exponent - 25));
}

static void every_f16_widens_and_narrows(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        const float value = snug_f16_to_f32((uint16_t)half);
        if ((half & 0x7fffu) > 0x7c00u) {
            CHECK(isnan(value) && isnan(snug_f16_to_f32(snug_f16_from_f32(value))));
            CHECK((signbit(value) != 0) == ((half & 0x8000u) != 0));
            continue;
        }
        CHECK(snug_f16_from_f32(value) == half);
        if ((half & 0x7fffu) == 0x7c00u) {
            CHECK(isinf(value));
            continue;
        }
        CHECK((double)value == f16_value(half));
    }
    CHECK(signbit(snug_f16_to_f32(0x8000)));
}

static void narrowing_to_f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    /* Between neighbours: the middle goes to the even one, a hair beside it to the nearer one. The
     * last middle is 65520, above which there is only infinity. */
    for (uint32_t half = 0; half < 0x7c00u; half++) {
        const double upper = half + 1 == 0x7c00u ? 65536.0 : f16_value(half + 1);
        const float middle = (float)((f16_value(half) + upper) / 2.0);
        const uint32_t even = half % 2 == 0 ? half : half + 1;
        CHECK(snug_f16_from_f32(middle) == even);
        CHECK(snug_f16_from_f32(-middle) == (even | 0x8000u));
        CHECK(snug_f16_from_f32(nextafterf(middle, 0.0f)) == half);
        CHECK(snug_f16_from_f32(nextafterf(middle, INFINITY)) == half + 1);
    }
    CHECK(snug_f16_from_f32(1e30f) == 0x7c00u && snug_f16_from_f32(-INFINITY) == 0xfc00u);
}

static void narrowing_to_bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7f80u; half++) {
        const uint32_t bits = half << 16;
        const uint32_t even = half % 2 == 0 ? half : half + 1;
        CHECK(snug_bf16_from_f32(snug_bf16_to_f32((uint16_t)half)) == half);
        CHECK(snug_bf16_from_f32(snug_f32_from_bits(bits | 0x8000u)) == even);
        CHECK(snug_bf16_from_f32(snug_f32_from_bits(bits | 0x7fffu)) == half);
        CHECK(snug_bf16_from_f32(snug_f32_from_bits(bits | 0x8001u)) == half + 1);
        CHECK(snug_bf16_from_f32(snug_f32_from_bits(bits | 0x80008000u)) == (even | 0x8000u));
    }
    CHECK(snug_bf16_from_f32(INFINITY) == 0x7f80u);
    CHECK(isnan(snug_bf16_to_f32(snug_bf16_from_f32(snug_f32_from_bits(0x7f800001u)))));
    CHECK(isnan(snug_bf16_to_f32(snug_bf16_from_f32(snug_f32_from_bits(0xffffffffu)))));
}

static void narrow_and_other_types_make_the_trip(void **state)
{
    (void)state;
    enum { ROWS = 37, COLUMNS = 301 };
    static float matrix[ROWS * COLUMNS], back[ROWS * COLUMNS];
    snug_error err = {0};
    snug_arena arena = {0};
    snug_safetensors file = {0};
    char path[] = "safetensors-XXXXXX";
    int32_t numbers[6] = {1, -2, 3, INT32_MIN, 5, INT32_MAX}, numbers_back[6] = {0};
    const unsigned char bytes[3] = {0, 200, 255};
    unsigned char bytes_back[3] = {9, 9, 9};
    const snug_shape three = snug_shape_1(3), six = snug_shape_1(6);
    /* In memory [COLUMNS, ROWS]; in the file [ROWS, COLUMNS]. */
    const snug_tensor_layout turned = {.rank = 2, .extent = {ROWS, COLUMNS}, .stride = {1, ROWS}};
    const snug_safetensors_item items[] = {
        {.name = "b", .layout = turned, .data = matrix, .file_type = SNUG_FILE_BF16},
        {.name = "h", .layout = turned, .data = matrix, .file_type = SNUG_FILE_F16},
        {.name = "n",
         .layout = snug_tensor_layout_plain(&six),
         .data = numbers,
         .memory = SNUG_I32},
        {.name = "u",
         .layout = snug_tensor_layout_plain(&three),
         .data = bytes,
         .memory = SNUG_U8}};
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        matrix[i] = (float)(i - 5000) * 1.0009765f;
    }
    matrix[7] = NAN;
    const int handle = mkstemp(path);
    CHECK(handle >= 0);
    (void)close(handle);
    CHECK_OK(snug_safetensors_write(path, items, 4, NULL, buffer, sizeof buffer, &err));
    CHECK(snug_safetensors_item_bytes(&items[0]) == 2 * ROWS * COLUMNS);
    snug_arena_init(&arena, "test", memory, sizeof memory);
    CHECK_OK(snug_safetensors_open(path, &arena, &file, &err));
    const snug_safetensors_entry *entry = snug_safetensors_find(&file, "b");
    CHECK(entry != NULL && entry->dtype == SNUG_FILE_BF16);
    CHECK_OK(snug_safetensors_read_f32(&file, entry, &turned, back, buffer,
                                       SNUG_SAFETENSORS_BUFFER_BYTES_MIN, &err));
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        const float want = snug_bf16_to_f32(snug_bf16_from_f32(matrix[i]));
        CHECK(back[i] == want || (i == 7 && isnan(back[i])));
    }
    entry = snug_safetensors_find(&file, "h");
    CHECK_OK(snug_safetensors_read_f32(&file, entry, &turned, back, buffer, sizeof buffer, &err));
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        CHECK(fabsf(back[i] - matrix[i]) <= fabsf(matrix[i]) * 0x1p-11f || i == 7);
    }
    CHECK(isnan(back[7]));
    entry = snug_safetensors_find(&file, "n");
    CHECK_OK(snug_safetensors_read(&file, entry, &items[2].layout, SNUG_I32, numbers_back, buffer,
                                   sizeof buffer, &err));
    CHECK(memcmp(numbers, numbers_back, sizeof numbers) == 0);
    CHECK_FAILS(snug_safetensors_read_f32(&file, entry, &items[2].layout, back, buffer,
                                          sizeof buffer, &err),
                SNUG_CODE_DATA);
    CHECK(strstr(err.message, "I32") != NULL);
    CHECK_OK(snug_safetensors_read(&file, snug_safetensors_find(&file, "u"), &items[3].layout,
                                   SNUG_U8, bytes_back, buffer, sizeof buffer, &err));
    CHECK(memcmp(bytes, bytes_back, sizeof bytes) == 0);
    snug_safetensors_close(&file);
    CHECK(unlink(path) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_with_a_transposed_layout),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(a_header_longer_than_the_file_is_refused),
        cmocka_unit_test(a_header_of_depth_100000_is_refused),
        cmocka_unit_test(empty_tensors_stand_anywhere_between_others),
        cmocka_unit_test(every_f16_widens_and_narrows),
        cmocka_unit_test(narrowing_to_f16_rounds_to_nearest_even),
        cmocka_unit_test(narrowing_to_bf16_rounds_to_nearest_even),
        cmocka_unit_test(narrow_and_other_types_make_the_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
