/* labels: data fast */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/philox.h"
#include "data/text/text_source.h"
#include "sys/heap.h"

enum { MAX_LENGTH = 40, SAMPLES = 1003, VOCABULARY = 21128, LABELS = 7, PAD = 9 };

static snug_arena arena;
static char folder[64];
static char path[SNUG_PATH_BYTES];
static char key[SNUG_TOKEN_KEY_BYTES];

static int set_up(void **state)
{
    (void)state;
    memset(key, 'k', sizeof key - 1);
    snug_heap_arena_init(&arena, "tokens", SNUG_CATEGORY_DATA, 1 << 20);
    (void)snprintf(folder, sizeof folder, "text_source_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return snug_folder_remove(folder, NULL) != SNUG_OK;
}

static const char *at(const char *name)
{
    CHECK(snug_path_join(folder, name, path, NULL) == SNUG_OK);
    return path;
}

/* Sample `i` of the test's own set, a function of its number. */
typedef struct sample {
    int32_t length, label, first_pair;
    int32_t ids[MAX_LENGTH];
} sample;

static sample make_sample(int64_t i, int64_t vocabulary)
{
    const snug_philox_key random = snug_philox_stream(7, 1);
    const snug_philox_block head = snug_philox(random, (snug_philox_block){{(uint32_t)i, 99}});
    sample made = {.length = (int32_t)(head.word[0] % (MAX_LENGTH + 1)),
                   .label = (int32_t)(head.word[1] % (LABELS + 1)) - 1};
    /* Long enough to be told apart by their ids, or empty. */
    made.length = made.length > 0 && made.length < 3 ? 3 : made.length;
    made.first_pair = head.word[2] % 3 == 0 ? made.length / 2 : made.length;
    for (int32_t j = 0; j < made.length; j++) {
        const snug_philox_block word =
            snug_philox(random, (snug_philox_block){{(uint32_t)i, (uint32_t)j}});
        made.ids[j] = (int32_t)(word.word[0] % (uint32_t)vocabulary);
    }
    if (made.length > 0) {
        made.ids[0] = (int32_t)vocabulary - 1;
    }
    return made;
}

static void write_samples(const char *name, int64_t first, int64_t count, int64_t vocabulary)
{
    snug_error err = {0};
    snug_token_writer writer;
    const snug_mark mark = snug_arena_mark(&arena);
    CHECK_OK(snug_token_writer_open(&(snug_token_writer_options){.path = name,
                                                                 .key = key,
                                                                 .id_count = vocabulary,
                                                                 .max_length = MAX_LENGTH,
                                                                 .label_count = LABELS},
                                    &arena, &writer, &err));
    for (int64_t i = first; i < first + count; i++) {
        const sample made = make_sample(i, vocabulary);
        CHECK_OK(snug_token_writer_add(&writer, made.ids, made.length, made.label, made.first_pair,
                                       &err));
    }
    CHECK_OK(snug_token_writer_commit(&writer, &err));
    snug_arena_rewind(&arena, mark);
}

static snug_token_file open_file(const char *name)
{
    snug_error err = {0};
    snug_token_file file = {0};
    CHECK_OK(snug_token_file_open(name, key, &arena, &file, &err));
    return file;
}

/* Names in the folder, for what must not be left behind. */
static int64_t count_entries(void)
{
    snug_error err = {0};
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    CHECK_OK(snug_folder_list(folder, &arena, &entries, &count, &err));
    return count;
}

/* ---- Files of tokens ---- */

static void samples_come_back_as_they_were(void **state)
{
    (void)state;
    const int64_t vocabularies[] = {VOCABULARY, 65536, 65537};
    for (size_t v = 0; v < 3; v++) {
        snug_error err = {0};
        const int64_t before = count_entries();
        write_samples(at("a.tokens"), 0, SAMPLES, vocabularies[v]);
        CHECK(count_entries() == before + (v == 0 ? 1 : 0));
        snug_token_file file = open_file(path);
        int64_t labelled = 0;
        int64_t ids = 0;
        CHECK(file.header.count == SAMPLES && file.header.longest == MAX_LENGTH);
        CHECK(file.header.id_bytes == (v < 2 ? 2 : 4));
        for (int64_t i = SAMPLES - 1; i >= 0; i--) {
            const sample made = make_sample(i, vocabularies[v]);
            snug_token_entry entry;
            int32_t out[MAX_LENGTH + 1];
            out[made.length] = 42;
            CHECK_OK(snug_token_file_entry(&file, i, &entry, &err));
            CHECK(entry.length == made.length && entry.label == made.label);
            CHECK(entry.first_pair == made.first_pair);
            CHECK_OK(snug_token_file_ids(&file, &entry, out, &err));
            CHECK(memcmp(out, made.ids, (size_t)made.length * sizeof out[0]) == 0);
            CHECK(out[made.length] == 42);
            labelled += made.label >= 0 ? 1 : 0;
            ids += made.length;
        }
        CHECK(file.header.labelled == labelled && file.header.id_total == ids);
        snug_token_file_close(&file);
        snug_token_file_close(&file);
    }
}

static void an_empty_set_is_a_file_too(void **state)
{
    (void)state;
    write_samples(at("empty.tokens"), 0, 0, VOCABULARY);
    snug_token_file file = open_file(path);
    CHECK(file.header.count == 0 && file.file.bytes == SNUG_TOKEN_HEADER_BYTES);
    snug_token_file_close(&file);
}

static void the_hash_is_of_the_samples_alone(void **state)
{
    (void)state;
    write_samples(at("b.tokens"), 0, 20, VOCABULARY);
    snug_token_file file = open_file(path);
    const uint64_t hash = snug_token_file_hash(&file);
    snug_token_file_close(&file);
    key[0] = 'x';
    write_samples(at("c.tokens"), 0, 20, VOCABULARY);
    file = open_file(path);
    CHECK(snug_token_file_hash(&file) == hash);
    snug_token_file_close(&file);
    write_samples(path, 1, 20, VOCABULARY);
    file = open_file(path);
    CHECK(snug_token_file_hash(&file) != hash);
    snug_token_file_close(&file);
    key[0] = 'k';
}

static void other_content_and_damage_are_told_apart(void **state)
{
    static unsigned char bytes[1 << 16];
    (void)state;
    snug_error err = {0};
    snug_token_file file = {0};
    CHECK_FAILS(snug_token_file_open(at("nothing"), key, &arena, &file, &err), SNUG_CODE_IO);
    write_samples(at("d.tokens"), 0, 50, VOCABULARY);
    char other[SNUG_TOKEN_KEY_BYTES];
    memcpy(other, key, sizeof other);
    other[63] = 'o';
    CHECK_FAILS(snug_token_file_open(path, other, &arena, &file, &err), SNUG_CODE_DATA);
    CHECK(strstr(err.message, "was made of other data or settings") != NULL);

    const int fd = open(path, O_RDWR);
    const int64_t size = (int64_t)read(fd, bytes, sizeof bytes);
    CHECK(size > SNUG_TOKEN_HEADER_BYTES && size < (int64_t)sizeof bytes);
    const int64_t used = arena.used_bytes;
    /* Every byte matters, and so does every length. */
    for (int64_t i = 0; i < size; i++) {
        const unsigned char changed = bytes[i] ^ 0x10;
        CHECK(pwrite(fd, &changed, 1, i) == 1);
        CHECK_FAILS(snug_token_file_open(path, key, &arena, &file, &err), SNUG_CODE_FORMAT);
        CHECK(pwrite(fd, &bytes[i], 1, i) == 1);
    }
    CHECK(pwrite(fd, bytes, 1, size) == 1);
    CHECK_FAILS(snug_token_file_open(path, key, &arena, &file, &err), SNUG_CODE_FORMAT);
    for (int64_t cut = size - 1; cut >= 0; cut--) {
        CHECK(ftruncate(fd, cut) == 0);
        CHECK_FAILS(snug_token_file_open(path, key, &arena, &file, &err), SNUG_CODE_FORMAT);
    }
    (void)close(fd);
    CHECK(file.file.handle == 0 && arena.used_bytes == used);
    CHECK_OK(snug_file_write_all(path, bytes, size, &err));
    file = open_file(path);
    snug_token_file_close(&file);
}

/* What changes under an open file is noticed when it is read. */
static void a_sample_that_changed_is_not_taken(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_token_entry entry;
    int32_t out[MAX_LENGTH];
    write_samples(at("e.tokens"), 0, 50, VOCABULARY);
    snug_token_file file = open_file(path);
    int64_t index = 0;
    do {
        CHECK_OK(snug_token_file_entry(&file, index++, &entry, &err));
    } while (entry.length == 0);
    const int fd = open(path, O_RDWR);
    CHECK(pwrite(fd, "\x11", 1, SNUG_TOKEN_HEADER_BYTES + 2 * entry.first) == 1);
    (void)close(fd);
    CHECK_FAILS(snug_token_file_ids(&file, &entry, out, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "was changed while it was read") != NULL);
    snug_token_file_close(&file);
}

/* A kill at any time leaves nothing that is taken for whole, and the next run clears it up. */
static void a_killed_writer_leaves_nothing_that_is_taken(void **state)
{
    (void)state;
    char name[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s", at("killed.tokens"));
    const int64_t before = count_entries();
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        snug_token_writer writer;
        snug_error err = {0};
        CHECK_OK(snug_token_writer_open(&(snug_token_writer_options){.path = name,
                                                                     .key = key,
                                                                     .id_count = VOCABULARY,
                                                                     .max_length = MAX_LENGTH,
                                                                     .label_count = LABELS},
                                        &arena, &writer, &err));
        for (int64_t i = 0; i < 5000; i++) {
            const sample made = make_sample(i, VOCABULARY);
            CHECK_OK(snug_token_writer_add(&writer, made.ids, made.length, made.label,
                                           made.first_pair, &err));
        }
        (void)raise(SIGKILL);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(count_entries() == before + 2);
    snug_error err = {0};
    snug_token_file file = {0};
    CHECK_FAILS(snug_token_file_open(name, key, &arena, &file, &err), SNUG_CODE_IO);
    write_samples(name, 0, 10, VOCABULARY);
    CHECK(count_entries() == before + 1);
    file = open_file(name);
    CHECK(file.header.count == 10);
    snug_token_file_close(&file);

    /* Two at once: the second one is told, and an abort leaves nothing. */
    snug_token_writer first;
    snug_token_writer second;
    const snug_token_writer_options options = {
        .path = at("twice.tokens"), .key = key, .id_count = 10, .max_length = 2};
    CHECK_OK(snug_token_writer_open(&options, &arena, &first, &err));
    CHECK_FAILS(snug_token_writer_open(&options, &arena, &second, &err), SNUG_CODE_BUSY);
    CHECK(count_entries() == before + 3);
    snug_token_writer_abort(&first);
    snug_token_writer_abort(&first);
    CHECK(count_entries() == before + 1);
}

static void the_key_is_of_everything_that_matters(void **state)
{
    static char text[3 << 20];
    char keys[8][SNUG_TOKEN_KEY_BYTES];
    (void)state;
    snug_error err = {0};
    memset(text, 'x', sizeof text);
    CHECK_OK(snug_file_write_all(at("text.csv"), text, sizeof text, &err));
    const snug_token_key_parts parts = {path, "csv", 1, 2, 128};
    snug_token_key_parts other[5] = {parts, parts, parts, parts, parts};
    other[1].reading = "tsv";
    other[2].tokenizer_hash = 3;
    other[3].label_hash = 3;
    other[4].max_length = 64;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(snug_token_key(&other[i], keys[i], &err));
    }
    CHECK_OK(snug_token_key(&parts, keys[7], &err));
    assert_string_equal(keys[7], keys[0]);
    assert_int_equal(strlen(keys[0]), 64);
    /* The last byte, and the length. */
    text[sizeof text - 1] = 'y';
    CHECK_OK(snug_file_write_all(path, text, sizeof text, &err));
    CHECK_OK(snug_token_key(&parts, keys[5], &err));
    CHECK_OK(snug_file_write_all(path, text, sizeof text - 1, &err));
    CHECK_OK(snug_token_key(&parts, keys[6], &err));
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(keys[i], keys[j]) != 0);
        }
    }
    CHECK_FAILS(
        snug_token_key(&(snug_token_key_parts){.path = "nowhere", .reading = ""}, keys[0], &err),
        SNUG_CODE_IO);
}

