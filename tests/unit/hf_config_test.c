/* labels: fast */
/* config.json of encoders: what is read, what is refused, and what a changed copy keeps. */
#include "check.h"

#include <unistd.h>

#include "base/checked.h"
#include "base/json.h"
#include "data/hf/hf_config.h"
#include "sys/file.h"

static _Alignas(SNUG_ALIGN) unsigned char memory[4 << 20];
static snug_arena arena;
static snug_hf_config config;
static snug_error err;

#define NEEDED                                                                                     \
    "\"model_type\":\"bert\",\"vocab_size\":100,\"hidden_size\":32,\"num_hidden_layers\":2,"       \
    "\"num_attention_heads\":4,\"intermediate_size\":64,\"max_position_embeddings\":40"

static snug_status parse(const char *json)
{
    snug_arena_init(&arena, "test", memory, sizeof memory);
    config = (snug_hf_config){0};
    return snug_hf_config_parse(json, (int64_t)strlen(json), &arena, &config, &err);
}

static void what_is_needed_is_enough(void **state)
{
    (void)state;
    CHECK_OK(parse("{" NEEDED "}"));
    CHECK(config.family == SNUG_HF_BERT && config.vocab_size == 100 && config.hidden_size == 32);
    CHECK(config.num_hidden_layers == 2 && config.num_attention_heads == 4);
    CHECK(config.intermediate_size == 64 && config.max_position_embeddings == 40);
    CHECK(config.type_vocab_size == 2 && config.pad_token_id == 0 && config.position_offset == 0);
    CHECK(config.layer_norm_eps == 1e-12 && config.hidden_dropout_prob == 0.1);
    CHECK(config.attention_probs_dropout_prob == 0.1 && config.classifier_dropout == 0.1);
    CHECK(config.hidden_act == SNUG_HF_ACT_GELU && config.tie_word_embeddings);
    CHECK(config.num_labels == 2 && !config.labels_are_named);
    assert_string_equal(config.labels[1], "LABEL_1");
    CHECK(config.dtype[0] == '\0' && config.problem_type[0] == '\0');
    CHECK(snug_hf_config_positions(&config) == 40);
}

static void every_field_is_read(void **state)
{
    (void)state;
    CHECK_OK(parse("{" NEEDED ",\"model_type\":\"xlm-roberta\",\"type_vocab_size\":1,"
                   "\"pad_token_id\":1,\"layer_norm_eps\":1e-5,\"hidden_act\":\"gelu_new\","
                   "\"hidden_dropout_prob\":0,\"attention_probs_dropout_prob\":0.25,"
                   "\"classifier_dropout\":0.5,\"tie_word_embeddings\":false,\"unknown\":[{}],"
                   "\"architectures\":[\"XLMRobertaForSequenceClassification\",\"B\"],"
                   "\"torch_dtype\":\"bfloat16\",\"problem_type\":\"regression\","
                   "\"position_embedding_type\":\"absolute\",\"is_decoder\":false,"
                   "\"pruned_heads\":{},\"id2label\":{\"2\":\"c\",\"0\":\"a\\u00e9\",\"1\":7},"
                   "\"label2id\":{\"x\":5}}"));
    CHECK(config.family == SNUG_HF_ROBERTA && config.position_offset == 2);
    assert_string_equal(snug_hf_config_architecture(&config),
                        "XLMRobertaForSequenceClassification");
    CHECK(snug_hf_config_positions(&config) == 38);
    CHECK(config.type_vocab_size == 1 && config.layer_norm_eps == 1e-5);
    CHECK(config.hidden_act == SNUG_HF_ACT_GELU_TANH && !config.tie_word_embeddings);
    CHECK(config.hidden_dropout_prob == 0.0 && config.attention_probs_dropout_prob == 0.25);
    CHECK(config.classifier_dropout == 0.5);
    assert_string_equal(config.architecture, "XLMRobertaForSequenceClassification");
    assert_string_equal(config.dtype, "bfloat16");
    assert_string_equal(config.problem_type, "regression");
    CHECK(config.num_labels == 3 && config.labels_are_named);
    assert_string_equal(config.labels[0], "a\xc3\xa9");
    assert_string_equal(config.labels[1], "7");
    assert_string_equal(config.labels[2], "c");
}

static void null_is_as_if_it_were_not_there(void **state)
{
    (void)state;
    CHECK_OK(parse("{" NEEDED ",\"classifier_dropout\":null,\"hidden_dropout_prob\":0.3,"
                   "\"pad_token_id\":null,\"id2label\":null,\"label2id\":{\"no\":0,\"yes\":1},"
                   "\"architectures\":null,\"dtype\":null,\"num_labels\":9}"));
    CHECK(config.classifier_dropout == 0.3 && config.pad_token_id == 0);
    CHECK(config.num_labels == 2 && config.labels_are_named);
    assert_string_equal(config.labels[1], "yes");
}

