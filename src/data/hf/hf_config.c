/* Reading config.json: one table of fields, then the few that need more, then what fits together.
 */
#include "data/hf/hf_config.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "data/hf/hf_labels.h"
#include "sys/file.h"

typedef enum field_kind { FIELD_I64, FIELD_F64, FIELD_SHARE, FIELD_BOOL, FIELD_WORD } field_kind;

typedef struct field {
    const char *key;
    size_t offset; /* In snug_hf_config. */
    field_kind kind;
    bool needed;
    int64_t least, most; /* FIELD_I64. */
} field;

#define AT(member) offsetof(snug_hf_config, member)

static const field FIELDS[] = {
    {"model_type", AT(model_type), FIELD_WORD, true, 0, 0},
    {"vocab_size", AT(vocab_size), FIELD_I64, true, 1, SNUG_HF_ROWS_MAX},
    {"hidden_size", AT(hidden_size), FIELD_I64, true, 1, SNUG_HF_WIDTH_MAX},
    {"num_hidden_layers", AT(num_hidden_layers), FIELD_I64, true, 1, SNUG_HF_LAYERS_MAX},
    {"num_attention_heads", AT(num_attention_heads), FIELD_I64, true, 1, SNUG_HF_WIDTH_MAX},
    {"intermediate_size", AT(intermediate_size), FIELD_I64, true, 1, SNUG_HF_WIDTH_MAX},
    {"max_position_embeddings", AT(max_position_embeddings), FIELD_I64, true, 1, SNUG_HF_ROWS_MAX},
    {"type_vocab_size", AT(type_vocab_size), FIELD_I64, false, 1, SNUG_HF_WIDTH_MAX},
    {"pad_token_id", AT(pad_token_id), FIELD_I64, false, 0, SNUG_HF_ROWS_MAX},
    {"num_labels", AT(num_labels), FIELD_I64, false, 1, SNUG_LABELS_MAX},
    {"layer_norm_eps", AT(layer_norm_eps), FIELD_F64, false, 0, 0},
    {"initializer_range", AT(initializer_range), FIELD_F64, false, 0, 0},
    {"hidden_dropout_prob", AT(hidden_dropout_prob), FIELD_SHARE, false, 0, 0},
    {"attention_probs_dropout_prob", AT(attention_probs_dropout_prob), FIELD_SHARE, false, 0, 0},
    {"classifier_dropout", AT(classifier_dropout), FIELD_SHARE, false, 0, 0},
    {"tie_word_embeddings", AT(tie_word_embeddings), FIELD_BOOL, false, 0, 0},
    {"problem_type", AT(problem_type), FIELD_WORD, false, 0, 0},
    {"torch_dtype", AT(dtype), FIELD_WORD, false, 0, 0},
    {"dtype", AT(dtype), FIELD_WORD, false, 0, 0},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0], KEY_BYTES = 64 };

/** What the parse keeps beside the configuration. */
typedef struct parse {
    snug_json_reader json;
    snug_arena *arena;
    snug_hf_config config;
    bool seen[FIELD_COUNT];
    char hidden_act[SNUG_HF_WORD_BYTES];
    char positions[SNUG_HF_WORD_BYTES];
    bool decoder, pruned;
    snug_hf_labels labels;    /* id2label. */
    snug_json_reader by_name; /* Stands before the value of label2id; no bytes: there is none. */
} parse;

static snug_status read_word(const snug_json_event *event, const char *key,
                             char out[SNUG_HF_WORD_BYTES], snug_error *err)
{
    const snug_status status = snug_json_unescape(event, out, SNUG_HF_WORD_BYTES, err);
    return snug_failed(status) ? snug_error_prefix(err, "\"%s\"", key) : status;
}