/* ---- The source ---- */

static snug_source *open_source(const snug_text_source_options *options)
{
    snug_error err = {0};
    snug_source *source = NULL;
    const int64_t used = arena.used_bytes;
    CHECK_OK(snug_text_source_open(options, &arena, &source, &err));
    assert_int_equal(arena.used_bytes - used, snug_text_source_size(options));
    CHECK_OK(source->calls->schedule(source, true, NULL, 0, &err));
    return source;
}

/* Which sample of the test's own set this is, found by its ids; -1: none. */
static int64_t find_sample(const int32_t *ids, int32_t length, int32_t label)
{
    for (int64_t i = 0; i < SAMPLES; i++) {
        const sample made = make_sample(i, VOCABULARY);
        if (made.length == length && made.label == label &&
            memcmp(made.ids, ids, (size_t)length * sizeof ids[0]) == 0) {
            return i;
        }
    }
    return -1;
}

typedef struct batch_data {
    int32_t bucket;
    double normaliser;
    int32_t ids[64][MAX_LENGTH];
    int32_t types[64][MAX_LENGTH];
    int32_t length[64];
    int32_t label[64];
} batch_data;

/* Everything of one batch, fetched in pieces of `step` samples. */
static void fetch_batch(snug_source *source, const snug_source_batch *batch, int64_t step,
                        int32_t bucket_length, batch_data *out)
{
    static int32_t wide[64 * MAX_LENGTH];
    snug_error err = {0};
    CHECK_OK(source->calls->begin(source, batch, NULL, &err));
    *out = (batch_data){.bucket = source->calls->bucket(source),
                        .normaliser = source->calls->normaliser(source)};
    for (int64_t first = 0; first < batch->count; first += step) {
        for (int32_t stream = SNUG_TEXT_STREAM_COUNT - 1; stream >= 0; stream--) {
            const bool is_wide = stream <= SNUG_TEXT_TYPES;
            const int64_t count = first + step > batch->count ? batch->count - first : step;
            memset(wide, 0x55, sizeof wide);
            CHECK_OK(source->calls->fetch(source, &(snug_source_request){stream, first, step}, wide,
                                          &err));
            for (int64_t i = 0; i < count; i++) {
                if (is_wide) {
                    memcpy(stream == SNUG_TEXT_IDS ? out->ids[first + i] : out->types[first + i],
                           wide + i * bucket_length, (size_t)bucket_length * sizeof wide[0]);
                } else {
                    (stream == SNUG_TEXT_LENGTH ? out->length : out->label)[first + i] = wide[i];
                }
            }
            CHECK(wide[count * (is_wide ? bucket_length : 1)] == 0x55555555);
        }
    }
}

