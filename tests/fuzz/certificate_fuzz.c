/* Fuzz target: certificates of plans of a small graph, read and verified. */
#include <stddef.h>
#include <stdint.h>

#include "plan/certificate.h"
#include "plan/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One linear layer, a loss, and their gradients: the graph of tests/fixtures/certificate. */
static int build(snug_graph *graph, snug_arena *arena)
{
    snug_error err = {0};
    snug_tensor_id x = -1;
    snug_tensor_id target = -1;
    snug_tensor_id w = -1;
    snug_tensor_id y = -1;
    const snug_init init = {.kind = SNUG_INIT_ONE};
    const snug_attrs linear = {.conv1d = {.kernel = 1, .stride = 1, .length = 4, .relu = true}};
    const snug_attrs loss = {.regression_loss = {.weight_mse = 1.0f}};
    if (snug_graph_init(graph, arena, 16, 32, &err) != SNUG_OK ||
        snug_graph_source(graph, "x", SNUG_F32, snug_shape_2(4, 3), 0, &x, &err) != SNUG_OK ||
        snug_graph_source(graph, "target", SNUG_F32, snug_shape_2(4, 2), 1, &target, &err) !=
            SNUG_OK ||
        snug_graph_parameter(graph, "w", snug_shape_3(1, 3, 2), init, &w, &err) != SNUG_OK) {
        return 0;
    }
    const snug_tensor_id inputs[2] = {x, w};
    if (snug_graph_apply(graph, "conv1d", "y", &linear, inputs, 2, &y, &err) != SNUG_OK) {
        return 0;
    }
    const snug_tensor_id pair[2] = {y, target};
    return snug_graph_apply(graph, "regression_loss", "loss", &loss, pair, 2, &graph->loss, &err) ==
               SNUG_OK &&
           snug_graph_backward(graph, &err) == SNUG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(SNUG_ALIGN) unsigned char graph_block[1 << 18];
    static _Alignas(SNUG_ALIGN) unsigned char block[8 << 20];
    snug_arena graph_arena = {0};
    snug_arena arena = {0};
    snug_graph graph;
    snug_program program;
    snug_error err = {0};
    snug_arena_init(&graph_arena, "graph", graph_block, sizeof graph_block);
    snug_arena_init(&arena, "fuzz", block, sizeof block);
    if (!build(&graph, &graph_arena)) {
        __builtin_trap();
    }
    snug_status status =
        snug_certificate_read((const char *)data, (int64_t)size, &graph, &arena, &program, &err);
    if (status == SNUG_OK) {
        status = snug_plan_verify(&program, &graph, &arena, &err);
    }
    if (status != SNUG_OK && err.message[0] == '\0') {
        __builtin_trap();
    }
    return 0;
}
