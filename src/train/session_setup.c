/* What a run takes before its first step, and gives back after its last. */
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "models/model.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/session.h"

/** The way a parameter lies in files, as strides of memory for each axis of the file. */
static snug_tensor_layout file_layout(const snug_graph *graph, snug_tensor_id parameter)
{
    snug_model_layout map;
    snug_tensor_layout layout = {0};
    const snug_shape *ours = &graph->tensors[parameter].shape;
    int64_t file_stride = 1;
    snug_model_file_layout(graph, parameter, &map);
    layout.rank = map.file_shape.rank;
    for (int32_t axis = layout.rank - 1; axis >= 0; axis--) {
        int64_t stride = 1;
        layout.extent[axis] = map.file_shape.extent[axis];
        for (int32_t k = ours->rank - 1; k >= 0; k--) {
            if (ours->extent[k] > 1 && map.stride[k] == file_stride) {
                layout.stride[axis] = stride;
            }
            stride *= ours->extent[k];
        }
        file_stride *= layout.extent[axis];
    }
    return layout;
}

typedef struct tensor_counts {
    int64_t parameters, states;
} tensor_counts;

static bool is_saved_state(const snug_tensor *tensor)
{
    return tensor->kind == SNUG_TENSOR_STATE && tensor->of >= 0;
}

static tensor_counts count_tensors(const snug_graph *graph)
{
    tensor_counts counts = {0};
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        counts.parameters += graph->tensors[i].kind == SNUG_TENSOR_PARAMETER;
        counts.states += is_saved_state(&graph->tensors[i]);
    }
    return counts;
}

static const snug_graph *graph_of(const snug_session *session)
{
    return &snug_session_main(session)->graph;
}

/** Bytes of one sample's record in a collected evaluation: all that the sink shows but the loss. */
static int64_t record_bytes(const snug_session *session)
{
    const snug_graph *graph = graph_of(session);
    int64_t bytes = 0;
    for (int64_t n = 0; n < graph->node_count; n++) {
        const snug_node *node = &graph->nodes[n];
        for (int32_t i = 0; (node->op->flags & SNUG_OP_SINK) != 0 && i < node->input_count; i++) {
            bytes += snug_align_up(snug_tensor_bytes(&graph->tensors[node->inputs[i]]), 8);
        }
    }
    return bytes;
}

/** The buffer that checkpoints are written through. */
static int64_t checkpoint_bytes(const snug_session *session, tensor_counts counts)
{
    const snug_family *family = session->family;
    const int64_t own = family->complete == NULL ? 0 : family->complete_bytes(session);
    return snug_max_i64(own, snug_checkpoint_buffer_bytes(counts.parameters, counts.states));
}

int64_t snug_session_buffers_size(const snug_session *session)
{
    const tensor_counts counts = count_tensors(graph_of(session));
    const int64_t collected =
        session->settings.training_compute_metrics_online ? 0 : record_bytes(session);
    const int64_t parts[] = {
        checkpoint_bytes(session, counts),
        (counts.parameters + counts.states) * (int64_t)sizeof(snug_safetensors_item),
        snug_journal_line_bytes(session->family->item_values(session)),
        session->family->metrics_bytes(session),
        SNUG_STEP_TIMES * (int64_t)sizeof(double) * 2,
        collected,
    };
    int64_t bytes = 0;
    for (int64_t i = 0; i < SNUG_COUNT(parts); i++) {
        bytes += snug_align_up(parts[i], SNUG_ALIGN) + SNUG_ALIGN;
    }
    return bytes;
}

static snug_status take(snug_session *session, int64_t bytes, void **out, snug_error *err)
{
    return snug_arena_alloc(&session->buffers.arena, bytes, out, err);
}

/** The executor that knows where every parameter and state lies. */
static const snug_exec *exec_of(const snug_session *session)
{
    const snug_session_bucket *bucket = snug_session_main(session);
    return session->has_train ? bucket->exec_train : bucket->exec_forward;
}

/** Called for the folder of every checkpoint before it gets its name. */
static snug_status complete(void *context, const char *folder, snug_error *err)
{
    snug_session *session = context;
    return session->family->complete(session, folder, err);
}