static snug_status read_number(const field *f, const snug_json_event *event, snug_hf_config *config,
                               snug_error *err)
{
    unsigned char *const to = (unsigned char *)config + f->offset;
    double real = 0.0;
    if (f->kind == FIELD_I64) {
        int64_t value = 0;
        const snug_status status = snug_json_to_i64(event, &value, err);
        if (snug_failed(status)) {
            return snug_error_prefix(err, "\"%s\"", f->key);
        }
        if (value < f->least || value > f->most) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "\"%s\" is %lld; it should be %lld to %lld",
                             f->key, (long long)value, (long long)f->least, (long long)f->most);
        }
        memcpy(to, &value, sizeof value);
        return SNUG_OK;
    }
    const snug_status status = snug_json_to_f64(event, &real, err);
    if (snug_failed(status)) {
        return snug_error_prefix(err, "\"%s\"", f->key);
    }
    const bool share = f->kind == FIELD_SHARE;
    if (share ? !(real >= 0.0 && real < 1.0) : !(real > 0.0 && real <= 1.0)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "\"%s\" is %g; it should be %s", f->key, real,
                         share ? "0 to below 1" : "above 0, at most 1");
    }
    memcpy(to, &real, sizeof real);
    return SNUG_OK;
}

static snug_status read_field(parse *p, int64_t number, snug_error *err)
{
    const field *f = &FIELDS[number];
    unsigned char *const to = (unsigned char *)&p->config + f->offset;
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->json, &event, err));
    if (event.kind == SNUG_JSON_NULL && !f->needed) {
        return SNUG_OK; /* As if it were not there. */
    }
    if (f->kind == FIELD_WORD) {
        SNUG_TRY(read_word(&event, f->key, (char *)to, err));
    } else if (f->kind == FIELD_BOOL) {
        if (event.kind != SNUG_JSON_TRUE && event.kind != SNUG_JSON_FALSE) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "\"%s\" should be true or false at byte %lld",
                             f->key, (long long)event.offset);
        }
        const bool value = event.kind == SNUG_JSON_TRUE;
        memcpy(to, &value, sizeof value);
    } else {
        SNUG_TRY(read_number(f, &event, &p->config, err));
    }
    p->seen[number] = true;
    return SNUG_OK;
}

/** The first of "architectures", which is a list or null. */
static snug_status read_architectures(parse *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->json, &event, err));
    if (event.kind == SNUG_JSON_NULL) {
        return SNUG_OK;
    }
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "\"architectures\" should be a list at byte %lld",
                         (long long)event.offset);
    }
    for (bool first = true;; first = false) {
        char name[SNUG_HF_WORD_BYTES];
        SNUG_TRY(snug_json_next(&p->json, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return SNUG_OK;
        }
        SNUG_TRY(read_word(&event, "architectures", name, err));
        if (first) {
            memcpy(p->config.architecture, name, sizeof name);
        }
    }
}

