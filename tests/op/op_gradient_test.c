#include "check.h"

#include <math.h>

#include "graph/graph.h"
#include "op/tolerance.h"
#include "optim/optim.h"

#include "op/interpreter.inc"

#include "op/cases.inc"

static _Alignas(SNUG_ALIGN) unsigned char block[16 << 20];

/* The loss of the batch after moving element `i` of `tensor` by `step`. */
static double loss_at(snug_interpreter *in, snug_tensor_id tensor, int64_t i, double step)
{
    const double value = snug_interpreter_get(in, tensor, i);
    snug_interpreter_set(in, tensor, i, value + step);
    snug_interpreter_run(in, SNUG_PHASE_FORWARD, SNUG_PHASE_FORWARD);
    snug_interpreter_set(in, tensor, i, value);
    return snug_interpreter_loss(in);
}

/* Compares up to 24 elements of a gradient with central differences. */
static void check_tensor(snug_interpreter *in, snug_tensor_id moved, const double *gradient,
                         int64_t count)
{
    const double step = 1e-5;
    double scale = 0.0;
    for (int64_t i = 0; i < count; i++) {
        scale = fmax(scale, fabs(gradient[i]));
    }
    for (int64_t k = 0; k < 24 && k < count; k++) {
        const int64_t i = count <= 24 ? k : (k * 7919 + 13) % count;
        const double high = loss_at(in, moved, i, step);
        const double low = loss_at(in, moved, i, -step);
        const double difference = (high - low) / (2.0 * step);
        if (!(fabs(difference - gradient[i]) <=
              TOLERANCE_DIFFERENCE * (fabs(gradient[i]) + scale) + 1e-9)) {
            print_error("%s[%lld]: the rule gives %.12g, central differences %.12g\n",
                        in->graph->tensors[moved].name, (long long)i, gradient[i], difference);
            fail();
        }
    }
}

/* With "pre" the identity, the gradient of its output is that of the source before it. */
static void make_identities(snug_interpreter *in)
{
    for (snug_tensor_id t = 0; t < in->graph->tensor_count; t++) {
        const snug_tensor *tensor = &in->graph->tensors[t];
        if (tensor->kind == SNUG_TENSOR_PARAMETER && strncmp(tensor->name, "pre", 3) == 0) {
            const int64_t n = tensor->shape.extent[1];
            for (int64_t i = 0; i < n * n; i++) {
                snug_interpreter_set(in, t, i, i / n == i % n ? 1.0 : 0.0);
            }
        }
    }
}

static double *copy_of(const snug_interpreter *in, snug_tensor_id tensor, int64_t *count)
{
    *count = snug_interpreter_count(in, tensor);
    double *copy = calloc((size_t)*count, sizeof(double));
    assert_non_null(copy);
    memcpy(copy, snug_interpreter_f64(in, tensor), (size_t)*count * sizeof(double));
    return copy;
}

/* The gradient of a parameter; one that is kept as rows is added up here. */
static double *gradient_of(const snug_interpreter *in, snug_tensor_id parameter, int64_t *count)
{
    const snug_graph *graph = in->graph;
    const snug_tensor_id gradient = graph->tensors[parameter].gradient;
    if (!graph->tensors[gradient].batched) {
        return copy_of(in, gradient, count);
    }
    const snug_node *node = &graph->nodes[graph->tensors[gradient].producer];
    const int32_t *words = (const int32_t *)(const void *)in->buffers[node->outputs[1]];
    const int64_t width = graph->tensors[gradient].shape.extent[1];
    *count = snug_interpreter_count(in, parameter);
    double *dense = calloc((size_t)*count, sizeof(double));
    assert_non_null(dense);
    for (int64_t i = 0; i < snug_interpreter_count(in, gradient); i++) {
        dense[words[i / width] * width + i % width] += snug_interpreter_get(in, gradient, i);
    }
    return dense;
}

static int64_t check_case(const op_case *c, int32_t repeat)
{
    snug_arena arena;
    snug_graph graph;
    snug_interpreter in;
    int64_t checked = 0;
    snug_arena_init(&arena, "test", block, sizeof block);
    build_case(c, repeat, NULL, 0.0, &graph, &arena);
    snug_interpreter_open(&in, &graph, true, SNUG_KERNEL_SCALAR, 2, 1);
    fill_case(&in, (uint64_t)repeat + 100);
    make_identities(&in);
    snug_interpreter_run(&in, SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD);
    const int64_t tensors = graph.tensor_count;
    for (snug_tensor_id t = 0; t < tensors; t++) {
        /* All parameters of a case reach the loss. */
        CHECK(graph.tensors[t].kind != SNUG_TENSOR_PARAMETER || graph.tensors[t].gradient >= 0);
        if (graph.tensors[t].gradient >= 0) {
            int64_t count = 0;
            double *gradient = gradient_of(&in, t, &count);
            check_tensor(&in, t, gradient, count);
            free(gradient);
            checked++;
        }
    }
    for (int64_t i = 0; i < graph.node_count; i++) {
        const snug_node *node = &graph.nodes[i];
        if (strncmp(node->name, "pre", 3) == 0 && strcmp(node->op->name, "conv1d_dw") == 0) {
            int64_t count = 0;
            double *gradient = copy_of(&in, node->inputs[1], &count);
            check_tensor(&in, node->inputs[0], gradient, count);
            free(gradient);
            checked++;
        }
    }
    snug_interpreter_close(&in);
    return checked;
}

static void rules_agree_with_central_differences(void **state)
{
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(op_cases); i++) {
        for (int32_t repeat = 0; repeat < op_cases[i].repeats; repeat++) {
            print_message("%s, seed %d\n", op_cases[i].name, repeat + 1);
            CHECK(check_case(&op_cases[i], repeat) >= 2);
        }
    }
}

static void every_row_with_a_gradient_has_a_case(void **state)
{
    (void)state;
    for (int64_t k = 0; k < snug_op_count(); k++) {
        bool found = snug_op_at(k)->gradient == NULL;
        for (int64_t i = 0; i < SNUG_COUNT(op_cases) && !found; i++) {
            found = strcmp(op_cases[i].name, snug_op_at(k)->name) == 0;
        }
        if (!found) {
            print_error("'%s' has a gradient and no case\n", snug_op_at(k)->name);
        }
        CHECK(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_with_a_gradient_has_a_case),
        cmocka_unit_test(rules_agree_with_central_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