static snug_status make_items(snug_session *session, snug_error *err)
{
    snug_session_buffers *b = &session->buffers;
    const snug_graph *graph = graph_of(session);
    const tensor_counts counts = count_tensors(graph);
    const snug_exec *exec = exec_of(session);
    void *memory = NULL;
    int64_t weight = 0, state = 0;
    SNUG_TRY(take(session,
                  (counts.parameters + counts.states) * (int64_t)sizeof(snug_safetensors_item),
                  &memory, err));
    snug_safetensors_item *items = memory;
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        const snug_tensor *tensor = &graph->tensors[i];
        const snug_tensor_id id = (snug_tensor_id)i;
        if (tensor->kind == SNUG_TENSOR_PARAMETER) {
            items[weight++] = (snug_safetensors_item){.name = tensor->name,
                                                      .layout = file_layout(graph, id),
                                                      .data = snug_exec_tensor(exec, id)};
        } else if (is_saved_state(tensor)) {
            items[counts.parameters + state++] =
                (snug_safetensors_item){.name = tensor->name,
                                        .layout = snug_tensor_layout_plain(&tensor->shape),
                                        .data = snug_exec_tensor(exec, id),
                                        .memory = tensor->dtype};
        }
    }
    b->checkpoint.complete = session->family->complete == NULL ? NULL : complete;
    b->checkpoint.complete_context = session;
    b->checkpoint.weights = items;
    b->checkpoint.weight_count = counts.parameters;
    b->checkpoint.states = items + counts.parameters;
    b->checkpoint.state_count = counts.states;
    b->checkpoint.buffer_bytes = checkpoint_bytes(session, counts);
    return take(session, b->checkpoint.buffer_bytes, &b->checkpoint.buffer, err);
}

static snug_status make_buffers(snug_session *session, snug_error *err)
{
    snug_session_buffers *b = &session->buffers;
    void *memory = NULL;
    b->block_bytes = session->bytes.buffers;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, b->block_bytes, true, &b->block, err));
    snug_arena_init(&b->arena, "run buffers", b->block, b->block_bytes);
    SNUG_TRY(make_items(session, err));
    b->line_bytes = snug_journal_line_bytes(session->family->item_values(session));
    SNUG_TRY(take(session, b->line_bytes, &memory, err));
    b->line = memory;
    SNUG_TRY(session->family->open_metrics(session, &b->arena, err));
    SNUG_TRY(take(session, 2 * SNUG_STEP_TIMES * (int64_t)sizeof(double), &memory, err));
    b->step_seconds = memory;
    if (!session->settings.training_compute_metrics_online) {
        b->record_bytes = record_bytes(session);
        SNUG_TRY(take(session, b->record_bytes, &b->record, err));
    }
    return SNUG_OK;
}

static snug_status open_source(snug_session *session, snug_error *err)
{
    void *memory = NULL;
    const int64_t bytes = session->data.source_bytes;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_DATA, bytes, true, &memory, err));
    session->source_memory = memory;
    session->source_bytes = bytes;
    snug_arena_init(&session->source_arena, "loader", memory, bytes);
    return session->family->open_source(session, err);
}

static snug_status fetch(void *context, const snug_exec_request *request, void *out,
                         snug_error *err)
{
    snug_session *session = context;
    const snug_source_request mapped = {.stream = session->family->stream(session, request->stream),
                                        .first = request->first,
                                        .count = request->count};
    return session->source->calls->fetch(session->source, &mapped, out, err);
}

/** Room in the set-up arena for the requests of one or two executors; the second may be NULL. */
static snug_status take_requests(snug_session *session, const snug_exec *const execs[2],
                                 snug_exec_request **out_asked, snug_source_request **out_requests,
                                 int64_t out_counts[2], snug_error *err)
{
    void *asked = NULL, *requests = NULL;
    for (int32_t i = 0; i < 2; i++) {
        out_counts[i] =
            execs[i] == NULL ? 0 : snug_exec_requests(execs[i], session->batch, 0, NULL);
    }
    const int64_t count = out_counts[0] + out_counts[1];
    SNUG_TRY(snug_arena_array(&session->setup, count, sizeof(snug_exec_request), &asked, err));
    SNUG_TRY(snug_arena_array(&session->setup, count, sizeof(snug_source_request), &requests, err));
    *out_asked = asked;
    *out_requests = requests;
    return SNUG_OK;
}

/**
 * Hands the loader the order in which the programs of a step ask for samples: one executor's, or
 * those of two that run one after the other on the same batch.
 */
