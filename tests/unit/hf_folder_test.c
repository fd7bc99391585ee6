/* Model folders: fixtures of transformers read to the bit, names matched, folders written whole. */
#include "check.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/hash.h"
#include "data/hf/hf_folder.h"
#include "data/hf/tensor_set.h"
#include "sys/heap.h"
#include "tensor/half.h"

enum { ITEMS_MAX = 64, VALUES_MAX = 4096 };

static const char *const fixtures = SNUG_SOURCE_DIR "/tests/fixtures/hf";
static const char *const new_parts[] = {"classifier.", "pooler.", NULL};
static _Alignas(SNUG_ALIGN) unsigned char buffer[2 << 20];
static char work[] = "./hf-folder-XXXXXX";
static snug_arena arena;
static snug_error err;

/* A model as a caller has it: matrices lie the other way in memory. */
static snug_safetensors_item items[ITEMS_MAX];
static float values[ITEMS_MAX][VALUES_MAX];
static int64_t item_count;

static int begin(void **state)
{
    (void)state;
    CHECK(mkdtemp(work) != NULL);
    snug_heap_arena_init(&arena, "hf test", SNUG_CATEGORY_DATA, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    CHECK_OK(snug_folder_remove(work, &err));
    return 0;
}

static const char *fixture(const char *name)
{
    static char path[SNUG_PATH_BYTES];
    CHECK_OK(snug_path_join(fixtures, name, path, &err));
    return path;
}

static const char *in_work(const char *name)
{
    static char paths[4][SNUG_PATH_BYTES];
    static int next;
    char *path = paths[next++ % 4];
    CHECK_OK(snug_path_join(work, name, path, &err));
    return path;
}

static void write_file(const char *name, const char *text)
{
    CHECK_OK(snug_file_write_all(in_work(name), text, (int64_t)strlen(text), &err));
}

/* The items of the f32 fixture: the model that all the others but roberta are, too. */
static void make_items(void)
{
    snug_tensor_set set = {0};
    CHECK_OK(snug_tensor_set_open(fixture("f32"), &arena, &set, &err));
    item_count = set.entry_count;
    CHECK(item_count == 41 && item_count <= ITEMS_MAX);
    for (int64_t i = 0; i < item_count; i++) {
        const snug_safetensors_entry *tensor = set.entries[set.by_name[i]].tensor;
        snug_tensor_layout layout = snug_tensor_layout_plain(&tensor->shape);
        if (layout.rank == 2 && strstr(tensor->name, "embeddings") == NULL) {
            layout.stride[0] = 1;
            layout.stride[1] = layout.extent[0];
        }
        CHECK(snug_shape_count(&tensor->shape) <= VALUES_MAX);
        items[i] =
            (snug_safetensors_item){.name = tensor->name, .layout = layout, .data = values[i]};
    }
    memset(values, 0, sizeof values);
    snug_tensor_set_close(&set);
}

/* Matches and reads all of a folder into the items; the report stays in `out_report`. */
static snug_tensor_match load(const char *folder, int64_t *entries, char *out_report,
                              int64_t report_bytes)
{
    snug_tensor_set set = {0};
    snug_tensor_match match = {0};
    snug_text report;
    const snug_tensor_match_options options = {.prefix = "bert.", .new_parts = new_parts};
    snug_text_init(&report, out_report, report_bytes);
    CHECK_OK(snug_tensor_set_open(folder, &arena, &set, &err));
    const int64_t used = arena.used_bytes;
    CHECK_OK(snug_tensor_set_match(&set, items, item_count, &options, &arena, entries, &match,
                                   &report, &err));
    CHECK(arena.used_bytes == used);
    for (int64_t i = 0; i < item_count; i++) {
        if (entries[i] >= 0) {
            CHECK_OK(snug_tensor_set_read(&set, entries[i], &items[i], buffer,
                                          SNUG_SAFETENSORS_BUFFER_BYTES_MIN, &err));
        }
    }
    snug_tensor_set_close(&set);
    return match;
}

/* The digest that the generator stored under this name. */
static void stored_digest(const char *name, char out[65])
{
    const char *text = NULL;
    int64_t bytes = 0;
    char key[64];
    CHECK_OK(snug_file_read_all(fixture("digests.txt"), 1 << 16, &arena, &text, &bytes, &err));
    (void)snprintf(key, sizeof key, "%s ", name);
    while (strncmp(text, key, strlen(key)) != 0) {
        text = strchr(text, '\n');
        assert_non_null(text);
        text++;
    }
    memcpy(out, text + strlen(key), 64);
    out[64] = '\0';
}

static void every_tensor_widens_as_in_torch(void **state)
{
    (void)state;
    static const char *const names[] = {"f32", "f16", "bf16", "sharded", "encoder", "roberta"};
    static float row[VALUES_MAX];
    for (int64_t f = 0; f < SNUG_COUNT(names); f++) {
        snug_tensor_set set = {0};
        snug_sha256 hash;
        char want[65], have[65];
        snug_sha256_init(&hash);
        CHECK_OK(snug_tensor_set_open(fixture(names[f]), &arena, &set, &err));
        CHECK((set.shard_count == 3) == (strcmp(names[f], "sharded") == 0));
        for (int64_t i = 0; i < set.entry_count; i++) {
            const int64_t entry = set.by_name[i];
            const snug_safetensors_entry *tensor = set.entries[entry].tensor;
            if (!snug_file_dtype_is_float(tensor->dtype)) {
                continue;
            }
            const snug_safetensors_item item = {.layout = snug_tensor_layout_plain(&tensor->shape),
                                                .data = row};
            CHECK(snug_shape_count(&tensor->shape) <= VALUES_MAX);
            CHECK(snug_tensor_set_find(&set, tensor->name) == entry);
            CHECK_OK(snug_tensor_set_read(&set, entry, &item, buffer, sizeof buffer, &err));
            snug_sha256_add(&hash, tensor->name, (int64_t)strlen(tensor->name));
            snug_sha256_add(&hash, row, 4 * snug_shape_count(&tensor->shape));
        }
        snug_sha256_hex(&hash, have);
        stored_digest(names[f], want);
        assert_string_equal(have, want);
        snug_tensor_set_close(&set);
    }
}

/* The generator's 65,536 patterns, over all exponents, against torch. */
static void numbers_narrow_as_in_torch(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        snug_sha256 hash;
        char want[65], have[65];
        snug_sha256_init(&hash);
        for (uint32_t i = 0; i < 65536; i++) {
            const float value = snug_f32_from_bits(i * 65537u + i * 40503u % 65536u);
            uint16_t half = kind == 0 ? snug_f16_from_f32(value) : snug_bf16_from_f32(value);
            half = isnan(value) ? 0x7fff : half;
            snug_sha256_add(&hash, &half, sizeof half);
        }
        snug_sha256_hex(&hash, have);
        stored_digest(kind == 0 ? "narrow_f16" : "narrow_bf16", want);
        assert_string_equal(have, want);
    }
}

