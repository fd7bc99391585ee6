/* labels: data */
#include "check.h"

#include "base/json.h"
#include "sys/file.h"
#include "sys/heap.h"

/*
 * A public collection of JSON documents whose names say what a reader must do: y_ accept, n_
 * refuse, i_ as it likes (without a crash).
 */
static char folder[SNUG_PATH_BYTES];

static snug_status read_document(const char *data, int64_t bytes, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event = {.kind = SNUG_JSON_NULL};
    snug_json_reader_init(&reader, data, bytes);
    while (event.kind != SNUG_JSON_END) {
        SNUG_TRY(snug_json_next(&reader, &event, err));
    }
    return SNUG_OK;
}

static void names_say_what_must_happen(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_arena arena;
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    int64_t accepted = 0;
    int64_t refused = 0;
    int64_t wrong = 0;
    snug_heap_arena_init(&arena, "corpus", SNUG_CATEGORY_DATA, 1 << 20);
    CHECK_OK(snug_folder_list(folder, &arena, &entries, &count, &err));
    for (int64_t i = 0; i < count; i++) {
        char path[SNUG_PATH_BYTES];
        const char *data = NULL;
        int64_t bytes = 0;
        const char kind = entries[i].name[0];
        const snug_mark mark = snug_arena_mark(&arena);
        CHECK_OK(snug_path_join(folder, entries[i].name, path, &err));
        CHECK_OK(snug_file_read_all(path, 1 << 20, &arena, &data, &bytes, &err));
        const snug_status status = read_document(data, bytes, &err);
        snug_arena_rewind(&arena, mark);
        accepted += kind == 'y' && status == SNUG_OK;
        refused += kind == 'n' && status != SNUG_OK;
        if ((kind == 'y' && status != SNUG_OK) || (kind == 'n' && status == SNUG_OK)) {
            print_error("%s: %s\n", entries[i].name, snug_status_name(status));
            wrong++;
        }
    }
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    print_message("%lld accepted, %lld refused\n", (long long)accepted, (long long)refused);
    assert_int_equal(wrong, 0);
    CHECK(accepted > 50 && refused > 100);
}

int main(void)
{
    const char *data = getenv("SNUG_DATA_DIR");
    if (data != NULL && data[0] != '\0') {
        (void)snprintf(folder, sizeof folder, "%s/formats/json/test_parsing", data);
    } else {
        (void)snprintf(folder, sizeof folder, "%s/../shared/data/formats/json/test_parsing",
                       SNUG_SOURCE_DIR);
    }
    if (snug_path_look(folder) != SNUG_PATH_FOLDER) {
        CHECK_SKIP_ALL("no '%s'; set SNUG_DATA_DIR", folder);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_say_what_must_happen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
