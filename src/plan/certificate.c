#include "plan/certificate.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"

static const char schema[] = "snug.certificate/2";

enum {
    LOOP_COLUMNS = 6,
    BUFFER_COLUMNS = 13,
    SEGMENT_COLUMNS = 7,
    CALL_COLUMNS = 2 + SNUG_NODE_INPUTS_MAX + SNUG_NODE_OUTPUTS_MAX,
    COLUMNS_MAX = CALL_COLUMNS,
    CALLS_MAX = 1 << 20
};

static const char *const loop_columns[LOOP_COLUMNS] = {"first_call",  "call_count", "tile",
                                                       "stage_first", "stage_last", "kind"};
static const char *const buffer_columns[BUFFER_COLUMNS] = {
    "tensor", "category", "persistent", "whole",  "global", "samples",    "bytes",
    "first",  "last",     "zero_loop",  "offset", "home",   "moved_bytes"};
static const char *const segment_columns[SEGMENT_COLUMNS] = {
    "stage_first", "stage_last",   "mode",         "keep_sources",
    "variant",     "forward_tile", "backward_tile"};

int64_t snug_certificate_bytes(const snug_program *program, const snug_graph *graph)
{
    /* Names may be escaped to six bytes a character; integers have at most 20 digits. */
    return 4096 + (graph->node_count + graph->tensor_count) * (6 * SNUG_NAME_BYTES + 4) +
           program->node_count * 22 + program->loop_count * (LOOP_COLUMNS * 22 + 4) +
           program->call_count * (CALL_COLUMNS * 12 + 4) +
           program->buffer_count * (BUFFER_COLUMNS * 22 + 4) +
           program->segment_count * (SEGMENT_COLUMNS * 22 + 4);
}

static void write_size(snug_json_writer *w, const char *key, int64_t value)
{
    snug_json_key(w, key);
    snug_json_i64(w, value);
}

static void write_row(snug_json_writer *w, const int64_t *row, int32_t count)
{
    snug_json_array_begin(w);
    for (int32_t i = 0; i < count; i++) {
        snug_json_i64(w, row[i]);
    }
    snug_json_array_end(w);
}

static void write_names(snug_json_writer *w, const char *key, const char *const *names,
                        int32_t count)
{
    snug_json_key(w, key);
    snug_json_array_begin(w);
    for (int32_t i = 0; i < count; i++) {
        snug_json_string(w, names[i]);
    }
    snug_json_array_end(w);
}

static void write_graph(snug_json_writer *w, const snug_program *program, const snug_graph *graph)
{
    snug_json_key(w, "nodes");
    snug_json_array_begin(w);
    for (int64_t n = 0; n < graph->node_count; n++) {
        snug_json_string(w, graph->nodes[n].name);
    }
    snug_json_array_end(w);
    snug_json_key(w, "tensors");
    snug_json_array_begin(w);
    for (int64_t t = 0; t < graph->tensor_count; t++) {
        snug_json_string(w, graph->tensors[t].name);
    }
    snug_json_array_end(w);
    snug_json_key(w, "variants");
    snug_json_array_begin(w);
    for (int64_t n = 0; n < program->node_count; n++) {
        snug_json_i64(w, program->variants[n]);
    }
    snug_json_array_end(w);
}

static void loop_row(const snug_plan_loop *l, int64_t *row)
{
    const int64_t values[LOOP_COLUMNS] = {l->first_call,  l->call_count, l->tile,
                                          l->stage_first, l->stage_last, (int64_t)l->kind};
    memcpy(row, values, sizeof values);
}

/* node, scratch, the inputs, the outputs. */
static void call_row(const snug_plan_call *c, int64_t *row)
{
    row[0] = c->node;
    row[1] = c->scratch;
    for (int32_t i = 0; i < SNUG_NODE_INPUTS_MAX; i++) {
        row[2 + i] = c->inputs[i];
    }
    for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
        row[2 + SNUG_NODE_INPUTS_MAX + o] = c->outputs[o];
    }
}

static void buffer_row(const snug_plan_buffer *b, int64_t *row)
{
    const int64_t values[BUFFER_COLUMNS] = {
        b->tensor,     (int64_t)b->category, b->persistent, b->whole,
        b->global,     b->samples,           b->bytes,      b->first,
        b->last,       b->zero_loop,         b->offset,     (int64_t)b->home,
        b->moved_bytes};
    memcpy(row, values, sizeof values);
}

static void segment_row(const snug_plan_segment *s, int64_t *row)
{
    const int64_t values[SEGMENT_COLUMNS] = {s->stage_first,  s->stage_last, (int64_t)s->mode,
                                             s->keep_sources, s->variant,    s->forward_tile,
                                             s->backward_tile};
    memcpy(row, values, sizeof values);
}