static void names_are_found_under_any_prefix(void **state)
{
    (void)state;
    int64_t entries[ITEMS_MAX];
    char report[1024];
    make_items();
    snug_tensor_match match = load(fixture("f32"), entries, report, sizeof report);
    CHECK(match.found == 41 && match.fresh == 0 && match.unused == 0 && match.ignored == 0);
    assert_string_equal(match.prefix, "bert.");
    assert_string_equal(report, "41 of 41 tensors found under 'bert.'");
    /* query.weight[out, in] of the file is at [in, out] in memory. */
    int64_t query = 0;
    while (strcmp(items[query].name, "bert.encoder.layer.0.attention.self.query.weight") != 0) {
        query++;
    }
    const float there = values[query][3 * 16 + 5];
    match = load(fixture("sharded"), entries, report, sizeof report);
    CHECK(match.found == 41);
    CHECK(values[query][3 * 16 + 5] == snug_f16_to_f32(snug_f16_from_f32(there)) && there != 0.0f);

    match = load(fixture("encoder"), entries, report, sizeof report);
    CHECK(match.found == 39 && match.fresh == 2 && match.unused == 0 && match.ignored == 2);
    assert_string_equal(match.prefix, "");
    assert_string_equal(report, "39 of 41 tensors found; newly initialised: classifier.bias, "
                                "classifier.weight");
    CHECK(entries[39] == -1 && entries[40] == -1);
}