static const int32_t bucket_lengths[] = {10, 25, MAX_LENGTH};

static snug_text_source_options options_of(const snug_token_file *file)
{
    return (snug_text_source_options){.files = {file, file, NULL},
                                      .test_fraction = -1.0,
                                      .evaluation_part = SNUG_TEXT_VALIDATION,
                                      .bucket_count = 3,
                                      .bucket_length = {10, 25, MAX_LENGTH},
                                      .pad_id = PAD,
                                      .batch = 4,
                                      .seed = 5};
}

/* Ids, pads, types, length and label of every sample of a batch belong together. */
static void check_batch(const batch_data *data, int64_t count, bool *seen)
{
    const int32_t length = bucket_lengths[data->bucket];
    int32_t longest = 0;
    double labelled = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t found = find_sample(data->ids[i], data->length[i], data->label[i]);
        CHECK(found >= 0);
        const sample made = make_sample(found, VOCABULARY);
        for (int32_t j = 0; j < length; j++) {
            CHECK(data->ids[i][j] == (j < made.length ? made.ids[j] : PAD));
            CHECK(data->types[i][j] == (j >= made.first_pair && j < made.length ? 1 : 0));
        }
        longest = made.length > longest ? made.length : longest;
        labelled += made.label >= 0 ? 1.0 : 0.0;
        if (seen != NULL && made.length > 0) {
            CHECK(!seen[found]);
            seen[found] = true;
        }
    }
    CHECK(length >= longest && (data->bucket == 0 || bucket_lengths[data->bucket - 1] < longest));
    CHECK(data->normaliser == labelled);
}