static void write_rows(snug_json_writer *w, const snug_program *p)
{
    int64_t row[COLUMNS_MAX];
    write_names(w, "loop_columns", loop_columns, LOOP_COLUMNS);
    snug_json_key(w, "loops");
    snug_json_array_begin(w);
    for (int64_t i = 0; i < p->loop_count; i++) {
        loop_row(&p->loops[i], row);
        write_row(w, row, LOOP_COLUMNS);
    }
    snug_json_array_end(w);
    snug_json_key(w, "calls");
    snug_json_array_begin(w);
    for (int64_t i = 0; i < p->call_count; i++) {
        call_row(&p->calls[i], row);
        write_row(w, row, CALL_COLUMNS);
    }
    snug_json_array_end(w);
    write_names(w, "buffer_columns", buffer_columns, BUFFER_COLUMNS);
    snug_json_key(w, "buffers");
    snug_json_array_begin(w);
    for (int64_t i = 0; i < p->buffer_count; i++) {
        buffer_row(&p->buffers[i], row);
        write_row(w, row, BUFFER_COLUMNS);
    }
    snug_json_array_end(w);
    write_names(w, "segment_columns", segment_columns, SEGMENT_COLUMNS);
    snug_json_key(w, "segments");
    snug_json_array_begin(w);
    for (int64_t i = 0; i < p->segment_count; i++) {
        segment_row(&p->segments[i], row);
        write_row(w, row, SEGMENT_COLUMNS);
    }
    snug_json_array_end(w);
}

void snug_certificate_write(const snug_program *program, const snug_graph *graph, snug_text *out)
{
    snug_json_writer w;
    snug_json_writer_init(&w, out, false);
    snug_json_object_begin(&w);
    snug_json_key(&w, "schema");
    snug_json_string(&w, schema);
    write_size(&w, "mode", (int64_t)program->mode);
    write_size(&w, "batch", program->batch);
    write_size(&w, "micro_batch", program->micro_batch);
    write_size(&w, "threads", program->threads);
    write_size(&w, "canary_bytes", program->canary_bytes);
    write_size(&w, "persistent_bytes", program->persistent_bytes);
    write_size(&w, "arena_bytes", program->arena_bytes);
    write_size(&w, "live_bytes_max", program->live_bytes_max);
    write_size(&w, "update_first_loop", program->update_first_loop);
    write_size(&w, "node_count", program->node_count);
    write_size(&w, "tensor_count", graph->tensor_count);
    write_size(&w, "loop_count", program->loop_count);
    write_size(&w, "call_count", program->call_count);
    write_size(&w, "buffer_count", program->buffer_count);
    write_size(&w, "segment_count", program->segment_count);
    snug_json_key(&w, "seconds");
    snug_json_f64(&w, program->seconds);
    write_graph(&w, program, graph);
    write_rows(&w, program);
    snug_json_object_end(&w);
}

/* Reading: strictly the order in which it is written. */
typedef struct reader {
    snug_json_reader json;
    const snug_graph *graph;
} reader;

static snug_status expect(reader *r, snug_json_kind kind, snug_json_event *out, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&r->json, &event, err));
    if (event.kind != kind) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "not a certificate: byte %lld is unexpected",
                         (long long)event.offset);
    }
    if (out != NULL) {
        *out = event;
    }
    return SNUG_OK;
}

static snug_status expect_text(reader *r, snug_json_kind kind, const char *wanted, snug_status code,
                               snug_error *err)
{
    snug_json_event event;
    char text[6 * SNUG_NAME_BYTES];
    SNUG_TRY(expect(r, kind, &event, err));
    SNUG_TRY(snug_json_unescape(&event, text, sizeof text, err));
    if (strcmp(text, wanted) != 0) {
        return SNUG_FAIL(err, code, "the certificate has '%.100s' where '%s' belongs", text,
                         wanted);
    }
    return SNUG_OK;
}

static snug_status expect_key(reader *r, const char *key, snug_error *err)
{
    SNUG_TRY(expect_text(r, SNUG_JSON_KEY, key, SNUG_CODE_FORMAT, err));
    return SNUG_OK;
}

static snug_status read_integer(reader *r, int64_t low, int64_t high, int64_t *out, snug_error *err)
{
    snug_json_event event;
    int64_t value = 0;
    SNUG_TRY(expect(r, SNUG_JSON_NUMBER, &event, err));
    SNUG_TRY(snug_json_to_i64(&event, &value, err));
    if (value < low || value > high) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the certificate has %lld at byte %lld",
                         (long long)value, (long long)event.offset);
    }
    *out = value;
    return SNUG_OK;
}

