/* Rows, labels, files of tokens and the source take the same memory for 10^4 and 10^6 rows. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "data/text/labels.h"
#include "data/text/text_source.h"
#include "sys/heap.h"
#include "sys/procfs.h"

enum { LENGTH = 8, BATCH = 16 };

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "text_memory_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return snug_folder_remove(folder, NULL) != SNUG_OK;
}

static void make_rows(const char *path, bool json, int64_t count)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    (void)fputs(json ? "" : "label,review\n", file);
    for (int64_t i = 0; i < count; i++) {
        (void)fprintf(file,
                      json ? "{\"label\": \"%d\", \"text\": \"number %lld\"}\n"
                           : "%d,\"number %lld\nis \"\"here\"\"\"\n",
                      (int)(i % 3), (long long)i);
    }
    CHECK(fclose(file) == 0);
}

/* What a session does with a text: labels, key, tokens (here the text's bytes), then batches. */
static void work(const char *path, const char *tokens, int64_t rows, snug_arena *arena)
{
    snug_error err = {0};
    snug_text_reader *reader = NULL;
    snug_labels labels = {0};
    snug_token_writer writer;
    snug_token_file file = {0};
    snug_text_row row;
    bool more = true;
    int64_t counted = 0;
    char key[SNUG_TOKEN_KEY_BYTES];
    const snug_text_options options = {.path = path, .need_label = true};
    CHECK_OK(snug_text_reader_open(&options, arena, &reader, &err));
    CHECK_OK(snug_labels_collect(reader, arena, &labels, &counted, &err));
    CHECK(counted == rows && labels.count == 3);
    CHECK_OK(snug_text_reader_rewind(reader, &err));
    CHECK_OK(snug_token_key(&(snug_token_key_parts){.path = path, .reading = "bytes"}, key, &err));
    CHECK_OK(snug_token_writer_open(
        &(snug_token_writer_options){
            .path = tokens, .key = key, .id_count = 256, .max_length = LENGTH, .label_count = 3},
        arena, &writer, &err));
    for (;;) {
        int32_t label = 0;
        int32_t ids[LENGTH] = {0};
        CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
        if (!more) {
            break;
        }
        CHECK_OK(snug_labels_of_row(&labels, reader, &row, &label, &err));
        for (int i = 0; i < LENGTH; i++) {
            ids[i] = (unsigned char)row.text.text[i];
        }
        CHECK_OK(snug_token_writer_add(&writer, ids, LENGTH, label, LENGTH, &err));
    }
    CHECK_OK(snug_token_writer_commit(&writer, &err));
    snug_text_reader_close(reader);

    snug_source *source = NULL;
    CHECK_OK(snug_token_file_open(tokens, key, arena, &file, &err));
    CHECK_OK(snug_text_source_open(&(snug_text_source_options){.files = {&file}, .batch = BATCH},
                                   arena, &source, &err));
    for (int64_t step = 0; step < 500; step++) {
        int32_t out[BATCH * LENGTH];
        const snug_source_batch batch = {0, step * BATCH, BATCH, true};
        CHECK_OK(source->calls->begin(source, &batch, NULL, &err));
        CHECK_OK(source->calls->fetch(source, &(snug_source_request){SNUG_TEXT_IDS, 0, BATCH}, out,
                                      &err));
        CHECK(out[0] == 'n' && out[LENGTH - 2] == ' ');
    }
    source->calls->close(source);
    snug_token_file_close(&file);
}

/* Peak bytes of a child that did the work, and what it took from the heap. */
static void measure(const char *path, int64_t rows, int64_t out[2])
{
    int ends[2];
    char tokens[128];
    (void)snprintf(tokens, sizeof tokens, "%s.tokens", path);
    CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        static snug_arena arena;
        snug_process_memory memory = {0};
        snug_heap_usage usage = {0};
        snug_heap_arena_init(&arena, "text", SNUG_CATEGORY_DATA, 1 << 20);
        work(path, tokens, rows, &arena);
        snug_heap_usage_read(&usage);
        if (snug_failed(snug_procfs_process("", 0, &memory, NULL))) {
            _exit(1);
        }
        const int64_t found[2] = {memory.resident_peak_bytes, usage.peak_bytes[SNUG_CATEGORY_DATA]};
        _exit(write(ends[1], found, sizeof found) == (ssize_t)sizeof found ? 0 : 1);
    }
    int status = 0;
    (void)close(ends[1]);
    CHECK(read(ends[0], out, 2 * sizeof out[0]) == (ssize_t)(2 * sizeof out[0]));
    (void)close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void a_million_rows_take_what_ten_thousand_take(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        int64_t small[2];
        int64_t large[2];
        char path[100];
        (void)snprintf(path, sizeof path, "%s/rows%s", folder, json != 0 ? ".jsonl" : ".csv");
        make_rows(path, json != 0, 10000);
        measure(path, 10000, small);
        make_rows(path, json != 0, 1000000);
        measure(path, 1000000, large);
        print_message("%s: peak %lld KiB for 10^4 rows, %lld KiB for 10^6; heap %lld and %lld "
                      "bytes\n",
                      json != 0 ? "jsonl" : "csv", (long long)small[0] / 1024,
                      (long long)large[0] / 1024, (long long)small[1], (long long)large[1]);
        assert_int_equal(small[1], large[1]);
        CHECK(large[0] < small[0] + (512 << 10));
        CHECK(small[1] <= 6 << 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_rows_take_what_ten_thousand_take),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