static snug_status schedule(snug_session *session, const snug_exec *first, const snug_exec *second,
                            bool training, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(&session->setup);
    const snug_exec *const execs[2] = {first, second};
    snug_exec_request *asked = NULL;
    snug_source_request *requests = NULL;
    int64_t counts[2];
    SNUG_TRY_DONE(take_requests(session, execs, &asked, &requests, counts, err));
    const int64_t count = counts[0] + counts[1];
    (void)snug_exec_requests(first, session->batch, counts[0], asked);
    if (second != NULL) {
        (void)snug_exec_requests(second, session->batch, counts[1], asked + counts[0]);
    }
    for (int64_t i = 0; i < count; i++) {
        requests[i] =
            (snug_source_request){.stream = session->family->stream(session, asked[i].stream),
                                  .first = asked[i].first,
                                  .count = asked[i].count};
    }
    SNUG_TRY_DONE(
        session->source->calls->schedule(session->source, training, requests, count, err));

done:
    snug_arena_rewind(&session->setup, start);
    return status;
}

/** Takes what the executors of a step and the list of their requests take of the set-up arena. */
static snug_status rehearse_programs(snug_session *session, const snug_program *first,
                                     const snug_program *second, snug_graph *graph, snug_error *err)
{
    const snug_program *const programs[2] = {first, second};
    const snug_exec *execs[2] = {NULL, NULL};
    snug_exec_request *asked = NULL;
    snug_source_request *requests = NULL;
    int64_t counts[2];
    for (int32_t i = 0; i < 2 && programs[i] != NULL; i++) {
        snug_exec *exec = NULL;
        /* Without memory of its own: an executor is only bound here, no step is made. */
        SNUG_TRY(snug_exec_init(programs[i], graph, NULL, (snug_kernel_isa)session->isa,
                                &snug_parallel_serial, &session->setup, &exec, err));
        execs[i] = exec;
    }
    const snug_mark start = snug_arena_mark(&session->setup);
    SNUG_TRY(take_requests(session, execs, &asked, &requests, counts, err));
    snug_arena_rewind(&session->setup, start);
    return SNUG_OK;
}

snug_status snug_session_rehearse(snug_session *session, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(&session->setup);
    const tensor_counts counts = count_tensors(graph_of(session));
    void *memory = NULL;
    for (int32_t b = 0; b < session->bucket_count; b++) {
        snug_session_bucket *bucket = &session->buckets[b];
        if (session->has_train) {
            const snug_step_plan *step = &bucket->step;
            SNUG_TRY_DONE(
                rehearse_programs(session, step->passes > 1 ? &step->measure : &step->train,
                                  step->passes > 1 ? &step->train : NULL, &bucket->graph, err));
        }
        SNUG_TRY_DONE(rehearse_programs(session, &bucket->forward, NULL, &bucket->graph, err));
    }
    /* The best weights may be loaded again at the end of a run, when the door is shut. */
    SNUG_TRY_DONE(snug_arena_alloc(
        &session->setup,
        snug_safetensors_header_bytes(NULL, snug_max_i64(counts.parameters, counts.states)),
        &memory, err));

done:
    snug_arena_rewind(&session->setup, start);
    return status;
}

/** Every bucket finds the parameters and states where the largest has them. */
static bool are_at_one_place(const snug_session *session, const snug_session_bucket *bucket)
{
    const snug_exec *main = exec_of(session);
    const snug_exec *other = session->has_train ? bucket->exec_train : bucket->exec_forward;
    const snug_graph *graph = &bucket->graph;
    bool same = true;
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        const snug_tensor_id id = (snug_tensor_id)i;
        const snug_tensor_kind kind = graph->tensors[i].kind;
        if (kind == SNUG_TENSOR_PARAMETER || kind == SNUG_TENSOR_STATE) {
            same = same && snug_exec_tensor(other, id) == snug_exec_tensor(main, id);
            same =
                same && (bucket->exec_measure == NULL ||
                         snug_exec_tensor(bucket->exec_measure, id) == snug_exec_tensor(main, id));
        }
        if (kind == SNUG_TENSOR_PARAMETER) {
            same = same && snug_exec_tensor(bucket->exec_forward, id) == snug_exec_tensor(main, id);
        }
    }
    return same;
}

