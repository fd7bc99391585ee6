#include "check.h"

#include <math.h>

#include "base/checked.h"
#include "graph/graph.h"
#include "op/tolerance.h"
#include "ops/ref/reference.h"
#include "optim/optim.h"
#include "sys/cpu.h"

#include "op/interpreter.inc"

#include "op/cases.inc"

enum { GUARD_BYTES = 256, GUARD = 0xA5, POINTERS = SNUG_NODE_INPUTS_MAX + SNUG_NODE_OUTPUTS_MAX };

static _Alignas(SNUG_ALIGN) unsigned char block[16 << 20];
static bool covered[256];

/* Three "threads" that run the parts backwards: a result must not depend on who ran what when. */
static void run_backwards(const snug_parallel *self, int64_t parts, snug_parallel_work work,
                          void *context)
{
    for (int64_t part = parts - 1; part >= 0; part--) {
        work(context, part, (int32_t)(part % self->threads));
    }
}

static const snug_parallel backwards = {.threads = 3, .run = run_backwards};

/* Copies of all tensors of one node, each with guard bytes behind it. */
typedef struct node_memory {
    const snug_interpreter *in;
    snug_node node; /* A copy, so that outputs can be left out. */
    snug_op_view view;
    snug_tensor_id ids[POINTERS]; /* Distinct tensors; inputs and outputs refer to them. */
    unsigned char *memory[POINTERS];
    int64_t bytes[POINTERS];
    int32_t count;
    int32_t input[SNUG_NODE_INPUTS_MAX];
    int32_t output[SNUG_NODE_OUTPUTS_MAX];
    bool reference;
    bool widened; /* f32 wherever the graph says bf16: what bf16 is the rounding of. */
} node_memory;

static snug_dtype dtype_of(const node_memory *m, int32_t slot)
{
    return m->in->graph->tensors[m->ids[slot]].dtype;
}

static bool is_real(const node_memory *m, int32_t slot)
{
    return dtype_of(m, slot) == SNUG_F32 || dtype_of(m, slot) == SNUG_BF16;
}

/* Bytes of an element in this memory. */
static int64_t element_of(const node_memory *m, int32_t slot)
{
    return !is_real(m, slot) ? snug_dtype_bytes(dtype_of(m, slot))
           : m->reference    ? 8
           : m->widened      ? 4
                             : snug_dtype_bytes(dtype_of(m, slot));
}

static double get_real(const node_memory *m, int32_t slot, int64_t i)
{
    const void *memory = m->memory[slot];
    switch (element_of(m, slot)) {
    case 8:
        return ((const double *)memory)[i];
    case 4:
        return (double)((const float *)memory)[i];
    default:
        return (double)snug_bf16_to_f32(((const uint16_t *)memory)[i]);
    }
}

static void set_real(const node_memory *m, int32_t slot, int64_t i, double value)
{
    void *memory = m->memory[slot];
    switch (element_of(m, slot)) {
    case 8:
        ((double *)memory)[i] = value;
        break;
    case 4:
        ((float *)memory)[i] = (float)value;
        break;
    default:
        ((uint16_t *)memory)[i] = snug_bf16_from_f32((float)value);
        break;
    }
}

static int32_t slot_of(node_memory *m, snug_tensor_id id, bool fresh_noise)
{
    const snug_tensor *tensor = &m->in->graph->tensors[id];
    for (int32_t i = 0; i < m->count; i++) {
        if (m->ids[i] == id) {
            return i;
        }
    }
    const int32_t slot = m->count++;
    const int64_t count = snug_interpreter_count(m->in, id);
    m->ids[slot] = id;
    m->bytes[slot] = count * element_of(m, slot);
    m->memory[slot] = aligned(m->bytes[slot] + GUARD_BYTES);
    memset(m->memory[slot] + m->bytes[slot], GUARD, GUARD_BYTES);
    case_state s = {.seed = (uint64_t)id + 5};
    const bool plain = tensor->dtype == SNUG_U8 || tensor->dtype == SNUG_I32;
    for (int64_t i = 0; i < count && !plain; i++) {
        /* What is only written starts as noise, what is added to as something to add to. */
        const double value =
            fresh_noise ? (double)(float)draw_real(&s) : snug_interpreter_get(m->in, id, i);
        set_real(m, slot, i, value);
    }
    if (plain) {
        memcpy(m->memory[slot], m->in->buffers[id], (size_t)m->bytes[slot]);
    }
    return slot;
}