static snug_status read_size(reader *r, const char *key, int64_t high, int64_t *out,
                             snug_error *err)
{
    SNUG_TRY(expect_key(r, key, err));
    SNUG_TRY(read_integer(r, 0, high, out, err));
    return SNUG_OK;
}

static snug_status read_row(reader *r, int64_t *row, int32_t count, snug_error *err)
{
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int32_t i = 0; i < count; i++) {
        SNUG_TRY(read_integer(r, -1, INT64_MAX / 4, &row[i], err));
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    return SNUG_OK;
}

static snug_status skip_key(reader *r, const char *key, snug_error *err)
{
    SNUG_TRY(expect_key(r, key, err));
    SNUG_TRY(snug_json_skip(&r->json, err));
    return SNUG_OK;
}

static snug_status read_sizes(reader *r, snug_program *p, snug_error *err)
{
    int64_t mode = 0;
    int64_t threads = 0;
    int64_t tensors = 0;
    snug_json_event event;
    SNUG_TRY(expect(r, SNUG_JSON_OBJECT_BEGIN, NULL, err));
    SNUG_TRY(expect_key(r, "schema", err));
    SNUG_TRY(expect_text(r, SNUG_JSON_STRING, schema, SNUG_CODE_FORMAT, err));
    SNUG_TRY(read_size(r, "mode", SNUG_PLAN_APPLY, &mode, err));
    SNUG_TRY(read_size(r, "batch", INT64_C(1) << 24, &p->batch, err));
    SNUG_TRY(read_size(r, "micro_batch", INT64_C(1) << 24, &p->micro_batch, err));
    SNUG_TRY(read_size(r, "threads", SNUG_THREADS_MAX, &threads, err));
    SNUG_TRY(read_size(r, "canary_bytes", SNUG_ALIGN, &p->canary_bytes, err));
    SNUG_TRY(read_size(r, "persistent_bytes", INT64_MAX / 4, &p->persistent_bytes, err));
    SNUG_TRY(read_size(r, "arena_bytes", INT64_MAX / 4, &p->arena_bytes, err));
    SNUG_TRY(read_size(r, "live_bytes_max", INT64_MAX / 4, &p->live_bytes_max, err));
    SNUG_TRY(read_size(r, "update_first_loop", CALLS_MAX, &p->update_first_loop, err));
    SNUG_TRY(read_size(r, "node_count", SNUG_GRAPH_NODES_MAX, &p->node_count, err));
    SNUG_TRY(read_size(r, "tensor_count", SNUG_GRAPH_TENSORS_MAX, &tensors, err));
    SNUG_TRY(read_size(r, "loop_count", SNUG_PLAN_LOOPS_MAX, &p->loop_count, err));
    SNUG_TRY(read_size(r, "call_count", CALLS_MAX, &p->call_count, err));
    SNUG_TRY(read_size(r, "buffer_count", SNUG_PLAN_BUFFERS_MAX, &p->buffer_count, err));
    SNUG_TRY(read_size(r, "segment_count", SNUG_STAGES_MAX, &p->segment_count, err));
    SNUG_TRY(expect_key(r, "seconds", err));
    SNUG_TRY(expect(r, SNUG_JSON_NUMBER, &event, err));
    SNUG_TRY(snug_json_to_f64(&event, &p->seconds, err));
    p->mode = (snug_plan_mode)mode;
    p->threads = (int32_t)threads;
    if (p->node_count != r->graph->node_count || tensors != r->graph->tensor_count) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the certificate is of another graph");
    }
    return SNUG_OK;
}