static void deep_prefixes_and_strangers(void **state)
{
    (void)state;
    static float numbers[6] = {1, 2, 3, 4, 5, 6}, got[4][6];
    const snug_shape two = snug_shape_1(2), matrix = snug_shape_2(2, 3);
    const snug_tensor_layout plain = snug_tensor_layout_plain(&two);
    const snug_tensor_layout full = snug_tensor_layout_plain(&matrix);
    /* A copy of the word embeddings elsewhere must not be taken for the model. */
    const snug_safetensors_item file[] = {
        {.name = "a.embeddings.word.weight", .layout = full, .data = numbers},
        {.name = "model.bert.embeddings.word.weight", .layout = full, .data = numbers},
        {.name = "model.bert.LayerNorm.beta", .layout = plain, .data = numbers + 2},
        {.name = "model.bert.position_ids", .layout = plain, .data = numbers},
        {.name = "model.classifier.bias", .layout = plain, .data = numbers + 4},
        {.name = "model.cls.predictions.bias", .layout = plain, .data = numbers},
        {.name = "odd", .layout = plain, .data = numbers}};
    snug_safetensors_item ours[] = {
        {.name = "classifier.bias", .layout = plain, .data = got[0]},
        {.name = "roberta.embeddings.word.weight", .layout = full, .data = got[1]},
        {.name = "LayerNorm.bias", .layout = plain, .data = got[2]},
        {.name = "classifier.weight", .layout = full, .data = got[3]}};
    snug_tensor_set set = {0};
    snug_tensor_match match = {0};
    snug_tensor_match_options options = {.prefix = "roberta.", .new_parts = new_parts};
    int64_t entries[4] = {7, 7, 7, 7};
    char words[512];
    snug_text report;
    snug_text_init(&report, words, sizeof words);
    CHECK_OK(snug_safetensors_write(in_work("one.safetensors"), file, 7, NULL, buffer,
                                    sizeof buffer, &err));
    CHECK_OK(snug_tensor_set_open(in_work("one.safetensors"), &arena, &set, &err));
    CHECK_OK(
        snug_tensor_set_match(&set, ours, 4, &options, &arena, entries, &match, &report, &err));
    assert_string_equal(match.prefix, "model.bert.");
    CHECK(match.found == 3 && match.fresh == 1 && match.unused == 2 && match.ignored == 2);
    assert_string_equal(words, "3 of 4 tensors found under 'model.bert.'; newly initialised: "
                               "classifier.weight; not used: 2 (a.embeddings.word.weight, odd)");
    CHECK(entries[0] == 4 && entries[1] == 1 && entries[2] == 2 && entries[3] == -1);

    /* Another number of labels is an error that shows both shapes, or a fresh classifier. */
    const snug_shape three = snug_shape_1(3);
    ours[0].layout = snug_tensor_layout_plain(&three);
    entries[0] = 7;
    CHECK_FAILS(snug_tensor_set_match(&set, ours, 4, &options, &arena, entries, &match, NULL, &err),
                SNUG_CODE_DATA);
    CHECK(strstr(err.message, "[2]") != NULL && strstr(err.message, "[3]") != NULL);
    CHECK(entries[0] == 7);
    options.new_when_shape_differs = true;
    CHECK_OK(snug_tensor_set_match(&set, ours, 4, &options, &arena, entries, &match, NULL, &err));
    CHECK(entries[0] == -1 && match.fresh == 2 && match.unused == 2);

    /* Without parts that may be new, what is missing is named. */
    options.new_parts = NULL;
    CHECK_FAILS(
        snug_tensor_set_match(&set, ours + 1, 3, &options, &arena, entries, &match, NULL, &err),
        SNUG_CODE_NOT_FOUND);
    CHECK(strstr(err.message, "classifier.weight") != NULL);
    snug_tensor_set_close(&set);
    CHECK_OK(snug_file_remove(in_work("one.safetensors"), &err));
}