static snug_status open_executor(snug_session *session, snug_session_bucket *bucket,
                                 const snug_program *program, snug_exec **out, snug_error *err)
{
    return snug_exec_init(program, &bucket->graph, session->arena_memory,
                          (snug_kernel_isa)session->isa, snug_pool_parallel(session->pool),
                          &session->setup, out, err);
}

static snug_status schedule_step(snug_session *session, const snug_session_bucket *bucket,
                                 snug_error *err)
{
    return bucket->exec_measure == NULL
               ? schedule(session, bucket->exec_train, NULL, true, err)
               : schedule(session, bucket->exec_measure, bucket->exec_train, true, err);
}

static snug_status open_executors(snug_session *session, snug_error *err)
{
    session->calls = (snug_exec_calls){.fetch = fetch,
                                       .fetch_context = session,
                                       .emit = snug_session_emit,
                                       .emit_context = session};
    for (int32_t b = 0; b < session->bucket_count; b++) {
        snug_session_bucket *bucket = &session->buckets[b];
        bucket->exec_measure = NULL;
        if (session->has_train) {
            if (bucket->step.passes > 1) {
                SNUG_TRY(open_executor(session, bucket, &bucket->step.measure,
                                       &bucket->exec_measure, err));
            }
            SNUG_TRY(open_executor(session, bucket, &bucket->step.train, &bucket->exec_train, err));
            SNUG_TRY(schedule_step(session, bucket, err));
        }
        SNUG_TRY(open_executor(session, bucket, &bucket->forward, &bucket->exec_forward, err));
        SNUG_TRY(schedule(session, bucket->exec_forward, NULL, false, err));
    }
    for (int32_t b = 0; b < session->bucket_count; b++) {
        SNUG_ASSERT(are_at_one_place(session, &session->buckets[b]));
    }
    return SNUG_OK;
}

/** Weights as their seed says, moments zero. */
static void make_weights(snug_session *session)
{
    const snug_graph *graph = graph_of(session);
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        const snug_tensor *tensor = &graph->tensors[i];
        const snug_tensor_id id = (snug_tensor_id)i;
        if (tensor->kind == SNUG_TENSOR_PARAMETER) {
            snug_model_init_values(graph, id, (uint64_t)session->settings.seed, 0,
                                   snug_shape_count(&tensor->shape),
                                   snug_exec_tensor(exec_of(session), id));
        } else if (tensor->kind == SNUG_TENSOR_STATE) {
            memset(snug_exec_tensor(exec_of(session), id), 0, (size_t)snug_tensor_bytes(tensor));
        }
    }
}

snug_status snug_session_find_checkpoint(const char *given, char out[SNUG_PATH_BYTES],
                                         snug_error *err)
{
    static const char *const names[] = {"", "checkpoints/best", "checkpoints/last"};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        char path[SNUG_PATH_BYTES], file[SNUG_PATH_BYTES];
        if (names[i][0] == '\0') {
            memcpy(path, given, SNUG_PATH_BYTES);
        } else {
            SNUG_TRY(snug_path_join(given, names[i], path, err));
        }
        SNUG_TRY(snug_path_join(path, "model.safetensors", file, err));
        if (snug_path_look(file) == SNUG_PATH_FILE) {
            memcpy(out, path, SNUG_PATH_BYTES);
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                     "'%s' holds no model.safetensors, checkpoints/best or checkpoints/last",
                     given);
}

static snug_status resume_run(snug_session *session, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(snug_path_join(session->out, "checkpoints/last", path, err));
    if (snug_path_look(path) != SNUG_PATH_FOLDER) {
        return SNUG_OK; /* Stopped before its first checkpoint: it starts again. */
    }
    SNUG_TRY(snug_checkpoint_load(path, &session->buffers.checkpoint, true, &session->setup,
                                  &session->state, err));
    if (session->state.result_hash != snug_session_result_hash(session)) {
        return SNUG_FAIL(
            err, SNUG_CODE_CONFIG,
            "'%s' was trained with other settings that change the result; give the same "
            "configuration, or another --out",
            session->out);
    }
    if (session->state.data_hash != snug_session_data_hash(session)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "the data set is not the one that '%s' was trained on: files, rows or "
                         "windows differ",
                         session->out);
    }
    return SNUG_OK;
}

