/* Fuzz target: a config.json is read; what is read is written changed, and read again the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "data/hf/hf_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(SNUG_ALIGN) unsigned char blocks[2][4 << 20];
static char text[4 << 20];

static void check(const snug_hf_config *config)
{
    if (config->num_labels < 1 || config->num_labels > SNUG_LABELS_MAX ||
        config->hidden_size % config->num_attention_heads != 0 ||
        snug_hf_config_positions(config) < 1 || config->pad_token_id >= config->vocab_size) {
        __builtin_trap();
    }
    for (int64_t i = 0; i < config->num_labels; i++) {
        if (strlen(config->labels[i]) >= SNUG_HF_LABEL_BYTES) {
            __builtin_trap();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    snug_arena arenas[2] = {{0}, {0}};
    snug_hf_config config = {0}, again = {0};
    snug_error err = {0};
    for (int i = 0; i < 2; i++) {
        snug_arena_init(&arenas[i], "fuzz", blocks[i], sizeof blocks[i]);
    }
    if (snug_hf_config_parse((const char *)data, (int64_t)size, &arenas[0], &config, &err) !=
        SNUG_OK) {
        if (err.message[0] == '\0' || arenas[0].used_bytes != 0) {
            __builtin_trap();
        }
        return 0;
    }
    check(&config);
    const snug_hf_config_changes changes = {.labels = config.labels,
                                            .label_count = config.num_labels,
                                            .architecture = "BertForSequenceClassification",
                                            .dtype = "float32"};
    const int64_t room = snug_hf_config_buffer_bytes(&config, &changes);
    if (room > (int64_t)sizeof text) {
        return 0;
    }
    const int64_t bytes = snug_hf_config_text(&config, &changes, text, room);
    if (bytes < 0 || snug_hf_config_parse(text, bytes, &arenas[1], &again, &err) != SNUG_OK) {
        __builtin_trap();
    }
    check(&again);
    if (again.num_labels != config.num_labels || again.vocab_size != config.vocab_size ||
        strcmp(again.dtype, "float32") != 0) {
        __builtin_trap();
    }
    for (int64_t i = 0; i < config.num_labels; i++) {
        if (strcmp(again.labels[i], config.labels[i]) != 0) {
            __builtin_trap();
        }
    }
    return 0;
}