static void bad_indexes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        snug_status code;
        const char *says;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", SNUG_CODE_FORMAT, "../one"},
        {"{\"weight_map\":{\"a\":\"/etc/one.safetensors\"}}", SNUG_CODE_FORMAT, "/etc"},
        {"{\"weight_map\":{\"a\":\"\\u002e./x.safetensors\"}}", SNUG_CODE_FORMAT, "plain"},
        {"{\"weight_map\":{\"a\":\"..\"}}", SNUG_CODE_FORMAT, "plain"},
        {"{\"weight_map\":{\"a\":\"\"}}", SNUG_CODE_FORMAT, "plain"},
        {"{\"weight_map\":{\"a\":\"one.bin\"}}", SNUG_CODE_UNSUPPORTED, "one.bin"},
        {"{\"weight_map\":{\"a\":\"two.safetensors\"}}", SNUG_CODE_NOT_FOUND, "two.safetensors"},
        {"{\"weight_map\":{\"b\":\"one.safetensors\"}}", SNUG_CODE_NOT_FOUND, "'b'"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"one.safetensors\"}}", SNUG_CODE_FORMAT,
         "twice"},
        {"{\"weight_map\":{\"a\":3}}", SNUG_CODE_FORMAT, "file name"},
        {"{\"weight_map\":[]}", SNUG_CODE_FORMAT, "object"},
        {"{\"metadata\":{}}", SNUG_CODE_FORMAT, "weight_map"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\"", SNUG_CODE_FORMAT, "ends"},
        {"", SNUG_CODE_FORMAT, "ends"},
    };
    const snug_shape one = {0};
    const float number = 1.0f;
    const snug_safetensors_item item = {
        .name = "a", .layout = snug_tensor_layout_plain(&one), .data = &number};
    CHECK_OK(snug_safetensors_write(in_work("one.safetensors"), &item, 1, NULL, buffer,
                                    sizeof buffer, &err));
    const int64_t used = arena.used_bytes;
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        snug_tensor_set set = {0};
        write_file(SNUG_HF_INDEX_NAME, cases[i].json);
        CHECK_FAILS(snug_tensor_set_open(work, &arena, &set, &err), cases[i].code);
        if (strstr(err.message, cases[i].says) == NULL) {
            print_error("%s: %s\n", cases[i].json, err.message);
            fail();
        }
        CHECK(set.shards == NULL && arena.used_bytes == used);
    }
    CHECK_OK(snug_file_remove(in_work(SNUG_HF_INDEX_NAME), &err));
    CHECK_OK(snug_file_remove(in_work("one.safetensors"), &err));
}

static void a_damaged_shard_is_one_clear_line(void **state)
{
    (void)state;
    static unsigned char file[64 << 10];
    snug_tensor_set set = {0};
    int64_t bytes = 0;
    char path[SNUG_PATH_BYTES];
    CHECK_OK(snug_path_join(fixture("f16"), SNUG_HF_WEIGHTS_NAME, path, &err));
    CHECK_OK(snug_file_read_into(path, (char *)file, sizeof file, &bytes, &err));
    for (int64_t cut = 0; cut < bytes; cut += 97) {
        CHECK_OK(snug_file_write_all(in_work("cut.safetensors"), file, cut, &err));
        CHECK_FAILS(snug_tensor_set_open(in_work("cut.safetensors"), &arena, &set, &err),
                    SNUG_CODE_FORMAT);
        CHECK(strstr(err.message, "cut.safetensors") != NULL);
        CHECK(strchr(err.message, '\n') == NULL);
    }
    CHECK_OK(snug_file_remove(in_work("cut.safetensors"), &err));
}

