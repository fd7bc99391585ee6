/* labels: data */
#include "check.h"

#include "base/hash.h"
#include "data/csv/csv.h"
#include "data/token/tokenizer.h"
#include "sys/file.h"
#include "sys/heap.h"

/*
 * Every line of the real text sets against digests.txt of tools/vectors/make_wordpiece_vectors.py
 * and make_bpe_vectors.py: the ids of each, then -1.
 */
enum { FILE_BYTES_MAX = 64 << 20, IDS_MAX = 1 << 16 };

static char folder[SNUG_PATH_BYTES];

typedef struct stream {
    const snug_tokenizer *tokenizer;
    snug_sha256 hash;
    int64_t lines;
    int64_t tokens;
} stream;

static void add_line(stream *self, const char *text, int64_t bytes)
{
    static int32_t ids[IDS_MAX + 1];
    unsigned char out[4];
    snug_error err = {0};
    int64_t count = 0;
    CHECK_OK(snug_tokenizer_encode(self->tokenizer, text, bytes, ids, IDS_MAX, &count, &err));
    ids[count] = -1;
    for (int64_t i = 0; i <= count; i++) {
        for (int32_t k = 0; k < 4; k++) {
            out[k] = (unsigned char)((uint32_t)ids[i] >> (8 * k));
        }
        snug_sha256_add(&self->hash, out, sizeof out);
    }
    self->lines++;
    self->tokens += count;
}

/* The last field of every record, the header's too. */
static void add_csv(stream *self, const char *path, snug_arena *arena)
{
    snug_error err = {0};
    snug_file file = {0};
    snug_csv_reader reader = {0};
    bool more = true;
    CHECK_OK(snug_file_open(path, &file, &err));
    const snug_byte_source source = snug_byte_source_of_file(&file);
    CHECK_OK(snug_csv_open(&source, NULL, arena, &reader, &err));
    for (;;) {
        CHECK_OK(snug_csv_next(&reader, &more, &err));
        if (!more) {
            break;
        }
        const snug_csv_field *const field = &reader.fields[reader.field_count - 1];
        add_line(self, field->text, field->bytes);
    }
    snug_file_close(&file);
}

/* The part of every line before the tab. */
static void add_titles(stream *self, const char *path, snug_arena *arena)
{
    snug_error err = {0};
    const char *data = NULL;
    int64_t bytes = 0;
    CHECK_OK(snug_file_read_all(path, FILE_BYTES_MAX, arena, &data, &bytes, &err));
    for (int64_t at = 0; at < bytes;) {
        const char *const end = memchr(data + at, '\n', (size_t)(bytes - at));
        const int64_t length = end == NULL ? bytes - at : end - (data + at);
        const char *const tab = memchr(data + at, '\t', (size_t)length);
        add_line(self, data + at, tab == NULL ? length : tab - (data + at));
        at += length + 1;
    }
}

/* The lines of a digests.txt that are of one tokenizer; how many texts they stand for. */
static int64_t check_digests(const char *digests, const char *label, const char *tokenizer_path)
{
    static snug_arena arena;
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    snug_tokenizer *tokenizer = NULL;
    int64_t lines = 0;
    snug_heap_arena_init(&arena, "real", SNUG_CATEGORY_DATA, 1 << 20);
    CHECK_OK(snug_tokenizer_open(tokenizer_path, &arena, &tokenizer, &err));
    FILE *list = fopen(digests, "r");
    CHECK(list != NULL);
    char name[256], wanted[80], digest[80], whose[32] = "";
    long long line_count = 0, token_count = 0;
    while ((label[0] == '\0' || fscanf(list, "%31s", whose) == 1) &&
           fscanf(list, "%255s %lld %lld %79s", name, &line_count, &token_count, wanted) == 4) {
        const snug_mark mark = snug_arena_mark(&arena);
        stream self = {.tokenizer = tokenizer};
        if (strcmp(whose, label) != 0) {
            continue;
        }
        snug_sha256_init(&self.hash);
        CHECK_OK(snug_path_join(folder, name, path, &err));
        if (strstr(name, ".csv") != NULL) {
            add_csv(&self, path, &arena);
        } else {
            add_titles(&self, path, &arena);
        }
        snug_sha256_hex(&self.hash, digest);
        print_message("%s %s: %lld lines, %lld tokens\n", label, name, (long long)self.lines,
                      (long long)self.tokens);
        CHECK(self.lines == line_count && self.tokens == token_count);
        assert_string_equal(digest, wanted);
        lines += self.lines;
        snug_arena_rewind(&arena, mark);
    }
    (void)fclose(list);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return lines;
}

static void real_lines_give_the_ids_of_wordpiece(void **state)
{
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(snug_path_join(folder, "vocab_bert_base_chinese", path, &err));
    CHECK(check_digests(SNUG_SOURCE_DIR "/tests/fixtures/wordpiece/digests.txt", "", path) > 10000);
}

static void real_lines_give_the_ids_of_bpe(void **state)
{
    static const char digests[] = SNUG_SOURCE_DIR "/tests/fixtures/bpe/digests.txt";
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK(check_digests(digests, "roberta", SNUG_SOURCE_DIR "/tests/fixtures/bpe/roberta") > 10000);
    CHECK_OK(snug_path_join(folder, "../t5chat/tokenizers/minimind", path, &err));
    CHECK(check_digests(digests, "minimind", path) > 10000);
}

int main(void)
{
    const char *data = getenv("SNUG_DATA_DIR");
    if (data != NULL && data[0] != '\0') {
        (void)snprintf(folder, sizeof folder, "%s/textcls", data);
    } else {
        (void)snprintf(folder, sizeof folder, "%s/../shared/data/textcls", SNUG_SOURCE_DIR);
    }
    if (snug_path_look(folder) != SNUG_PATH_FOLDER) {
        CHECK_SKIP_ALL("no '%s'; set SNUG_DATA_DIR", folder);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_lines_give_the_ids_of_wordpiece),
        cmocka_unit_test(real_lines_give_the_ids_of_bpe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