/** The keys that the table does not hold; one that nobody knows is passed over. */
static snug_status read_other(parse *p, const char *key, snug_error *err)
{
    snug_json_event event;
    if (strcmp(key, "architectures") == 0) {
        return read_architectures(p, err);
    }
    if (strcmp(key, "id2label") == 0) {
        return snug_hf_labels_read(&p->json, true, p->arena, &p->labels, err);
    }
    if (strcmp(key, "label2id") == 0) {
        p->by_name = p->json; /* Looked at when there is no id2label, which counts otherwise. */
    }
    const bool act = strcmp(key, "hidden_act") == 0;
    if (act || strcmp(key, "position_embedding_type") == 0) {
        SNUG_TRY(snug_json_next(&p->json, &event, err));
        if (event.kind == SNUG_JSON_NULL) {
            return SNUG_OK;
        }
        return read_word(&event, key, act ? p->hidden_act : p->positions, err);
    }
    if (strcmp(key, "is_decoder") == 0 || strcmp(key, "add_cross_attention") == 0) {
        snug_json_reader ahead = p->json;
        SNUG_TRY(snug_json_next(&ahead, &event, err));
        p->decoder = p->decoder || event.kind == SNUG_JSON_TRUE;
    }
    if (strcmp(key, "pruned_heads") == 0) {
        /* {"2": [0, 5]} says that layer 2 lacks two heads; {} is what every file has. */
        snug_json_reader ahead = p->json;
        SNUG_TRY(snug_json_next(&ahead, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_BEGIN) {
            SNUG_TRY(snug_json_next(&ahead, &event, err));
            p->pruned = event.kind == SNUG_JSON_KEY;
        }
    }
    return snug_json_skip(&p->json, err);
}

static snug_status read_all(parse *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_expect(&p->json, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
    for (;;) {
        char key[KEY_BYTES] = "";
        int64_t number = 0;
        SNUG_TRY(snug_json_next(&p->json, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        if (event.text_bytes < (int64_t)sizeof key) {
            SNUG_TRY(snug_json_unescape(&event, key, sizeof key, err));
        }
        while (number < FIELD_COUNT && strcmp(key, FIELDS[number].key) != 0) {
            number++;
        }
        if (number < FIELD_COUNT) {
            SNUG_TRY(read_field(p, number, err));
        } else {
            SNUG_TRY(read_other(p, key, err));
        }
    }
    return snug_json_expect(&p->json, SNUG_JSON_END, "nothing after the object", &event, err);
}

/** The types that are known; the name of every architecture of a type begins alike. */
static const struct {
    const char *type;
    const char *begins;
    const char *classifier;
    snug_hf_family family;
} TYPES[] = {
    {"bert", "Bert", "BertForSequenceClassification", SNUG_HF_BERT},
    {"roberta", "Roberta", "RobertaForSequenceClassification", SNUG_HF_ROBERTA},
    {"xlm-roberta", "XLMRoberta", "XLMRobertaForSequenceClassification", SNUG_HF_ROBERTA},
    {"camembert", "Camembert", "CamembertForSequenceClassification", SNUG_HF_ROBERTA},
};

/** The number of a type in the table; how many there are when it is none of them. */
static int64_t find_type(const char *model_type)
{
    int64_t i = 0;
    while (i < SNUG_COUNT(TYPES) && strcmp(TYPES[i].type, model_type) != 0) {
        i++;
    }
    return i;
}

const char *snug_hf_config_architecture(const snug_hf_config *config)
{
    const int64_t type = find_type(config->model_type);
    SNUG_ASSERT(type < SNUG_COUNT(TYPES));
    return TYPES[type].classifier;
}

/** Older files have no model_type: the architecture tells it. */
static void guess_model_type(parse *p)
{
    for (int64_t i = 0; !p->seen[0] && i < SNUG_COUNT(TYPES); i++) {
        if (snug_begins_with(p->config.architecture, TYPES[i].begins)) {
            snug_text text;
            snug_text_init(&text, p->config.model_type, sizeof p->config.model_type);
            snug_text_add(&text, "%s", TYPES[i].type);
            p->seen[0] = true;
        }
    }
}

static snug_status check_needed(const parse *p, snug_error *err)
{
    char names[512];
    snug_text text;
    snug_text_init(&text, names, sizeof names);
    for (int64_t i = 0; i < FIELD_COUNT; i++) {
        if (FIELDS[i].needed && !p->seen[i]) {
            snug_text_add(&text, "%s\"%s\"", text.length > 0 ? ", " : "", FIELDS[i].key);
        }
    }
    if (text.length > 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "it lacks %s", names);
    }
    return SNUG_OK;
}

static snug_status check_model(parse *p, snug_error *err)
{
    snug_hf_config *c = &p->config;
    const int64_t type = find_type(c->model_type);
    if (type == SNUG_COUNT(TYPES)) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "model_type '%s' is not known here; known are bert, roberta, "
                         "xlm-roberta, camembert",
                         c->model_type);
    }
    c->family = TYPES[type].family;
    if (p->positions[0] != '\0' && strcmp(p->positions, "absolute") != 0) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "position_embedding_type '%s' is not supported, only absolute",
                         p->positions);
    }
    if (p->decoder || p->pruned) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "%s is not supported",
                         p->decoder ? "a decoder (is_decoder, add_cross_attention)"
                                    : "a model with pruned heads");
    }
    static const struct {
        const char *name;
        snug_hf_act act;
    } acts[] = {{"gelu", SNUG_HF_ACT_GELU},
                {"gelu_new", SNUG_HF_ACT_GELU_TANH},
                {"gelu_pytorch_tanh", SNUG_HF_ACT_GELU_TANH},
                {"relu", SNUG_HF_ACT_RELU}};
    for (int64_t i = 0; i < SNUG_COUNT(acts); i++) {
        if (p->hidden_act[0] == '\0' || strcmp(p->hidden_act, acts[i].name) == 0) {
            c->hidden_act = acts[i].act;
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                     "hidden_act '%s' is not known here; known are gelu, gelu_new, "
                     "gelu_pytorch_tanh, relu",
                     p->hidden_act);
}