static void open_as(node_memory *m, const snug_interpreter *in, snug_node_id id, bool reference,
                    bool widened, int32_t left_out)
{
    *m = (node_memory){
        .in = in, .node = in->graph->nodes[id], .reference = reference, .widened = widened};
    if (left_out >= 0) {
        m->node.outputs[left_out] = SNUG_TENSOR_NONE;
    }
    snug_graph_view(in->graph, id, &m->view);
    m->view.node = &m->node;
    if (widened) {
        m->view.narrow_inputs = 0;
        m->view.narrow_outputs = 0;
    }
    for (int32_t k = 0; k < m->node.input_count; k++) {
        m->input[k] = m->node.inputs[k] < 0 ? -1 : slot_of(m, m->node.inputs[k], false);
    }
    for (int32_t k = 0; k < m->node.output_count; k++) {
        m->output[k] = m->node.outputs[k] < 0 ? -1 : slot_of(m, m->node.outputs[k], true);
    }
}

static void open_memory(node_memory *m, const snug_interpreter *in, snug_node_id id, bool reference,
                        int32_t left_out)
{
    open_as(m, in, id, reference, false, left_out);
}

static void close_memory(node_memory *m)
{
    for (int32_t i = 0; i < m->count; i++) {
        free(m->memory[i]);
    }
}

/* Where samples from `first` on lie. */
static void *pointer(const node_memory *m, int32_t slot, int64_t first)
{
    if (slot < 0) {
        return NULL;
    }
    const bool batched = m->in->graph->tensors[m->ids[slot]].batched;
    return m->memory[slot] + (batched ? m->bytes[slot] / m->in->samples * first : 0);
}

/* Runs samples first..first+count with scratch of exactly the promised bytes; checks guards. */
static void call_kernel(node_memory *m, snug_kernel_isa isa, const snug_parallel *parallel,
                        int64_t first, int64_t count)
{
    snug_kernel_call call = {.view = &m->view,
                             .first = first,
                             .count = count,
                             .parallel = parallel,
                             .isa = isa,
                             .step = &m->in->step};
    int64_t scratch = 0;
    if (m->reference) {
        scratch = snug_kernel_reference_scratch(&m->view);
    } else {
        scratch = snug_op_scratch_bytes(&m->view, count, parallel->threads);
        CHECK(scratch >= 0);
    }
    unsigned char *memory = aligned(scratch + GUARD_BYTES);
    memset(memory, 0xFF, (size_t)scratch);
    memset(memory + scratch, GUARD, GUARD_BYTES);
    call.scratch = memory;
    for (int32_t k = 0; k < m->node.input_count; k++) {
        call.inputs[k] = pointer(m, m->input[k], first);
    }
    for (int32_t k = 0; k < m->node.output_count; k++) {
        call.outputs[k] = pointer(m, m->output[k], first);
    }
    (m->reference ? snug_kernel_reference(m->node.op) : snug_kernel_of(&m->view))(&call);
    for (int64_t i = 0; i < GUARD_BYTES; i++) {
        assert_int_equal(memory[scratch + i], GUARD);
        for (int32_t slot = 0; slot < m->count; slot++) {
            assert_int_equal(m->memory[slot][m->bytes[slot] + i], GUARD);
        }
    }
    free(memory);
}

/* The same bits in every output that both have; caches are the kernel's business. */
static void check_same(const node_memory *a, const node_memory *b, const char *what)
{
    for (int32_t k = 0; k < a->node.output_count; k++) {
        const bool cache = strcmp(a->node.op->name, "lstm_decoder") == 0 && k == 1;
        if (a->output[k] < 0 || b->output[k] < 0 || cache) {
            continue;
        }
        if (memcmp(a->memory[a->output[k]], b->memory[b->output[k]],
                   (size_t)a->bytes[a->output[k]]) != 0) {
            print_error("%s '%s': output %d has other bits: %s\n", a->node.op->name, a->node.name,
                        k, what);
            fail();
        }
    }
}