static void an_epoch_has_every_sample_once_in_the_smallest_bucket(void **state)
{
    (void)state;
    write_samples(at("f.tokens"), 0, SAMPLES, VOCABULARY);
    snug_token_file file = open_file(path);
    for (int grouped = 0; grouped < 2; grouped++) {
        snug_text_source_options options = options_of(&file);
        options.group_by_length = grouped != 0;
        snug_source *source = open_source(&options);
        static batch_data data;
        static batch_data again;
        bool seen[SAMPLES] = {false};
        int64_t buckets[3] = {0};
        CHECK(source->calls->sample_count(source, true) == SAMPLES);
        for (int64_t first = 0; first < SAMPLES; first += 4) {
            const int64_t count = SAMPLES - first < 4 ? SAMPLES - first : 4;
            const snug_source_batch batch = {2, first, count, true};
            snug_error err = {0};
            CHECK_OK(source->calls->begin(source, &batch, NULL, &err));
            const int32_t length = bucket_lengths[source->calls->bucket(source)];
            fetch_batch(source, &batch, 1 + first % 4, length, &data);
            check_batch(&data, count, seen);
            buckets[data.bucket]++;
            if (first % 52 == 0) {
                /* The same bytes however it is cut, and after other batches. */
                const snug_source_batch other = {3, 0, 4, true};
                CHECK_OK(source->calls->begin(source, &other, NULL, &err));
                fetch_batch(source, &batch, 4, length, &again);
                CHECK(memcmp(&data, &again, sizeof data) == 0);
            }
        }
        for (int64_t i = 0; i < SAMPLES; i++) {
            CHECK(seen[i] || make_sample(i, VOCABULARY).length == 0);
        }
        /* Four random lengths of 0 to 40: hardly ever all below 11, unless they are grouped. */
        print_message("batches of each bucket: %lld %lld %lld\n", (long long)buckets[0],
                      (long long)buckets[1], (long long)buckets[2]);
        CHECK(grouped != 0 ? buckets[0] > 50 : buckets[0] < 10);
        source->calls->close(source);
    }
    snug_token_file_close(&file);
}