static void old_files_tell_the_model_by_its_architecture(void **state)
{
    (void)state;
    CHECK_OK(parse("{\"architectures\":[\"RobertaModel\"],\"vocab_size\":9,\"hidden_size\":4,"
                   "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"intermediate_size\":4,"
                   "\"max_position_embeddings\":6,\"num_labels\":4}"));
    CHECK(config.family == SNUG_HF_ROBERTA && config.pad_token_id == 1);
    CHECK(config.num_labels == 4 && !config.labels_are_named);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        snug_status code;
        const char *says;
    } cases[] = {
        {"", SNUG_CODE_FORMAT, "byte 0"},
        {"[]", SNUG_CODE_FORMAT, "an object"},
        {"{}", SNUG_CODE_DATA, "\"vocab_size\", \"hidden_size\""},
        {"{" NEEDED "} x", SNUG_CODE_FORMAT, "byte"},
        {"{" NEEDED, SNUG_CODE_FORMAT, "ends"},
        {"{" NEEDED ",\"model_type\":\"gpt2\"}", SNUG_CODE_UNSUPPORTED, "gpt2"},
        {"{" NEEDED ",\"model_type\":5}", SNUG_CODE_FORMAT, "model_type"},
        {"{" NEEDED ",\"vocab_size\":0}", SNUG_CODE_DATA, "vocab_size"},
        {"{" NEEDED ",\"vocab_size\":99999999999999999999}", SNUG_CODE_FORMAT, "vocab_size"},
        {"{" NEEDED ",\"vocab_size\":1e3}", SNUG_CODE_FORMAT, "vocab_size"},
        {"{" NEEDED ",\"hidden_size\":33}", SNUG_CODE_DATA, "num_attention_heads"},
        {"{" NEEDED ",\"layer_norm_eps\":-1}", SNUG_CODE_DATA, "layer_norm_eps"},
        {"{" NEEDED ",\"hidden_dropout_prob\":1}", SNUG_CODE_DATA, "hidden_dropout_prob"},
        {"{" NEEDED ",\"hidden_dropout_prob\":\"a\"}", SNUG_CODE_FORMAT, "hidden_dropout_prob"},
        {"{" NEEDED ",\"hidden_dropout_prob\":NaN}", SNUG_CODE_FORMAT, "byte"},
        {"{" NEEDED ",\"hidden_act\":\"swish\"}", SNUG_CODE_UNSUPPORTED, "swish"},
        {"{" NEEDED ",\"position_embedding_type\":\"relative_key\"}", SNUG_CODE_UNSUPPORTED,
         "relative_key"},
        {"{" NEEDED ",\"is_decoder\":true}", SNUG_CODE_UNSUPPORTED, "decoder"},
        {"{" NEEDED ",\"pruned_heads\":{\"1\":[0]}}", SNUG_CODE_UNSUPPORTED, "pruned"},
        {"{" NEEDED ",\"pad_token_id\":100}", SNUG_CODE_DATA, "pad_token_id"},
        {"{" NEEDED ",\"model_type\":\"roberta\",\"pad_token_id\":39}", SNUG_CODE_DATA,
         "pad_token_id"},
        {"{" NEEDED ",\"id2label\":{\"0\":\"a\",\"2\":\"b\"}}", SNUG_CODE_DATA, "number 2"},
        {"{" NEEDED ",\"id2label\":{\"0\":\"a\",\"0\":\"b\"}}", SNUG_CODE_DATA, "number 0"},
        {"{" NEEDED ",\"id2label\":{\"-\":\"a\"}}", SNUG_CODE_FORMAT, "id2label"},
        {"{" NEEDED ",\"id2label\":{\"0\":{}}}", SNUG_CODE_FORMAT, "id2label"},
        {"{" NEEDED ",\"id2label\":[\"a\"]}", SNUG_CODE_FORMAT, "id2label"},
        {"{" NEEDED ",\"label2id\":{\"a\":1}}", SNUG_CODE_DATA, "label2id"},
        {"{" NEEDED ",\"num_labels\":20000}", SNUG_CODE_DATA, "num_labels"},
        {"{" NEEDED ",\"problem_type\":\"0123456789012345678901234567890123456789012345678901234567"
         "8901234567890\"}",
         SNUG_CODE_LIMIT, "problem_type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_FAILS(parse(cases[i].json), cases[i].code);
        if (strstr(err.message, cases[i].says) == NULL) {
            print_error("%s: %s\n", cases[i].json, err.message);
            fail();
        }
        CHECK(config.json == NULL && arena.used_bytes == 0);
    }
}