/* Codes: a number between two values may round to either. */
static void check_codes(const node_memory *fast, const node_memory *reference, int32_t k)
{
    const unsigned char *have = fast->memory[fast->output[k]];
    const unsigned char *right = reference->memory[reference->output[k]];
    for (int64_t i = 0; i < fast->bytes[fast->output[k]]; i++) {
        if (abs((int)have[i] - (int)right[i]) > 1) {
            print_error("%s '%s': output %d[%lld] is %d, the reference %d\n", fast->node.op->name,
                        fast->node.name, k, (long long)i, have[i], right[i]);
            fail();
        }
    }
}

/* The bf16 run against the f32 kernel on the widened inputs: its results rounded, bit by bit. */
static void check_rounded(const node_memory *narrow, const node_memory *wide)
{
    for (int32_t k = 0; k < narrow->node.output_count; k++) {
        const int32_t slot = narrow->output[k];
        const bool cache = strcmp(narrow->node.op->name, "lstm_decoder") == 0 && k == 1;
        if (slot < 0 || cache) {
            continue;
        }
        if (dtype_of(narrow, slot) != SNUG_BF16) {
            assert_memory_equal(narrow->memory[slot], wide->memory[wide->output[k]],
                                (size_t)narrow->bytes[slot]);
            continue;
        }
        for (int64_t i = 0; i < snug_interpreter_count(narrow->in, narrow->ids[slot]); i++) {
            const float right = (float)get_real(wide, wide->output[k], i);
            const uint16_t have = ((const uint16_t *)(void *)narrow->memory[slot])[i];
            if (have != snug_bf16_from_f32(right)) {
                print_error("%s '%s': output %d[%lld] is %.9g, not %.9g rounded\n",
                            narrow->node.op->name, narrow->node.name, k, (long long)i,
                            (double)snug_bf16_to_f32(have), (double)right);
                fail();
            }
        }
    }
}

/* Every output that backward or the caller reads against the doubles of the reference. */
static void check_close(const node_memory *fast, const node_memory *reference)
{
    const bool loop = strncmp(fast->node.op->name, "lstm", 4) == 0;
    const double tolerance = loop ? TOLERANCE_LOOP : TOLERANCE_F32;
    for (int32_t k = 0; k < fast->node.output_count; k++) {
        const int32_t slot = fast->output[k];
        double scale = 0.0;
        if (slot < 0 || (strcmp(fast->node.op->name, "lstm_decoder") == 0 && k == 1)) {
            continue;
        }
        if (dtype_of(fast, slot) == SNUG_U8) {
            check_codes(fast, reference, k);
            continue;
        }
        if (dtype_of(fast, slot) == SNUG_I32) {
            assert_memory_equal(fast->memory[slot], reference->memory[reference->output[k]],
                                (size_t)fast->bytes[slot]);
            continue;
        }
        const int64_t count = snug_interpreter_count(fast->in, fast->ids[slot]);
        const double *right = (const double *)(void *)reference->memory[reference->output[k]];
        for (int64_t i = 0; i < count; i++) {
            scale = fmax(scale, fabs(right[i]));
        }
        /* The reference is not rounded: what is within the tolerance may round to either side. */
        const bool narrow = dtype_of(fast, slot) == SNUG_BF16;
        for (int64_t i = 0; i < count; i++) {
            const double have = get_real(fast, slot, i);
            const double most = tolerance * (fabs(right[i]) + scale) + 1e-30;
            const bool close = narrow ? have >= snug_reference_round(right[i] - most) &&
                                            have <= snug_reference_round(right[i] + most)
                                      : fabs(have - right[i]) <= most;
            if (!close) {
                print_error("%s '%s': output %d[%lld] is %.9g, the reference %.9g (scale %.3g)\n",
                            fast->node.op->name, fast->node.name, k, (long long)i, have, right[i],
                            scale);
                fail();
            }
        }
    }
}

static snug_kernel_isa best_isa(void)
{
    const snug_cpu_features f = snug_cpu_features_read();
    return f.avx512 ? SNUG_KERNEL_AVX512 : f.avx2 && f.fma ? SNUG_KERNEL_AVX2 : SNUG_KERNEL_SCALAR;
}

