/* Reverse mode: walks the forward nodes backwards and asks each row for its gradient. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "graph/graph.h"

/* One contribution to the gradient of a tensor; those of a tensor form a list, oldest first. */
typedef struct contribution {
    snug_tensor_id gradient;
    int32_t next; /* Index, -1 at the end. */
} contribution;

typedef struct backward_work {
    bool *wanted;          /* Per tensor: it depends on a trainable parameter. */
    int32_t *first, *last; /* Per tensor: its list, -1 when empty. */
    contribution *items;
    int64_t item_count, item_capacity;
    int64_t tensor_count; /* Forward tensors: only they have entries. */
} backward_work;

static snug_status prepare(snug_graph *graph, backward_work *work, snug_error *err)
{
    void *wanted = NULL;
    void *first = NULL;
    void *last = NULL;
    void *items = NULL;
    *work = (backward_work){.tensor_count = graph->tensor_count};
    for (int64_t i = 0; i < graph->node_count; i++) {
        work->item_capacity += graph->nodes[i].input_count;
    }
    SNUG_TRY(
        snug_arena_array(graph->arena, graph->tensor_count, (int64_t)sizeof(bool), &wanted, err));
    SNUG_TRY(
        snug_arena_array(graph->arena, graph->tensor_count, (int64_t)sizeof(int32_t), &first, err));
    SNUG_TRY(
        snug_arena_array(graph->arena, graph->tensor_count, (int64_t)sizeof(int32_t), &last, err));
    SNUG_TRY(snug_arena_array(graph->arena, work->item_capacity, (int64_t)sizeof(contribution),
                              &items, err));
    work->wanted = wanted;
    work->first = first;
    work->last = last;
    work->items = items;
    for (int64_t t = 0; t < graph->tensor_count; t++) {
        const snug_tensor *tensor = &graph->tensors[t];
        work->first[t] = -1;
        work->last[t] = -1;
        work->wanted[t] = tensor->kind == SNUG_TENSOR_PARAMETER && tensor->trainable;
    }
    for (int64_t i = 0; i < graph->node_count; i++) {
        const snug_node *node = &graph->nodes[i];
        bool any = false;
        for (int32_t k = 0; k < node->input_count; k++) {
            any = any || (node->inputs[k] >= 0 && work->wanted[node->inputs[k]]);
        }
        for (int32_t k = 0; k < node->output_count && any; k++) {
            if (node->outputs[k] >= 0) {
                work->wanted[node->outputs[k]] = true;
            }
        }
    }
    return SNUG_OK;
}

static void push(backward_work *work, snug_tensor_id tensor, snug_tensor_id gradient)
{
    SNUG_ASSERT(work->item_count < work->item_capacity);
    const int32_t index = (int32_t)work->item_count++;
    work->items[index] = (contribution){.gradient = gradient, .next = -1};
    if (work->first[tensor] < 0) {
        work->first[tensor] = index;
    } else {
        work->items[work->last[tensor]].next = index;
    }
    work->last[tensor] = index;
}

/* The gradient of a tensor whose consumers are all done: its only contribution, or their sum. */
static snug_status collect(snug_graph *graph, const backward_work *work, snug_tensor_id tensor,
                           snug_tensor_id *out, snug_error *err)
{
    snug_tensor_id parts[SNUG_NODE_INPUTS_MAX];
    int32_t count = 0;
    char name[SNUG_NAME_BYTES + 8];
    if (work->first[tensor] < 0) {
        *out = SNUG_TENSOR_NONE;
        return SNUG_OK;
    }
    for (int32_t i = work->first[tensor]; i >= 0; i = work->items[i].next) {
        if (count == SNUG_NODE_INPUTS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' is read by more than %d nodes",
                             graph->tensors[tensor].name, SNUG_NODE_INPUTS_MAX);
        }
        parts[count++] = work->items[i].gradient;
    }
    if (count == 1) {
        *out = parts[0];
        return SNUG_OK;
    }
    (void)snprintf(name, sizeof name, "%s.grad", graph->tensors[tensor].name);
    SNUG_TRY(snug_graph_apply(graph, "add", name, NULL, parts, count, out, err));
    return SNUG_OK;
}

static snug_status reverse_node(snug_graph *graph, backward_work *work, snug_node_id id,
                                snug_error *err)
{
    snug_tensor_id out_grads[SNUG_NODE_OUTPUTS_MAX];
    snug_tensor_id in_grads[SNUG_NODE_INPUTS_MAX];
    bool need[SNUG_NODE_INPUTS_MAX];
    bool reached = false;
    bool wanted = false;
    const snug_node *node = &graph->nodes[id];
    for (int32_t k = 0; k < node->input_count; k++) {
        need[k] = node->inputs[k] >= 0 && work->wanted[node->inputs[k]];
        in_grads[k] = SNUG_TENSOR_NONE;
        wanted = wanted || need[k];
    }
    for (int32_t k = 0; k < node->output_count; k++) {
        const snug_tensor_id t = node->outputs[k];
        out_grads[k] = SNUG_TENSOR_NONE;
        reached = reached || (t >= 0 && (t == graph->loss || work->first[t] >= 0));
    }
    if (!wanted || !reached) {
        return SNUG_OK;
    }
    graph->forward = id;
    for (int32_t k = 0; k < node->output_count; k++) {
        if (node->outputs[k] >= 0) {
            SNUG_TRY(collect(graph, work, node->outputs[k], &out_grads[k], err));
        }
    }
    if (node->op->gradient == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "%s '%s' has no gradient", node->op->name,
                         node->name);
    }
    SNUG_TRY(node->op->gradient(graph, id, out_grads, need, in_grads, err));
    for (int32_t k = 0; k < node->input_count; k++) {
        if (in_grads[k] >= 0) {
            push(work, node->inputs[k], in_grads[k]);
        }
    }
    return SNUG_OK;
}

snug_status snug_graph_backward(snug_graph *graph, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(graph->arena);
    const int64_t nodes_before = graph->node_count;
    const int64_t tensors_before = graph->tensor_count;
    backward_work work;
    if (graph->loss < 0 || graph->tensors[graph->loss].producer < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the graph has no loss to differentiate");
    }
    SNUG_TRY_DONE(prepare(graph, &work, err));
    for (int64_t i = nodes_before - 1; i >= 0; i--) {
        SNUG_TRY_DONE(reverse_node(graph, &work, (snug_node_id)i, err));
    }

done:
    graph->forward = -1;
    if (snug_failed(status)) {
        graph->node_count = nodes_before;
        graph->tensor_count = tensors_before;
        for (int64_t t = 0; t < tensors_before; t++) {
            if (graph->tensors[t].gradient >= tensors_before) {
                graph->tensors[t].gradient = SNUG_TENSOR_NONE;
            }
        }
    }
    snug_arena_rewind(graph->arena, start);
    return status;
}