static snug_status load_weights(snug_session *session, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    if (session->purpose == SNUG_PURPOSE_TRAIN) {
        make_weights(session);
        session->state = (snug_train_state){.seed = (uint64_t)session->settings.seed,
                                            .result_hash = snug_session_result_hash(session),
                                            .data_hash = snug_session_data_hash(session)};
        snug_sha256_init(&session->state.loss_hash);
        if (session->family->load != NULL) {
            SNUG_TRY(session->family->load(session, err));
        }
        return session->resume && session->out[0] != '\0' ? resume_run(session, err) : SNUG_OK;
    }
    if (session->checkpoint[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "which weights? add --checkpoint RUN");
    }
    SNUG_TRY(snug_session_find_checkpoint(session->checkpoint, path, err));
    return snug_checkpoint_load(path, &session->buffers.checkpoint, false, &session->setup,
                                &session->state, err);
}

snug_status snug_session_set_up(snug_session *session, snug_error *err)
{
    snug_status status = SNUG_OK;
    if (!session->fits) {
        *err = session->plan_error;
        return snug_error_pass(err, SNUG_CODE_BUDGET, __FILE__, __LINE__);
    }
    SNUG_TRY_DONE(snug_pool_open(session->threads, &session->pool, err));
    SNUG_TRY_DONE(open_source(session, err));
    SNUG_TRY_DONE(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, session->arena_bytes, true,
                                &session->arena_memory, err));
    SNUG_TRY_DONE(open_executors(session, err));
    SNUG_TRY_DONE(make_buffers(session, err));
    if (session->purpose == SNUG_PURPOSE_TRAIN) {
        SNUG_TRY_DONE(snug_session_rehearse_steps(session, err));
    }
    SNUG_TRY_DONE(load_weights(session, err));

done:
    if (snug_failed(status)) {
        snug_session_tear_down(session);
    }
    return status;
}

/** The loader, closed and with its memory given back. */
static void close_source(snug_session *session)
{
    if (session->source != NULL) {
        session->source->calls->close(session->source);
        session->source = NULL;
    }
    snug_heap_unmap(SNUG_CATEGORY_DATA, session->source_memory, session->source_bytes);
    session->source_memory = NULL;
}

/** What checkpoints are written from is where the executor has it. */
static bool are_items_in_place(const snug_session *session)
{
    const snug_graph *graph = graph_of(session);
    const snug_checkpoint_set *set = &session->buffers.checkpoint;
    bool same = true;
    int64_t weight = 0;
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        if (graph->tensors[i].kind == SNUG_TENSOR_PARAMETER) {
            same = same && set->weights[weight++].data ==
                               snug_exec_tensor(exec_of(session), (snug_tensor_id)i);
        }
    }
    return same;
}

snug_status snug_session_shrink(snug_session *session, snug_error *err)
{
    const int64_t mapped = session->arena_bytes;
    const int64_t wanted =
        snug_max_i64(session->plan_facts.minimum_arena_bytes, mapped - mapped / 4);
    snug_heap_usage usage;
    snug_heap_usage_read(&usage);
    session->state.allocations += usage.requests_after_seal; /* The seal counts from 0 again. */
    snug_heap_unseal();
    close_source(session);
    if (session->family->has_workers && session->settings.data_num_workers > 0) {
        session->settings.data_num_workers = 0;
        SNUG_TRY(snug_session_open_data(session, err));
    }
    SNUG_TRY(snug_session_plan_again(session, wanted, err));
    SNUG_ASSERT(session->arena_bytes <= mapped);
    snug_heap_shrink(SNUG_CATEGORY_ACTIVATIONS, session->arena_memory, mapped,
                     session->arena_bytes);
    SNUG_TRY(open_source(session, err));
    SNUG_TRY(open_executors(session, err));
    SNUG_ASSERT(are_items_in_place(session));
    return snug_session_seal(err);
}

void snug_session_tear_down(snug_session *session)
{
    if (snug_heap_sealed()) {
        snug_heap_unseal();
    }
    if (session->journal_open) {
        snug_journal_close(&session->journal);
        session->journal_open = false;
    }
    close_source(session);
    snug_pool_close(session->pool);
    session->pool = NULL;
    for (int32_t b = 0; b < session->bucket_count; b++) {
        session->buckets[b].exec_measure = NULL;
        session->buckets[b].exec_train = NULL;
        session->buckets[b].exec_forward = NULL;
    }
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, session->arena_memory, session->arena_bytes);
    session->arena_memory = NULL;
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, session->buffers.block, session->buffers.block_bytes);
    session->buffers = (snug_session_buffers){0};
}
