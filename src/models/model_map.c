/* Where the elements of a parameter lie in PyTorch's files, and how they start. */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/philox.h"
#include "models/model.h"

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text);
    const size_t b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* The first node that reads `parameter` as its weight. */
static const snug_node *reader(const snug_graph *graph, snug_tensor_id parameter)
{
    for (int64_t i = 0; i < graph->node_count; i++) {
        const snug_node *node = &graph->nodes[i];
        if (node->input_count > 1 && node->inputs[1] == parameter) {
            return node;
        }
    }
    return NULL;
}

/*
 * A convolution's weight is ours [k, in, out]: in the file Conv1d [out, in, k] or Linear [out, in].
 * The Conv2d of a TDS block is [out, in, k], in the file [out, in, 1, k]. Everything else lies as
 * it is.
 */
void snug_model_file_layout(const snug_graph *graph, snug_tensor_id parameter,
                            snug_model_layout *out)
{
    const snug_tensor *tensor = &graph->tensors[parameter];
    const snug_node *node = reader(graph, parameter);
    const int64_t *extent = tensor->shape.extent;
    int64_t stride = 1;
    SNUG_ASSERT(tensor->kind == SNUG_TENSOR_PARAMETER);
    *out = (snug_model_layout){.file_shape = tensor->shape};
    for (int32_t axis = tensor->shape.rank - 1; axis >= 0; axis--) {
        out->stride[axis] = stride;
        stride *= extent[axis];
    }
    if (node == NULL) {
        return;
    }
    if (strcmp(node->op->name, "tds_conv") == 0) {
        out->file_shape = (snug_shape){.rank = 4, .extent = {extent[0], extent[1], 1, extent[2]}};
    }
    if (strcmp(node->op->name, "conv1d") == 0) {
        const bool linear = extent[0] == 1 && !ends_with(tensor->name, ".conv.weight");
        out->stride[0] = 1;
        out->stride[1] = extent[0];
        out->stride[2] = extent[0] * extent[1];
        out->file_shape = linear ? snug_shape_2(extent[2], extent[1])
                                 : snug_shape_3(extent[2], extent[1], extent[0]);
    }
}

/* Our index of element `file` of the file's order. */
static int64_t our_index(const snug_tensor *tensor, const snug_model_layout *layout, int64_t file)
{
    int64_t index = 0;
    if (tensor->shape.rank != 3) {
        return file;
    }
    for (int32_t axis = 0; axis < 3; axis++) {
        index = index * tensor->shape.extent[axis] +
                (file / layout->stride[axis]) % tensor->shape.extent[axis];
    }
    return index;
}

void snug_model_to_file(const snug_graph *graph, snug_tensor_id parameter, const float *ours,
                        int64_t first, int64_t count, float *out)
{
    snug_model_layout layout;
    snug_model_file_layout(graph, parameter, &layout);
    for (int64_t i = 0; i < count; i++) {
        out[i] = ours[our_index(&graph->tensors[parameter], &layout, first + i)];
    }
}

void snug_model_from_file(const snug_graph *graph, snug_tensor_id parameter, const float *file,
                          int64_t first, int64_t count, float *ours)
{
    snug_model_layout layout;
    snug_model_file_layout(graph, parameter, &layout);
    for (int64_t i = 0; i < count; i++) {
        ours[our_index(&graph->tensors[parameter], &layout, first + i)] = file[i];
    }
}

/* Box and Muller (1958): two uniform numbers make a normal one. */
static float normal_of(snug_philox_key key, uint64_t element)
{
    const uint64_t block = element / 2;
    const snug_philox_block random =
        snug_philox(key, (snug_philox_block){{(uint32_t)block, (uint32_t)(block >> 32), 1, 0}});
    const double a = snug_philox_unit(random.word[2 * (element % 2)]);
    const double b = snug_philox_unit(random.word[2 * (element % 2) + 1]);
    return (float)(sqrt(-2.0 * log(1.0 - a)) * cos(6.283185307179586 * b));
}

void snug_model_init_values(const snug_graph *graph, snug_tensor_id parameter, uint64_t seed,
                            int64_t first, int64_t count, float *out)
{
    const snug_tensor *tensor = &graph->tensors[parameter];
    uint64_t index = 0;
    SNUG_ASSERT(tensor->kind == SNUG_TENSOR_PARAMETER);
    for (snug_tensor_id t = 0; t < parameter; t++) {
        index += graph->tensors[t].kind == SNUG_TENSOR_PARAMETER ? 1 : 0;
    }
    const snug_philox_key key = snug_philox_stream(seed, index);
    for (int64_t i = 0; i < count; i++) {
        const uint64_t element = (uint64_t)(first + i);
        float value = tensor->init.kind == SNUG_INIT_ONE ? 1.0f : 0.0f;
        if (tensor->init.kind == SNUG_INIT_UNIFORM) {
            const uint64_t block = element / 4;
            const snug_philox_block random = snug_philox(
                key, (snug_philox_block){{(uint32_t)block, (uint32_t)(block >> 32), 0, 0}});
            const float unit = snug_philox_unit(random.word[element % 4]);
            value = (2.0f * unit - 1.0f) * tensor->init.bound;
        }
        if (tensor->init.kind == SNUG_INIT_NORMAL) {
            value = normal_of(key, element) * tensor->init.bound;
        }
        out[i] = value;
    }
}