/* Runs the whole batch in pieces of `piece` samples. */
static void run_pieces(node_memory *m, snug_kernel_isa isa, const snug_parallel *parallel,
                       int64_t piece)
{
    for (int64_t first = 0; first < m->in->samples; first += piece) {
        call_kernel(m, isa, parallel, first, snug_min_i64(piece, m->in->samples - first));
    }
}

static bool in_place_changes_nothing(node_memory *m)
{
    return m->node.outputs[0] >= 0 && snug_op_inplace(&m->view, 0) >= 0;
}

static void check_bits(const snug_interpreter *in, snug_node_id id, const node_memory *whole)
{
    node_memory m;
    const int64_t group = snug_graph_sample_group(in->graph, id);
    const int64_t pieces[] = {group, 2 * group, 3 * group};
    for (int64_t i = 0; whole->node.phase != SNUG_PHASE_UPDATE && i < SNUG_COUNT(pieces); i++) {
        open_memory(&m, in, id, false, -1);
        run_pieces(&m, best_isa(), i == 1 ? &backwards : &snug_parallel_serial, pieces[i]);
        check_same(whole, &m, "in pieces");
        close_memory(&m);
    }
    open_memory(&m, in, id, false, -1);
    run_pieces(&m, best_isa(), &backwards, in->samples);
    check_same(whole, &m, "with three threads");
    close_memory(&m);
    open_memory(&m, in, id, false, -1);
    if (in_place_changes_nothing(&m)) {
        const int32_t input = snug_op_inplace(&m.view, 0);
        m.output[0] = m.input[input];
        run_pieces(&m, best_isa(), &snug_parallel_serial, in->samples);
        check_same(whole, &m, "in place");
    }
    close_memory(&m);
    const bool gradient_only = (whole->node.op->flags & SNUG_OP_GRADIENT_ONLY) != 0;
    const int32_t first = gradient_only && whole->node.output_count > 1 ? 0 : 1;
    for (int32_t o = first; o < whole->node.output_count; o++) {
        if (whole->node.phase == SNUG_PHASE_UPDATE || whole->node.outputs[o] < 0) {
            continue;
        }
        open_memory(&m, in, id, false, o);
        run_pieces(&m, best_isa(), &snug_parallel_serial, in->samples);
        check_same(whole, &m, "without an output");
        close_memory(&m);
    }
}

static void check_cost(const snug_interpreter *in, snug_node_id id)
{
    snug_op_view view;
    snug_graph_view(in->graph, id, &view);
    const snug_cost c[3] = {snug_op_cost(&view, 1), snug_op_cost(&view, 2), snug_op_cost(&view, 3)};
    for (int i = 0; i < 3; i++) {
        CHECK(isfinite(c[i].flops) && c[i].flops >= 0.0);
        CHECK(isfinite(c[i].bytes) && c[i].bytes > 0.0);
    }
    CHECK(fabs((c[2].flops - c[1].flops) - (c[1].flops - c[0].flops)) <= 1e-9 * c[2].flops);
    CHECK(fabs((c[2].bytes - c[1].bytes) - (c[1].bytes - c[0].bytes)) <= 1e-9 * c[2].bytes);
}

/* Inputs that a kernel may not look at: saved outputs whose sign or content alone matters. */
static bool may_ignore(const snug_node *node, int32_t input)
{
    const char *name = node->op->name;
    return (strcmp(name, "relu_grad") == 0 && input == 1) ||
           (strcmp(name, "lstm_decoder_grad") == 0 && input > 1) ||
           (strncmp(name, "regression_loss", 15) == 0 && input == 2);
}

static bool has_nan(const node_memory *m, int64_t first, int64_t samples)
{
    for (int32_t k = 0; k < m->node.output_count; k++) {
        if (m->output[k] < 0 || dtype_of(m, m->output[k]) == SNUG_U8 ||
            dtype_of(m, m->output[k]) == SNUG_I32) {
            continue;
        }
        const snug_tensor *tensor = &m->in->graph->tensors[m->ids[m->output[k]]];
        const int64_t each = snug_shape_count(&tensor->shape);
        const int64_t from = tensor->batched ? first * each : 0;
        const int64_t count = tensor->batched ? samples * each : each;
        for (int64_t i = from; i < from + count; i++) {
            if (isnan(get_real(m, m->output[k], i))) {
                return true;
            }
        }
    }
    return false;
}

