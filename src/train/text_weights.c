/* Weights of a text classifier from and to folders in the layout of Hugging Face. */
#include <string.h>

#include "base/checked.h"
#include "data/hf/hf_folder.h"
#include "data/hf/tensor_set.h"
#include "sys/heap.h"
#include "train/text_session.h"

enum { BLOCK_BYTES = 256 << 10, REPORT_BYTES = 1024 };

snug_status snug_text_weights_load(snug_session *session, const snug_text_own *own, snug_error *err)
{
    static const char *const new_parts[] = {"pooler.", "classifier.", NULL};
    const bool bert = strcmp(own->model.prefix, "bert") == 0;
    const snug_tensor_match_options options = {.prefix = bert ? "bert." : "roberta.",
                                               .new_parts = new_parts,
                                               .new_when_shape_differs = true};
    const snug_checkpoint_set *set = &session->buffers.checkpoint;
    snug_status status = SNUG_OK;
    snug_arena work;
    snug_tensor_set file = {0};
    snug_tensor_match match;
    void *memory = NULL;
    char report[REPORT_BYTES];
    snug_text text;
    snug_text_init(&text, report, sizeof report);
    snug_heap_arena_init(&work, "weights", SNUG_CATEGORY_RUNTIME, BLOCK_BYTES);
    SNUG_TRY_DONE(snug_arena_array(&work, set->weight_count, sizeof(int64_t), &memory, err));
    int64_t *entries = memory;
    SNUG_TRY_DONE(snug_tensor_set_open(own->folder, &work, &file, err));
    status = snug_tensor_set_match(&file, set->weights, set->weight_count, &options, &work, entries,
                                   &match, &text, err);
    if (status != SNUG_OK) {
        (void)snug_error_prefix(err, "'%s'", own->folder);
        goto done;
    }
    for (int64_t i = 0; i < set->weight_count; i++) {
        if (entries[i] >= 0) {
            SNUG_TRY_DONE(snug_tensor_set_read(&file, entries[i], &set->weights[i], set->buffer,
                                               set->buffer_bytes, err));
        }
    }
    snug_session_message(session, SNUG_MESSAGE_INFO, "%s", report);

done:
    snug_tensor_set_close(&file);
    snug_heap_arena_deinit(&work, SNUG_CATEGORY_RUNTIME);
    return status;
}

static snug_hf_config_changes changes_of(const snug_text_own *own)
{
    return (snug_hf_config_changes){.labels = own->labels.names,
                                    .label_count = own->labels.count,
                                    .architecture = snug_hf_config_architecture(&own->config),
                                    .dtype = "float32",
                                    .problem_type = "single_label_classification"};
}

int64_t snug_text_weights_buffer_bytes(const snug_text_own *own)
{
    const snug_hf_config_changes changes = changes_of(own);
    return snug_hf_config_buffer_bytes(&own->config, &changes);
}

snug_status snug_text_weights_complete(const snug_session *session, const snug_text_own *own,
                                       const char *folder, snug_error *err)
{
    const snug_checkpoint_set *set = &session->buffers.checkpoint;
    const snug_hf_config_changes changes = changes_of(own);
    char path[SNUG_PATH_BYTES];
    snug_arena scratch;
    SNUG_TRY(snug_path_join(folder, SNUG_HF_CONFIG_NAME, path, err));
    SNUG_TRY(
        snug_hf_config_write(path, &own->config, &changes, set->buffer, set->buffer_bytes, err));
    SNUG_TRY(
        snug_hf_tokenizer_copy(own->folder, folder, set->buffer, set->buffer_bytes, NULL, err));
    SNUG_TRY(snug_path_join(folder, "label2id.json", path, err));
    snug_arena_init(&scratch, "labels", set->buffer, set->buffer_bytes);
    return snug_labels_write(&own->labels, path, &scratch, err);
}
