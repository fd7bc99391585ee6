/* A graph as lines of text, for people and tests. */
#include "graph/graph.h"

static void add_tensor(const snug_graph *graph, snug_tensor_id id, snug_text *out)
{
    char shape[96];
    if (id < 0) {
        snug_text_add(out, "-");
        return;
    }
    const snug_tensor *t = &graph->tensors[id];
    snug_text_add(out, "%s%s%s", t->name, t->batched ? " N x " : " ",
                  snug_shape_text(&t->shape, shape));
    if (t->dtype != SNUG_F32) {
        snug_text_add(out, " %s", snug_dtype_name(t->dtype));
    }
}

void snug_graph_print(const snug_graph *graph, snug_text *out)
{
    static const char *const phases[] = {"forward", "backward", "update"};
    for (int64_t i = 0; i < graph->node_count; i++) {
        const snug_node *node = &graph->nodes[i];
        snug_text_add(out, "%lld %s %s '%s'", (long long)i, phases[node->phase], node->op->name,
                      node->name);
        if (node->variant != 0) {
            snug_text_add(out, " variant %d", node->variant);
        }
        snug_text_add(out, ": ");
        for (int32_t k = 0; k < node->input_count; k++) {
            snug_text_add(out, "%s", k > 0 ? ", " : "");
            add_tensor(graph, node->inputs[k], out);
        }
        snug_text_add(out, " -> ");
        for (int32_t k = 0; k < node->output_count; k++) {
            snug_text_add(out, "%s%s", k > 0 ? ", " : "",
                          ((node->op->accumulates >> k) & 1) != 0 ? "+= " : "");
            add_tensor(graph, node->outputs[k], out);
        }
        snug_text_add(out, "\n");
    }
}