static void evaluation_reads_in_the_order_of_the_file(void **state)
{
    (void)state;
    static batch_data data;
    write_samples(at("g.tokens"), 0, 130, VOCABULARY);
    snug_token_file file = open_file(path);
    const snug_text_source_options options = options_of(&file);
    snug_source *source = open_source(&options);
    CHECK(source->calls->sample_count(source, false) == 130);
    /* Larger than the usual batch: places that are not kept are looked up again. */
    for (int64_t first = 0; first < 130; first += 50) {
        const int64_t count = 130 - first < 50 ? 130 - first : 50;
        fetch_batch(source, &(snug_source_batch){0, first, count, false}, 7, MAX_LENGTH, &data);
        CHECK(data.bucket == 2);
        check_batch(&data, count, NULL);
        for (int64_t i = 0; i < count; i++) {
            const sample made = make_sample(first + i, VOCABULARY);
            CHECK(data.length[i] == made.length && data.label[i] == made.label);
            CHECK(memcmp(data.ids[i], made.ids, (size_t)made.length * 4) == 0);
        }
    }
    snug_token_file_close(&file);
}

static void one_file_is_split_into_parts_that_do_not_meet(void **state)
{
    (void)state;
    snug_error err = {0};
    bool seen[SAMPLES] = {false};
    int64_t counts[SNUG_TEXT_PART_COUNT] = {0};
    int64_t total = 0;
    write_samples(at("h.tokens"), 0, SAMPLES, VOCABULARY);
    snug_token_file file = open_file(path);
    snug_text_source_options options = {.files = {&file}, .split_seed = 3};
    CHECK_OK(snug_text_source_count(&options, counts, &err));
    CHECK(counts[0] == 803 && counts[1] == 100 && counts[2] == 100);
    snug_source *source = open_source(&options);
    for (int part = 0; part < SNUG_TEXT_PART_COUNT; part++) {
        int64_t in_order = 0;
        int64_t last = -1;
        for (int64_t i = 0; i < counts[part]; i++) {
            const snug_text_place place = snug_text_source_locate(source, part, i);
            CHECK(place.file == &file && place.index >= 0 && place.index < SAMPLES);
            CHECK(!seen[place.index]);
            seen[place.index] = true;
            in_order += place.index > last ? 1 : 0;
            last = place.index;
        }
        CHECK(in_order < counts[part] * 7 / 10); /* The file may be sorted by label: shuffled. */
        total += counts[part];
    }
    CHECK(total == SAMPLES);

    snug_text_source_options other = options;
    other.split_seed = 4;
    snug_source *moved = open_source(&other);
    int64_t same = 0;
    for (int64_t i = 0; i < 100; i++) {
        same += snug_text_source_locate(moved, SNUG_TEXT_TEST, i).index ==
                        snug_text_source_locate(source, SNUG_TEXT_TEST, i).index
                    ? 1
                    : 0;
    }
    CHECK(same < 10);

    options.files[SNUG_TEXT_VALIDATION] = &file;
    CHECK_OK(snug_text_source_count(&options, counts, &err));
    CHECK(counts[0] == SAMPLES && counts[1] == SAMPLES && counts[2] == 0);
    options = (snug_text_source_options){
        .files = {&file}, .validation_fraction = 0.5, .test_fraction = 0.5};
    CHECK_FAILS(snug_text_source_count(&options, counts, &err), SNUG_CODE_DATA);
    assert_string_equal(err.message, "of 1003 rows the parts for validation and test leave none to "
                                     "train on");
    options = (snug_text_source_options){.files = {NULL, NULL, &file}};
    CHECK_OK(snug_text_source_count(&options, counts, &err));
    CHECK(counts[0] == 0 && counts[1] == 0 && counts[2] == SAMPLES);
    snug_token_file_close(&file);
}