/* A NaN in sample 1 (or in a shared input) is seen, and sample 0 does not know of it. */
static void check_nan(const snug_interpreter *in, snug_node_id id, const node_memory *whole)
{
    for (int32_t k = 0; k < whole->node.input_count; k++) {
        node_memory m;
        open_memory(&m, in, id, false, -1);
        const int32_t slot = m.input[k];
        if (slot < 0 || !is_real(&m, slot) || may_ignore(&whole->node, k)) {
            close_memory(&m);
            continue;
        }
        const bool batched = in->graph->tensors[m.ids[slot]].batched;
        const int64_t each = m.bytes[slot] / element_of(&m, slot) / (batched ? in->samples : 1);
        for (int64_t i = 0; i < each; i++) {
            set_real(&m, slot, (batched ? each : 0) + i, (double)NAN);
        }
        run_pieces(&m, best_isa(), &snug_parallel_serial, in->samples);
        if (!has_nan(&m, batched ? 1 : 0, 1)) {
            print_error("%s: a NaN in input %d is not seen\n", m.node.op->name, k);
            fail();
        }
        for (int32_t o = 0; batched && o < m.node.output_count; o++) {
            const bool cache = strcmp(m.node.op->name, "lstm_decoder") == 0 && o == 1;
            if (m.output[o] >= 0 && in->graph->tensors[m.ids[m.output[o]]].batched && !cache) {
                CHECK(memcmp(m.memory[m.output[o]], whole->memory[whole->output[o]],
                             (size_t)(m.bytes[m.output[o]] / in->samples)) == 0);
            }
        }
        close_memory(&m);
    }
}

static void check_node(const snug_interpreter *in, snug_node_id id)
{
    node_memory whole;
    node_memory reference;
    open_memory(&whole, in, id, false, -1);
    run_pieces(&whole, best_isa(), &snug_parallel_serial, in->samples);
    open_memory(&reference, in, id, true, -1);
    run_pieces(&reference, SNUG_KERNEL_SCALAR, &snug_parallel_serial, in->samples);
    for (int isa = 0; isa <= (int)best_isa(); isa++) {
        node_memory fast;
        open_memory(&fast, in, id, false, -1);
        run_pieces(&fast, (snug_kernel_isa)isa, &snug_parallel_serial, in->samples);
        check_close(&fast, &reference);
        check_same(&whole, &fast, "on another instruction set");
        close_memory(&fast);
    }
    if (whole.view.narrow_inputs != 0 || whole.view.narrow_outputs != 0) {
        node_memory wide;
        open_as(&wide, in, id, false, true, -1);
        run_pieces(&wide, best_isa(), &snug_parallel_serial, in->samples);
        check_rounded(&whole, &wide);
        close_memory(&wide);
    }
    check_bits(in, id, &whole);
    check_cost(in, id);
    check_nan(in, id, &whole);
    close_memory(&reference);
    close_memory(&whole);
}

static void check_graph(const op_case *c, int32_t repeat, int32_t variant, const char *optimizer,
                        double momentum)
{
    snug_arena arena;
    snug_graph graph;
    snug_interpreter in;
    snug_error err = {0};
    snug_arena_init(&arena, "test", block, sizeof block);
    build_case(c, repeat, optimizer, momentum, &graph, &arena);
    for (snug_node_id i = 0; i < graph.node_count; i++) {
        if (graph.nodes[i].op->variants != NULL) {
            snug_op_view view;
            snug_graph_view(&graph, i, &view);
            CHECK_OK(snug_graph_set_variant(&graph, i, variant % graph.nodes[i].op->variants(&view),
                                            &err));
        }
    }
    snug_interpreter_open(&in, &graph, false, best_isa(), c->samples, 1);
    fill_case(&in, (uint64_t)repeat + 100);
    for (snug_node_id i = 0; i < graph.node_count; i++) {
        const snug_op *op = graph.nodes[i].op;
        const uint32_t ends = SNUG_OP_SOURCE | SNUG_OP_SINK;
        for (int64_t k = 0; k < snug_op_count(); k++) {
            covered[k] = covered[k] || snug_op_at(k) == op;
        }
        if ((op->flags & ends) == 0) {
            check_node(&in, i);
            run_node(&in, i);
        }
    }
    snug_interpreter_close(&in);
}

