/* labels: data */
/* Files of the official writers with every type there is: all are read, or refused in one line. */
#include "check.h"

#include "data/hf/tensor_set.h"
#include "sys/heap.h"

static char folder[SNUG_PATH_BYTES];
static snug_arena arena;
static snug_error err;
static unsigned char buffer[SNUG_SAFETENSORS_BUFFER_BYTES_MIN];

typedef struct tally {
    int64_t files, tensors, floats, refused;
} tally;

static void read_tensors(const snug_safetensors *file, tally *all)
{
    for (int64_t i = 0; i < file->entry_count; i++) {
        const snug_safetensors_entry *entry = &file->entries[i];
        const snug_tensor_layout layout = snug_tensor_layout_plain(&entry->shape);
        const int64_t count = snug_shape_count(&entry->shape);
        float *values = calloc((size_t)count + 1, sizeof *values);
        assert_non_null(values);
        all->tensors++;
        if (snug_file_dtype_is_float(entry->dtype)) {
            CHECK_OK(snug_safetensors_read_f32(file, entry, &layout, values, buffer, sizeof buffer,
                                               &err));
            all->floats++;
        } else {
            CHECK_FAILS(snug_safetensors_read_f32(file, entry, &layout, values, buffer,
                                                  sizeof buffer, &err),
                        SNUG_CODE_DATA);
            CHECK(strchr(err.message, '\n') == NULL);
        }
        free(values);
    }
}

static void read_folder(const char *name, tally *all)
{
    char path[SNUG_PATH_BYTES];
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    CHECK_OK(snug_path_join(folder, name, path, &err));
    CHECK_OK(snug_folder_list(path, &arena, &entries, &count, &err));
    for (int64_t i = 0; i < count; i++) {
        char file_path[SNUG_PATH_BYTES];
        snug_safetensors file = {0};
        if (strstr(entries[i].name, ".json") != NULL) {
            continue;
        }
        CHECK_OK(snug_path_join(path, entries[i].name, file_path, &err));
        all->files++;
        if (snug_safetensors_open(file_path, &arena, &file, &err) == SNUG_OK) {
            read_tensors(&file, all);
            snug_safetensors_close(&file);
        } else {
            CHECK(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
            all->refused++;
        }
    }
}

static void all_files_are_read(void **state)
{
    (void)state;
    tally all = {0};
    snug_tensor_set set = {0};
    char path[SNUG_PATH_BYTES];
    snug_heap_arena_init(&arena, "corpus", SNUG_CATEGORY_DATA, 1 << 20);
    read_folder("non_sharded", &all);
    read_folder("sharded", &all);
    print_message("%lld files, %lld tensors, %lld of them floating point, %lld files refused\n",
                  (long long)all.files, (long long)all.tensors, (long long)all.floats,
                  (long long)all.refused);
    CHECK(all.files == 9 && all.refused == 0);
    CHECK(all.tensors == 135 && all.floats == 45);

    CHECK_OK(snug_path_join(folder, "sharded", path, &err));
    CHECK_OK(snug_tensor_set_open(path, &arena, &set, &err));
    CHECK(set.shard_count == 6 && set.entry_count == 36);
    snug_tensor_set_close(&set);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
}

int main(void)
{
    const char *data = getenv("SNUG_DATA_DIR");
    if (data != NULL && data[0] != '\0') {
        (void)snprintf(folder, sizeof folder, "%s/formats/safetensors", data);
    } else {
        (void)snprintf(folder, sizeof folder, "%s/../shared/data/formats/safetensors",
                       SNUG_SOURCE_DIR);
    }
    if (snug_path_look(folder) != SNUG_PATH_FOLDER) {
        CHECK_SKIP_ALL("no '%s'; set SNUG_DATA_DIR", folder);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_files_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