static void weights_of_torch_are_told_how_to_be_converted(void **state)
{
    (void)state;
    snug_tensor_set set = {0};
    CHECK_FAILS(snug_tensor_set_open(work, &arena, &set, &err), SNUG_CODE_NOT_FOUND);
    write_file("pytorch_model.bin", "x");
    CHECK_FAILS(snug_tensor_set_open(work, &arena, &set, &err), SNUG_CODE_UNSUPPORTED);
    CHECK(strstr(err.message, "save_file(") != NULL);
    CHECK_OK(snug_file_remove(in_work("pytorch_model.bin"), &err));
    CHECK_FAILS(snug_tensor_set_open("/no/such/folder", &arena, &set, &err), SNUG_CODE_NOT_FOUND);
}

/* Loads the f32 fixture and describes its copy. */
static snug_hf_folder copy_of_f32(snug_hf_config *config)
{
    static char source[SNUG_PATH_BYTES];
    int64_t entries[ITEMS_MAX];
    char report[1024];
    make_items();
    CHECK(load(fixture("f32"), entries, report, sizeof report).found == 41);
    CHECK_OK(snug_path_join(fixtures, "f32", source, &err));
    CHECK_OK(snug_hf_config_read(source, &arena, config, &err));
    return (snug_hf_folder){
        .items = items, .item_count = item_count, .config = config, .tokenizer_folder = source};
}

static void check_same_file(const char *a, const char *b)
{
    const char *text[2] = {NULL, NULL};
    int64_t bytes[2] = {0, 0};
    CHECK_OK(snug_file_read_all(a, 1 << 20, &arena, &text[0], &bytes[0], &err));
    CHECK_OK(snug_file_read_all(b, 1 << 20, &arena, &text[1], &bytes[1], &err));
    CHECK(bytes[0] == bytes[1] && memcmp(text[0], text[1], (size_t)bytes[0]) == 0);
}

static void a_written_folder_reads_back_the_same(void **state)
{
    (void)state;
    static float kept[ITEMS_MAX][VALUES_MAX];
    snug_hf_config config, again;
    int64_t entries[ITEMS_MAX];
    char report[1024], path[SNUG_PATH_BYTES];
    const char *labels[] = {"a", "b", "c"};
    snug_hf_folder folder = copy_of_f32(&config);
    const snug_hf_extra extra = {"label2id.json", "{}", 2};
    CHECK(config.num_labels == 3 && config.labels_are_named);
    assert_string_equal(config.labels[2], "\xe5\xa5\xbd");
    assert_string_equal(config.dtype, "float32");
    folder.changes = (snug_hf_config_changes){.labels = labels, .label_count = 3};
    folder.extras = &extra;
    folder.extra_count = 1;
    CHECK(snug_hf_folder_buffer_bytes(&folder) <= (int64_t)sizeof buffer);
    char to[SNUG_PATH_BYTES];
    CHECK_OK(snug_path_join(work, "deep/model/", to, &err));
    memcpy(kept, values, sizeof kept);
    for (int pass = 0; pass < 2; pass++) { /* The second takes the place of the first. */
        CHECK_OK(snug_hf_folder_write(to, &folder, buffer, sizeof buffer, &err));
        CHECK(snug_path_look(in_work("deep/.partial-model")) == SNUG_PATH_NONE);
        CHECK(snug_path_look(in_work("deep/model/label2id.json")) == SNUG_PATH_FILE);
        CHECK_OK(snug_path_join(fixture("f32"), "vocab.txt", path, &err));
        check_same_file(path, in_work("deep/model/vocab.txt"));
        CHECK_OK(snug_path_join(fixture("f32"), "tokenizer_config.json", path, &err));
        check_same_file(path, in_work("deep/model/tokenizer_config.json"));
        memset(values, 0, sizeof values);
        CHECK(load(to, entries, report, sizeof report).found == 41);
        assert_string_equal(report, "41 of 41 tensors found under 'bert.'");
        CHECK(memcmp(kept, values, sizeof kept) == 0);
        CHECK_OK(snug_hf_config_read(to, &arena, &again, &err));
        assert_string_equal(again.labels[2], "c");
        CHECK(again.vocab_size == config.vocab_size && again.hidden_act == config.hidden_act);
    }
    /* In place, the tokenizer files coming from the folder that is replaced. */
    folder.tokenizer_folder = in_work("deep/model");
    CHECK_OK(snug_hf_folder_write(to, &folder, buffer, sizeof buffer, &err));
    CHECK(snug_path_look(in_work("deep/model/vocab.txt")) == SNUG_PATH_FILE);
    /* Anything else that stands there is not lost. */
    write_file("deep/model/notes.txt", "mine");
    CHECK_FAILS(snug_hf_folder_write(to, &folder, buffer, sizeof buffer, &err), SNUG_CODE_USAGE);
    CHECK(strstr(err.message, "notes.txt") != NULL);
    CHECK(snug_path_look(in_work("deep/model/notes.txt")) == SNUG_PATH_FILE);
    CHECK_FAILS(snug_hf_folder_write("..", &folder, buffer, sizeof buffer, &err), SNUG_CODE_USAGE);
    CHECK_OK(snug_folder_remove(in_work("deep"), &err));
}