static void orders_differ_by_epoch_and_seed_and_nothing_else(void **state)
{
    (void)state;
    static batch_data data[5];
    write_samples(at("i.tokens"), 0, SAMPLES, VOCABULARY);
    snug_token_file file = open_file(path);
    for (int grouped = 0; grouped < 2; grouped++) {
        snug_text_source_options options = options_of(&file);
        options.bucket_count = 0;
        options.group_by_length = grouped != 0;
        snug_source *source = open_source(&options);
        snug_source *twin = open_source(&options);
        options.seed = 6;
        snug_source *other = open_source(&options);
        const snug_source_batch batch = {0, 400, 4, true};
        const snug_source_batch later = {1, 400, 4, true};
        fetch_batch(source, &later, 4, MAX_LENGTH, &data[0]);
        fetch_batch(source, &batch, 4, MAX_LENGTH, &data[1]);
        fetch_batch(twin, &batch, 3, MAX_LENGTH, &data[2]);
        fetch_batch(other, &batch, 4, MAX_LENGTH, &data[3]);
        CHECK(memcmp(&data[1], &data[2], sizeof data[0]) == 0);
        CHECK(memcmp(&data[1], &data[0], sizeof data[0]) != 0);
        CHECK(memcmp(&data[1], &data[3], sizeof data[0]) != 0);
    }
    snug_token_file_close(&file);
}

static void wrong_use_is_refused(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_source *source = NULL;
    int32_t out[4] = {42};
    write_samples(at("j.tokens"), 0, 30, VOCABULARY);
    snug_token_file file = open_file(path);
    snug_text_source_options options = options_of(&file);
    options.bucket_length[1] = 10;
    CHECK_FAILS(snug_text_source_open(&options, &arena, &source, &err), SNUG_CODE_USAGE);
    assert_string_equal(err.message, "bucket 1 has length 10: the lengths have to rise");
    options = options_of(&file);
    options.bucket_count = 2;
    CHECK_FAILS(snug_text_source_open(&options, &arena, &source, &err), SNUG_CODE_USAGE);
    assert_string_equal(err.message, "the last bucket has length 25, max_length is 40");
    options.max_length = 25;
    CHECK_FAILS(snug_text_source_open(&options, &arena, &source, &err), SNUG_CODE_DATA);
    CHECK(strstr(err.message, "prepare the data again") != NULL);
    CHECK(source == NULL);
    options = options_of(&file);
    source = open_source(&options);
    const snug_source_request request = {SNUG_TEXT_LABEL, 0, 1};
    CHECK_FAILS(source->calls->fetch(source, &request, out, &err), SNUG_CODE_USAGE);
    CHECK_FAILS(source->calls->begin(source, &(snug_source_batch){0, 28, 3, true}, NULL, &err),
                SNUG_CODE_USAGE);
    CHECK_OK(source->calls->begin(source, &(snug_source_batch){0, 27, 3, true}, NULL, &err));
    const snug_source_request none = {SNUG_TEXT_STREAM_COUNT, 0, 1};
    CHECK_FAILS(source->calls->fetch(source, &none, out, &err), SNUG_CODE_USAGE);
    CHECK(out[0] == 42);
    CHECK_FAILS(source->calls->schedule(source, true, &none, 1, &err), SNUG_CODE_USAGE);
    snug_token_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_back_as_they_were),
        cmocka_unit_test(an_empty_set_is_a_file_too),
        cmocka_unit_test(the_hash_is_of_the_samples_alone),
        cmocka_unit_test(other_content_and_damage_are_told_apart),
        cmocka_unit_test(a_sample_that_changed_is_not_taken),
        cmocka_unit_test(a_killed_writer_leaves_nothing_that_is_taken),
        cmocka_unit_test(the_key_is_of_everything_that_matters),
        cmocka_unit_test(an_epoch_has_every_sample_once_in_the_smallest_bucket),
        cmocka_unit_test(evaluation_reads_in_the_order_of_the_file),
        cmocka_unit_test(one_file_is_split_into_parts_that_do_not_meet),
        cmocka_unit_test(orders_differ_by_epoch_and_seed_and_nothing_else),
        cmocka_unit_test(wrong_use_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