static snug_status read_graph(reader *r, snug_program *p, snug_arena *arena, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(expect_key(r, "nodes", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t n = 0; n < r->graph->node_count; n++) {
        SNUG_TRY(expect_text(r, SNUG_JSON_STRING, r->graph->nodes[n].name, SNUG_CODE_DATA, err));
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    SNUG_TRY(expect_key(r, "tensors", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t t = 0; t < r->graph->tensor_count; t++) {
        SNUG_TRY(expect_text(r, SNUG_JSON_STRING, r->graph->tensors[t].name, SNUG_CODE_DATA, err));
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    SNUG_TRY(snug_arena_array(arena, p->node_count, (int64_t)sizeof(int32_t), &memory, err));
    p->variants = memory;
    SNUG_TRY(expect_key(r, "variants", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t n = 0; n < p->node_count; n++) {
        int64_t value = 0;
        SNUG_TRY(read_integer(r, 0, INT16_MAX, &value, err));
        p->variants[n] = (int32_t)value;
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    return SNUG_OK;
}

static bool fits_i32(const int64_t *row, int32_t count)
{
    bool fits = true;
    for (int32_t i = 0; i < count; i++) {
        fits = fits && row[i] <= INT32_MAX;
    }
    return fits;
}

static snug_status too_large(snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a number of the certificate is out of range");
}

static snug_status read_loops(reader *r, snug_program *p, snug_error *err)
{
    int64_t row[LOOP_COLUMNS];
    SNUG_TRY(skip_key(r, "loop_columns", err));
    SNUG_TRY(expect_key(r, "loops", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t i = 0; i < p->loop_count; i++) {
        SNUG_TRY(read_row(r, row, LOOP_COLUMNS, err));
        if (!fits_i32(row, LOOP_COLUMNS) || row[5] < 0 || row[5] > SNUG_LOOP_UPDATE) {
            return too_large(err);
        }
        p->loops[i] = (snug_plan_loop){.first_call = (int32_t)row[0],
                                       .call_count = (int32_t)row[1],
                                       .tile = row[2],
                                       .stage_first = (int32_t)row[3],
                                       .stage_last = (int32_t)row[4],
                                       .kind = (snug_loop_kind)row[5]};
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    return SNUG_OK;
}

static snug_status read_calls(reader *r, snug_program *p, snug_error *err)
{
    int64_t row[CALL_COLUMNS];
    SNUG_TRY(expect_key(r, "calls", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t k = 0; k < p->call_count; k++) {
        snug_plan_call *c = &p->calls[k];
        SNUG_TRY(read_row(r, row, CALL_COLUMNS, err));
        if (!fits_i32(row, CALL_COLUMNS)) {
            return too_large(err);
        }
        c->node = (snug_node_id)row[0];
        c->scratch = (int32_t)row[1];
        for (int32_t i = 0; i < SNUG_NODE_INPUTS_MAX; i++) {
            c->inputs[i] = (int32_t)row[2 + i];
        }
        for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
            c->outputs[o] = (int32_t)row[2 + SNUG_NODE_INPUTS_MAX + o];
        }
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    return SNUG_OK;
}

static snug_status read_buffers(reader *r, snug_program *p, snug_error *err)
{
    int64_t row[BUFFER_COLUMNS];
    SNUG_TRY(skip_key(r, "buffer_columns", err));
    SNUG_TRY(expect_key(r, "buffers", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t i = 0; i < p->buffer_count; i++) {
        SNUG_TRY(read_row(r, row, BUFFER_COLUMNS, err));
        if (!fits_i32(row, 6) || !fits_i32(&row[7], 3) || row[1] < 0 ||
            row[1] >= SNUG_CATEGORY_COUNT || row[5] < 0 || row[12] < 0) {
            return too_large(err);
        }
        if (row[11] < 0 || row[11] >= SNUG_HOME_COUNT) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                             "buffer %lld of the certificate lives in an unknown home, %lld",
                             (long long)i, (long long)row[11]);
        }
        p->buffers[i] = (snug_plan_buffer){.tensor = (snug_tensor_id)row[0],
                                           .category = (snug_category)row[1],
                                           .persistent = row[2] == 1,
                                           .whole = row[3] == 1,
                                           .global = row[4] == 1,
                                           .samples = row[5],
                                           .bytes = row[6],
                                           .first = (int32_t)row[7],
                                           .last = (int32_t)row[8],
                                           .zero_loop = (int32_t)row[9],
                                           .offset = row[10],
                                           .home = (snug_home)row[11],
                                           .moved_bytes = row[12]};
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    return SNUG_OK;
}

static snug_status read_segments(reader *r, snug_program *p, snug_error *err)
{
    int64_t row[SEGMENT_COLUMNS];
    SNUG_TRY(skip_key(r, "segment_columns", err));
    SNUG_TRY(expect_key(r, "segments", err));
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_BEGIN, NULL, err));
    for (int64_t i = 0; i < p->segment_count; i++) {
        SNUG_TRY(read_row(r, row, SEGMENT_COLUMNS, err));
        if (!fits_i32(row, 5) || row[2] < 0 || row[2] > SNUG_KEEP_FUSED) {
            return too_large(err);
        }
        p->segments[i] = (snug_plan_segment){.stage_first = (int32_t)row[0],
                                             .stage_last = (int32_t)row[1],
                                             .mode = (snug_keep_mode)row[2],
                                             .keep_sources = row[3] == 1,
                                             .variant = (int32_t)row[4],
                                             .forward_tile = row[5],
                                             .backward_tile = row[6]};
    }
    SNUG_TRY(expect(r, SNUG_JSON_ARRAY_END, NULL, err));
    SNUG_TRY(expect(r, SNUG_JSON_OBJECT_END, NULL, err));
    SNUG_TRY(expect(r, SNUG_JSON_END, NULL, err));
    return SNUG_OK;
}

snug_status snug_certificate_read(const char *json, int64_t bytes, const snug_graph *graph,
                                  snug_arena *arena, snug_program *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_program p = {0};
    reader r = {.graph = graph};
    void *memory = NULL;
    snug_json_reader_init(&r.json, json, bytes);
    SNUG_TRY_DONE(read_sizes(&r, &p, err));
    /* A row has at least two bytes a column: sizes that the text cannot hold are refused. */
    if (p.call_count * 2 * CALL_COLUMNS > bytes || p.buffer_count * 2 * BUFFER_COLUMNS > bytes) {
        SNUG_FAIL_DONE(err, SNUG_CODE_FORMAT, "the certificate is shorter than it says");
    }
    SNUG_TRY_DONE(read_graph(&r, &p, arena, err));
    SNUG_TRY_DONE(
        snug_arena_array(arena, p.loop_count, (int64_t)sizeof(snug_plan_loop), &memory, err));
    p.loops = memory;
    SNUG_TRY_DONE(
        snug_arena_array(arena, p.call_count, (int64_t)sizeof(snug_plan_call), &memory, err));
    p.calls = memory;
    SNUG_TRY_DONE(
        snug_arena_array(arena, p.buffer_count, (int64_t)sizeof(snug_plan_buffer), &memory, err));
    p.buffers = memory;
    SNUG_TRY_DONE(
        snug_arena_array(arena, p.segment_count, (int64_t)sizeof(snug_plan_segment), &memory, err));
    p.segments = memory;
    SNUG_TRY_DONE(read_loops(&r, &p, err));
    SNUG_TRY_DONE(read_calls(&r, &p, err));
    SNUG_TRY_DONE(read_buffers(&r, &p, err));
    SNUG_TRY_DONE(read_segments(&r, &p, err));
    *out = p;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

int64_t snug_certificate_step_bytes(const snug_step_plan *step, const snug_graph *graph)
{
    const int64_t bytes = snug_certificate_bytes(&step->train, graph);
    return step->passes > 1 ? bytes + snug_certificate_bytes(&step->measure, graph) : bytes;
}

void snug_certificate_write_step(const snug_step_plan *step, const snug_graph *graph,
                                 snug_text *out)
{
    if (step->passes > 1) {
        snug_text_add(out, "[");
        snug_certificate_write(&step->measure, graph, out);
        snug_text_add(out, ",\n");
    }
    snug_certificate_write(&step->train, graph, out);
    if (step->passes > 1) {
        snug_text_add(out, "]\n");
    }
}

/* The next element of the array at hand, which must be an object: from where to where it goes. */
static snug_status find_element(snug_json_reader *json, int64_t *out_first, int64_t *out_end,
                                snug_error *err)
{
    snug_json_event event;
    const int32_t depth = json->depth;
    SNUG_TRY(snug_json_expect(json, SNUG_JSON_OBJECT_BEGIN, "a certificate", &event, err));
    *out_first = event.offset;
    while (json->depth > depth) {
        SNUG_TRY(snug_json_next(json, &event, err));
    }
    *out_end = json->position;
    return SNUG_OK;
}

snug_status snug_certificate_read_step(const char *json, int64_t bytes, const snug_graph *graph,
                                       snug_arena *arena, snug_step_plan *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_json_reader all;
    snug_json_event event;
    snug_step_plan step = {.passes = 1};
    int64_t first = 0, end = bytes;
    snug_json_reader_init(&all, json, bytes);
    SNUG_TRY_DONE(snug_json_next(&all, &event, err));
    if (event.kind == SNUG_JSON_ARRAY_BEGIN) {
        step.passes = 2;
        SNUG_TRY_DONE(find_element(&all, &first, &end, err));
        SNUG_TRY_DONE(
            snug_certificate_read(json + first, end - first, graph, arena, &step.measure, err));
        SNUG_TRY_DONE(find_element(&all, &first, &end, err));
        SNUG_TRY_DONE(snug_json_expect(&all, SNUG_JSON_ARRAY_END, "two certificates", &event, err));
        SNUG_TRY_DONE(snug_json_expect(&all, SNUG_JSON_END, "two certificates", &event, err));
    }
    SNUG_TRY_DONE(snug_certificate_read(json + first, end - first, graph, arena, &step.train, err));
    *out = step;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
