#include "data/text/text_generate.h"

#include <string.h>

#include "base/attr.h"
#include "base/philox.h"
#include "base/text.h"
#include "sys/file.h"

enum {
    BOUNCE_BYTES = 64 << 10,
    LINE_BYTES = 4096,
    VOCABULARY_BYTES = 16 << 10,
    PLAIN_WORDS = 160,
    CLASS_WORDS = 12, /* Of each class. */
    WORDS_LEAST = 4,
    WORDS_MORE = 36 /* Longest text: the two together. */
};

static const char *const classes[] = {"bad", "fair", "good"};

static const char config[] = "{\n"
                             "  \"architectures\": [\"BertForSequenceClassification\"],\n"
                             "  \"model_type\": \"bert\",\n"
                             "  \"vocab_size\": 256,\n"
                             "  \"hidden_size\": 64,\n"
                             "  \"num_hidden_layers\": 2,\n"
                             "  \"num_attention_heads\": 4,\n"
                             "  \"intermediate_size\": 128,\n"
                             "  \"max_position_embeddings\": 128,\n"
                             "  \"type_vocab_size\": 2,\n"
                             "  \"hidden_act\": \"gelu\",\n"
                             "  \"hidden_dropout_prob\": 0.1,\n"
                             "  \"attention_probs_dropout_prob\": 0.1,\n"
                             "  \"layer_norm_eps\": 1e-12,\n"
                             "  \"pad_token_id\": 0\n"
                             "}\n";

/** A number below `count`, the next of the text's own. */
static int64_t draw(snug_philox_key key, uint64_t *counter, int64_t count)
{
    const uint64_t block = (*counter)++;
    const snug_philox_block random =
        snug_philox(key, (snug_philox_block){{(uint32_t)block, (uint32_t)(block >> 32), 0, 0}});
    return (int64_t)(((uint64_t)random.word[0] * (uint64_t)count) >> 32);
}

/** One row: every fourth word or so is of the class, now and then of another. */
static void write_row(snug_philox_key key, uint64_t *counter, snug_text *text)
{
    const int64_t label = draw(key, counter, SNUG_COUNT(classes));
    const int64_t words = WORDS_LEAST + draw(key, counter, WORDS_MORE + 1);
    snug_text_add(text, "%s,", classes[label]);
    for (int64_t i = 0; i < words; i++) {
        const int64_t kind = draw(key, counter, 16);
        const int64_t other = draw(key, counter, SNUG_COUNT(classes));
        if (kind < 5) {
            snug_text_add(text, "%s%s%lld", i == 0 ? "" : " ", classes[kind < 4 ? label : other],
                          (long long)draw(key, counter, CLASS_WORDS));
        } else {
            snug_text_add(text, "%sword%lld", i == 0 ? "" : " ",
                          (long long)draw(key, counter, PLAIN_WORDS));
        }
    }
    snug_text_add(text, "\n");
}

static snug_status write_rows(const char *path, uint64_t seed, int64_t rows, snug_arena *scratch,
                              snug_error *err)
{
    static const char header[] = "label,text\n";
    snug_status status = SNUG_OK;
    void *bounce = NULL, *line = NULL;
    snug_file_writer writer = {0};
    uint64_t counter = 0;
    const snug_philox_key key = snug_philox_stream(seed, 0);
    const snug_mark start = snug_arena_mark(scratch);
    SNUG_TRY_DONE(snug_arena_alloc(scratch, BOUNCE_BYTES, &bounce, err));
    SNUG_TRY_DONE(snug_arena_alloc(scratch, LINE_BYTES, &line, err));
    SNUG_TRY_DONE(snug_file_writer_open(path, bounce, BOUNCE_BYTES, &writer, err));
    SNUG_TRY_DONE(snug_file_writer_add(&writer, header, (int64_t)sizeof header - 1, err));
    for (int64_t i = 0; i < rows; i++) {
        snug_text text;
        snug_text_init(&text, line, LINE_BYTES);
        write_row(key, &counter, &text);
        SNUG_TRY_DONE(snug_file_writer_add(&writer, text.data, text.length, err));
    }
    SNUG_TRY_DONE(snug_file_writer_commit(&writer, err));

done:
    snug_file_writer_abort(&writer);
    snug_arena_rewind(scratch, start);
    return status;
}

/** The words whole and the pieces that they are made of, so that no text has an unknown one. */
static void list_words(snug_text *text)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int64_t i = 0; i < SNUG_COUNT(specials); i++) {
        snug_text_add(text, "%s\n", specials[i]);
    }
    for (int64_t k = 0; k < SNUG_COUNT(classes); k++) {
        for (int64_t i = 0; i < CLASS_WORDS; i++) {
            snug_text_add(text, "%s%lld\n", classes[k], (long long)i);
        }
    }
    for (int64_t i = 0; i < PLAIN_WORDS; i++) {
        snug_text_add(text, "word%lld\n", (long long)i);
    }
}

static snug_status write_model(const char *folder, snug_arena *scratch, snug_error *err)
{
    char path[SNUG_PATH_BYTES], model[SNUG_PATH_BYTES];
    void *memory = NULL;
    snug_text text;
    SNUG_TRY(snug_path_join(folder, "model", model, err));
    SNUG_TRY(snug_folder_make(model, err));
    SNUG_TRY(snug_path_join(model, "config.json", path, err));
    SNUG_TRY(snug_file_write_all(path, config, (int64_t)sizeof config - 1, err));
    const snug_mark start = snug_arena_mark(scratch);
    SNUG_TRY(snug_arena_alloc(scratch, VOCABULARY_BYTES, &memory, err));
    snug_text_init(&text, memory, VOCABULARY_BYTES);
    list_words(&text);
    SNUG_TRY(snug_path_join(model, "vocab.txt", path, err));
    SNUG_TRY(snug_file_write_all(path, text.data, text.length, err));
    snug_arena_rewind(scratch, start);
    return SNUG_OK;
}

snug_status snug_text_generate(const snug_text_generate_options *options, snug_arena *scratch,
                               snug_text_generated *out, snug_error *err)
{
    static const char *const names[] = {"train.csv", "valid.csv", "test.csv"};
    snug_text_generated made = {.files = SNUG_COUNT(names)};
    SNUG_TRY(snug_folder_make(options->folder, err));
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        char path[SNUG_PATH_BYTES];
        snug_file file = {0};
        const int64_t rows = i == 0 ? options->row_count : (options->row_count + 3) / 4;
        SNUG_TRY(snug_path_join(options->folder, names[i], path, err));
        SNUG_TRY(write_rows(path, options->seed + (uint64_t)i, rows, scratch, err));
        SNUG_TRY(snug_file_open(path, &file, err));
        made.rows += rows;
        made.bytes += file.bytes;
        snug_file_close(&file);
    }
    SNUG_TRY(write_model(options->folder, scratch, err));
    *out = made;
    return SNUG_OK;
}