static void depth_100000_and_many_labels_meet_limits(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    static char json[24 * DEPTH];
    int64_t length = snprintf(json, sizeof json, "{" NEEDED ",\"x\":");
    memset(json + length, '[', DEPTH);
    json[length + DEPTH] = '\0';
    CHECK_FAILS(parse(json), SNUG_CODE_LIMIT);
    for (int pass = 0; pass < 2; pass++) {
        length = snprintf(json, sizeof json, "{" NEEDED ",\"id2label\":{");
        const int labels = SNUG_LABELS_MAX + pass;
        for (int i = 0; i < labels; i++) {
            length += snprintf(json + length, 64, "%s\"%d\":\"x%d\"", i > 0 ? "," : "", i, i);
        }
        (void)snprintf(json + length, 64, "}}");
        if (pass == 0) {
            CHECK_OK(parse(json));
            CHECK(config.num_labels == SNUG_LABELS_MAX);
            assert_string_equal(config.labels[777], "x777");
        } else {
            CHECK_FAILS(parse(json), SNUG_CODE_LIMIT);
        }
    }
}

/* The written copy of `json`, in `out`. */
static void rewrite(const char *json, const snug_hf_config_changes *changes, char *out,
                    int64_t out_bytes)
{
    static char buffer[1 << 16];
    char path[] = "hf-config-XXXXXX";
    int64_t bytes = 0;
    const int handle = mkstemp(path);
    CHECK(handle >= 0);
    (void)close(handle);
    CHECK_OK(parse(json));
    const int64_t needed = snug_hf_config_buffer_bytes(&config, changes);
    CHECK(needed <= (int64_t)sizeof buffer);
    CHECK_FAILS(snug_hf_config_write(path, &config, changes, buffer, 64, &err), SNUG_CODE_LIMIT);
    CHECK_OK(snug_hf_config_write(path, &config, changes, buffer, needed, &err));
    CHECK_OK(snug_file_read_into(path, out, out_bytes, &bytes, &err));
    CHECK(unlink(path) == 0);
}

static void a_copy_changes_only_what_it_must(void **state)
{
    (void)state;
    static char text[1 << 16], again[1 << 16];
    const char *labels[] = {"a \"b\"", "\xe5\xa5\xbd", "c"};
    const snug_hf_config_changes changes = {.labels = labels,
                                            .label_count = 3,
                                            .architecture = "BertForSequenceClassification",
                                            .dtype = "float32",
                                            .problem_type = "single_label_classification"};
    const char *json = "{" NEEDED ", \"layer_norm_eps\" : 1e-12,\"k\\u00e9y\\n\":[1.50, {\"x\": "
                       "null}],\"dtype\":\"float16\",\"id2label\":{\"0\":\"old\"},"
                       "\"num_labels\":1,\"last\":\"\\ud83d\\ude00\"}";
    rewrite(json, &changes, text, sizeof text);
    CHECK(strstr(text, "\"layer_norm_eps\": 1e-12,") != NULL);
    CHECK(strstr(text, "\"k\\u00e9y\\n\": [1.50, {\"x\": null}],") != NULL);
    CHECK(strstr(text, "\"last\": \"\\ud83d\\ude00\"") != NULL);
    CHECK(strstr(text, "\"dtype\": \"float32\"") != NULL && strstr(text, "torch_dtype") == NULL);
    CHECK(strstr(text, "\"num_labels\": 3") != NULL && strstr(text, "old") == NULL);
    CHECK(strstr(text, "\"problem_type\": \"single_label_classification\"") != NULL);
    CHECK_OK(parse(text));
    CHECK(config.num_labels == 3 && config.labels_are_named);
    assert_string_equal(config.labels[0], labels[0]);
    assert_string_equal(config.labels[1], labels[1]);
    assert_string_equal(config.architecture, "BertForSequenceClassification");
    /* What is written is written again as it is. */
    (void)snprintf(again, sizeof again, "%s", text);
    rewrite(again, &changes, text, sizeof text);
    assert_string_equal(text, again);
    /* No change: every value is the file's. */
    rewrite(json, &(snug_hf_config_changes){0}, text, sizeof text);
    CHECK(strstr(text, "\"old\"") != NULL && strstr(text, "\"float16\"") != NULL);
    CHECK(strstr(text, "architectures") == NULL);
    /* An early file gets the model type that was told by its architecture. */
    rewrite("{\"architectures\":[\"BertModel\"],\"vocab_size\":9,\"hidden_size\":4,"
            "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"intermediate_size\":4,"
            "\"max_position_embeddings\":6}",
            &(snug_hf_config_changes){0}, text, sizeof text);
    CHECK(strstr(text, "\"model_type\": \"bert\"") != NULL);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    snug_arena_init(&arena, "test", memory, sizeof memory);
    CHECK_FAILS(snug_hf_config_read("/no/such/folder", &arena, &config, &err), SNUG_CODE_IO);
    CHECK(strstr(err.message, "/no/such/folder/config.json") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_needed_is_enough),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(null_is_as_if_it_were_not_there),
        cmocka_unit_test(old_files_tell_the_model_by_its_architecture),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(depth_100000_and_many_labels_meet_limits),
        cmocka_unit_test(a_copy_changes_only_what_it_must),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