static void check_all_cases(void)
{
    static const char *const optimizers[] = {NULL, "adamw", "adam", "sgd", "adamw8", "adafactor"};
    for (int64_t i = 0; i < SNUG_COUNT(op_cases); i++) {
        for (int32_t repeat = 0; repeat < op_cases[i].repeats; repeat++) {
            print_message("%s, seed %d\n", op_cases[i].name, repeat + 1);
            check_graph(&op_cases[i], repeat, repeat, optimizers[repeat % 6],
                        repeat % 8 == 3 ? 0.9 : 0.0);
        }
    }
}

static void fast_kernels_hold_what_the_table_promises(void **state)
{
    (void)state;
    check_all_cases();
}

static void they_hold_it_with_activations_stored_as_bf16(void **state)
{
    (void)state;
    cases_are_narrow = true;
    check_all_cases();
    cases_are_narrow = false;
}

/* The gradients of a decoder of that variant, all parameters in order; answers the variants. */
static int32_t run_variant(int32_t repeat, int32_t variant, float *out, int64_t capacity,
                           int64_t *out_count)
{
    const op_case decoder = {"lstm_decoder", case_decoder, 66, 1};
    snug_arena arena;
    snug_graph graph;
    snug_interpreter in;
    snug_op_view view;
    snug_error err = {0};
    snug_arena_init(&arena, "test", block, sizeof block);
    build_case(&decoder, repeat, NULL, 0.0, &graph, &arena);
    const snug_node_id node = graph.tensors[snug_graph_find(&graph, "op")].producer;
    CHECK_OK(snug_graph_set_variant(&graph, node, variant, &err));
    snug_graph_view(&graph, node, &view);
    snug_interpreter_open(&in, &graph, false, best_isa(), decoder.samples, 1);
    fill_case(&in, (uint64_t)repeat);
    snug_interpreter_run(&in, SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD);
    *out_count = 0;
    for (snug_tensor_id t = 0; t < graph.tensor_count; t++) {
        if (graph.tensors[t].kind == SNUG_TENSOR_GRADIENT) {
            const int64_t count = snug_interpreter_count(&in, t);
            CHECK(*out_count + count <= capacity);
            memcpy(out + *out_count, in.buffers[t], (size_t)count * sizeof(float));
            *out_count += count;
        }
    }
    snug_interpreter_close(&in);
    return view.node->op->variants(&view);
}

static void variants_give_the_same_bits(void **state)
{
    (void)state;
    static float first[1 << 16];
    static float other[1 << 16];
    for (int32_t repeat = 20; repeat < 24; repeat++) {
        int64_t count = 0;
        int64_t again = 0;
        const int32_t variants = run_variant(repeat, 0, first, SNUG_COUNT(first), &count);
        CHECK(variants >= 3);
        for (int32_t v = 1; v < variants; v++) {
            CHECK(run_variant(repeat, v, other, SNUG_COUNT(other), &again) == variants);
            CHECK(again == count);
            assert_memory_equal(first, other, (size_t)count * sizeof(float));
        }
    }
}

static void every_row_was_tested(void **state)
{
    (void)state;
    for (int64_t k = 0; k < snug_op_count(); k++) {
        const snug_op *op = snug_op_at(k);
        if ((op->flags & (SNUG_OP_SOURCE | SNUG_OP_SINK)) != 0) {
            CHECK(snug_kernel_find(op) == NULL);
            continue;
        }
        CHECK(snug_kernel_find(op) != NULL && snug_kernel_reference(op) != NULL);
        if (!covered[k]) {
            print_error("'%s' has no case\n", op->name);
        }
        CHECK(covered[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_kernels_hold_what_the_table_promises),
        cmocka_unit_test(they_hold_it_with_activations_stored_as_bf16),
        cmocka_unit_test(variants_give_the_same_bits),
        cmocka_unit_test(every_row_was_tested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