static bool seen(const parse *p, const char *key)
{
    for (int64_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(FIELDS[i].key, key) == 0) {
            return p->seen[i];
        }
    }
    return false;
}

/** Defaults that depend on other fields, and what must hold between fields. */
static snug_status settle(parse *p, snug_error *err)
{
    snug_hf_config *c = &p->config;
    if (!seen(p, "pad_token_id")) {
        c->pad_token_id = c->family == SNUG_HF_ROBERTA ? 1 : 0;
    }
    if (!seen(p, "classifier_dropout")) {
        c->classifier_dropout = c->hidden_dropout_prob;
    }
    c->position_offset = c->family == SNUG_HF_ROBERTA ? c->pad_token_id + 1 : 0;
    if (c->hidden_size % c->num_attention_heads != 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "\"hidden_size\" %lld is no multiple of \"num_attention_heads\" %lld",
                         (long long)c->hidden_size, (long long)c->num_attention_heads);
    }
    if (c->pad_token_id >= c->vocab_size || c->position_offset >= c->max_position_embeddings) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "\"pad_token_id\" %lld does not fit %lld tokens and %lld positions",
                         (long long)c->pad_token_id, (long long)c->vocab_size,
                         (long long)c->max_position_embeddings);
    }
    if (p->labels.count == 0 && p->by_name.bytes > 0) {
        SNUG_TRY(snug_hf_labels_read(&p->by_name, false, p->arena, &p->labels, err));
    }
    c->labels_are_named = p->labels.count > 0;
    if (c->labels_are_named) {
        c->num_labels = p->labels.count;
        c->labels = p->labels.names;
        return SNUG_OK;
    }
    return snug_hf_labels_number(c->num_labels, p->arena, &c->labels, err);
}

int64_t snug_hf_config_positions(const snug_hf_config *config)
{
    return config->max_position_embeddings - config->position_offset;
}

snug_status snug_hf_config_parse(const char *json, int64_t json_bytes, snug_arena *arena,
                                 snug_hf_config *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    parse p = {.arena = arena,
               .config = {.type_vocab_size = 2,
                          .layer_norm_eps = 1e-12,
                          .initializer_range = 0.02,
                          .hidden_dropout_prob = 0.1,
                          .attention_probs_dropout_prob = 0.1,
                          .tie_word_embeddings = true,
                          .num_labels = 2,
                          .json = json,
                          .json_bytes = json_bytes}};
    snug_json_reader_init(&p.json, json, json_bytes);
    SNUG_TRY_DONE(read_all(&p, err));
    guess_model_type(&p);
    SNUG_TRY_DONE(check_needed(&p, err));
    SNUG_TRY_DONE(check_model(&p, err));
    SNUG_TRY_DONE(settle(&p, err));
    *out = p.config;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

snug_status snug_hf_config_read(const char *folder, snug_arena *arena, snug_hf_config *out,
                                snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    char path[SNUG_PATH_BYTES];
    const char *json = NULL;
    int64_t bytes = 0;
    SNUG_TRY(snug_path_join(folder, SNUG_HF_CONFIG_NAME, path, err));
    SNUG_TRY(snug_file_read_all(path, SNUG_HF_CONFIG_BYTES_MAX, arena, &json, &bytes, err));
    SNUG_TRY_DONE(snug_hf_config_parse(json, bytes, arena, out, err));

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
        (void)snug_error_prefix(err, "%s", path);
    }
    return status;
}