static void a_failed_write_leaves_nothing(void **state)
{
    (void)state;
    snug_hf_config config;
    snug_hf_folder folder = copy_of_f32(&config);
    /* A name that cannot be a file of the folder fails after all the others were written. */
    const snug_hf_extra bad = {"no/such/place", "x", 1};
    CHECK_OK(snug_hf_folder_write(in_work("model"), &folder, buffer, sizeof buffer, &err));
    folder.extras = &bad;
    folder.extra_count = 1;
    CHECK_FAILS(snug_hf_folder_write(in_work("model"), &folder, buffer, sizeof buffer, &err),
                SNUG_CODE_IO);
    CHECK(snug_path_look(in_work(".partial-model")) == SNUG_PATH_NONE);
    CHECK(snug_path_look(in_work("model/model.safetensors")) == SNUG_PATH_FILE);
    CHECK_FAILS(snug_hf_folder_write(in_work("other"), &folder, buffer, sizeof buffer, &err),
                SNUG_CODE_IO);
    CHECK(snug_path_look(in_work("other")) == SNUG_PATH_NONE);
    CHECK_OK(snug_folder_remove(in_work("model"), &err));
}

/* A limit on the size of files stands for a disk that is full in the middle of the weights. */
static void a_write_cut_short_leaves_nothing(void **state)
{
    (void)state;
    snug_hf_config config;
    struct rlimit before;
    snug_hf_folder folder = copy_of_f32(&config);
    CHECK_OK(snug_hf_folder_write(in_work("model"), &folder, buffer, sizeof buffer, &err));
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    const struct rlimit small = {.rlim_cur = 16 << 10, .rlim_max = before.rlim_max};
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &small) == 0);
    const snug_status replaced =
        snug_hf_folder_write(in_work("model"), &folder, buffer, sizeof buffer, &err);
    const snug_status made =
        snug_hf_folder_write(in_work("other"), &folder, buffer, sizeof buffer, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(replaced == SNUG_CODE_IO && made == SNUG_CODE_IO);
    CHECK(snug_path_look(in_work("other")) == SNUG_PATH_NONE);
    CHECK(snug_path_look(in_work(".partial-model")) == SNUG_PATH_NONE);
    CHECK(snug_path_look(in_work(".partial-other")) == SNUG_PATH_NONE);
    CHECK(snug_path_look(in_work("model/vocab.txt")) == SNUG_PATH_FILE);
    CHECK_OK(snug_folder_remove(in_work("model"), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_widens_as_in_torch),
        cmocka_unit_test(numbers_narrow_as_in_torch),
        cmocka_unit_test(names_are_found_under_any_prefix),
        cmocka_unit_test(deep_prefixes_and_strangers),
        cmocka_unit_test(bad_indexes_are_refused),
        cmocka_unit_test(a_damaged_shard_is_one_clear_line),
        cmocka_unit_test(weights_of_torch_are_told_how_to_be_converted),
        cmocka_unit_test(a_written_folder_reads_back_the_same),
        cmocka_unit_test(a_failed_write_leaves_nothing),
        cmocka_unit_test(a_write_cut_short_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
