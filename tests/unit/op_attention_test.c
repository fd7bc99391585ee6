#include "check.h"

#include "base/limits.h"
#include "graph/graph.h"

static _Alignas(SNUG_ALIGN) unsigned char block[1 << 20];

typedef struct fixture {
    snug_arena arena;
    snug_graph graph;
    snug_tensor_id q, k, packed, lengths, bias;
} fixture;

enum { L = 6, LK = 9, HEADS = 2, WIDTH = 8 };

static snug_attrs good(void)
{
    return (snug_attrs){.attention = {.length = L,
                                      .length_k = LK,
                                      .heads = HEADS,
                                      .width = WIDTH,
                                      .scale = 0.5f,
                                      .dropout = 0.1f}};
}

static snug_tensor_id source(fixture *f, const char *name, snug_dtype dtype, snug_shape shape)
{
    snug_error err = {0};
    snug_tensor_id id = -1;
    CHECK_OK(snug_graph_source(&f->graph, name, dtype, shape, 0, &id, &err));
    return id;
}

static void open_fixture(fixture *f)
{
    snug_error err = {0};
    snug_arena_init(&f->arena, "test", block, sizeof block);
    CHECK_OK(snug_graph_init(&f->graph, &f->arena, 32, 64, &err));
    f->q = source(f, "q", SNUG_F32, snug_shape_2(L, WIDTH));
    f->k = source(f, "k", SNUG_F32, snug_shape_2(LK, WIDTH));
    f->packed = source(f, "packed", SNUG_F32, snug_shape_2(L, 3 * WIDTH));
    f->lengths = source(f, "lengths", SNUG_I32, snug_shape_1(1));
    CHECK_OK(snug_graph_parameter(&f->graph, "bias", snug_shape_2(HEADS, L + LK - 1),
                                  (snug_init){.kind = SNUG_INIT_ZERO}, &f->bias, &err));
}

static snug_status apply(fixture *f, snug_attrs attrs, const snug_tensor_id inputs[5],
                         snug_error *err)
{
    snug_tensor_id out = -1;
    return snug_graph_apply(&f->graph, "attention", "a", &attrs, inputs, 5, &out, err);
}

static void shapes_follow_the_attributes(void **state)
{
    (void)state;
    fixture f;
    snug_error err = {0};
    open_fixture(&f);
    const snug_tensor_id inputs[5] = {f.q, f.k, f.k, f.lengths, f.bias};
    CHECK_OK(apply(&f, good(), inputs, &err));
    const snug_node *node = &f.graph.nodes[f.graph.node_count - 1];
    const snug_shape y = snug_shape_2(L, WIDTH);
    const snug_shape lse = snug_shape_2(HEADS, L);
    CHECK(snug_shape_equal(&f.graph.tensors[node->outputs[0]].shape, &y));
    CHECK(snug_shape_equal(&f.graph.tensors[node->outputs[1]].shape, &lse));
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    fixture f;
    snug_error err = {0};
    open_fixture(&f);
    const snug_tensor_id three[5] = {f.q, f.k, f.k, f.lengths, f.bias};
    const snug_tensor_id one[5] = {f.packed, -1, -1, f.lengths, -1};
    const snug_tensor_id both[5] = {f.packed, f.k, -1, -1, -1};
    const snug_tensor_id long_query[5] = {f.k, f.k, f.k, -1, -1};
    const snug_tensor_id missing[5] = {f.q, f.k, -1, -1, -1};
    const int64_t nodes = f.graph.node_count;
    snug_attrs a = good();
    a.attention.heads = 3;
    CHECK_FAILS(apply(&f, a, three, &err), SNUG_CODE_DATA);
    a = good();
    a.attention.scale = 0.0f;
    CHECK_FAILS(apply(&f, a, three, &err), SNUG_CODE_DATA);
    a = good();
    a.attention.dropout = 1.0f;
    CHECK_FAILS(apply(&f, a, three, &err), SNUG_CODE_DATA);
    a = good();
    a.attention.length = 0;
    CHECK_FAILS(apply(&f, a, three, &err), SNUG_CODE_LIMIT);
    a = good();
    a.attention.causal = true;
    CHECK_FAILS(apply(&f, a, three, &err), SNUG_CODE_DATA);
    a = good();
    a.attention.packed = true;
    CHECK_FAILS(apply(&f, a, one, &err), SNUG_CODE_DATA);
    a.attention.length_k = L;
    CHECK_FAILS(apply(&f, a, both, &err), SNUG_CODE_DATA);
    CHECK_FAILS(apply(&f, good(), long_query, &err), SNUG_CODE_DATA);
    CHECK_FAILS(apply(&f, good(), missing, &err), SNUG_CODE_DATA);
    CHECK(f.graph.node_count == nodes);
    CHECK_OK(apply(&f, a, one, &err));
}

/* Calibration fills whole numbers with noise: its call reads no lengths and does all the work. */
static void a_measured_call_reads_no_lengths(void **state)
{
    (void)state;
    fixture f;
    snug_op_view view;
    snug_attrs attrs;
    snug_error err = {0};
    open_fixture(&f);
    const snug_tensor_id inputs[5] = {f.q, f.k, f.k, f.lengths, f.bias};
    CHECK_OK(apply(&f, good(), inputs, &err));
    snug_graph_view(&f.graph, (snug_node_id)(f.graph.node_count - 1), &view);
    CHECK(!view.attrs->attention.all_rows);
    CHECK(view.node->op->shorten(&view, &attrs, 0.1) == 1.0);
    CHECK(view.attrs == &attrs && attrs.attention.all_rows);
    CHECK(attrs.attention.length == L && attrs.attention.scale == 0.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_follow_the_attributes),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_measured_call_reads_no_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
