/* Attention: calls of its rows to snug_attention_*(), and their scratch. */
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/unpack.h"

snug_attention snug_unpack_attention(const snug_kernel_call *call)
{
    const snug_attrs *attrs = call->view->attrs;
    const int64_t width = attrs->attention.width;
    return (snug_attention){.isa = call->isa,
                            .length = attrs->attention.length,
                            .length_k = attrs->attention.length_k,
                            .heads = attrs->attention.heads,
                            .head_dim = width / attrs->attention.heads,
                            .row_stride = attrs->attention.packed ? 3 * width : width,
                            .scale = attrs->attention.scale,
                            .causal = attrs->attention.causal,
                            .cross = attrs->attention.cross ||
                                     attrs->attention.length != attrs->attention.length_k,
                            .dropout = call->step->evaluation ? 0.0f : attrs->attention.dropout,
                            .key = {.seed = call->step->seed,
                                    .epoch = call->step->epoch,
                                    .position = call->step->first_position + call->first,
                                    .stream = attrs->attention.stream}};
}

/* An input that may be left out at the end. */
static const void *optional(const snug_kernel_call *call, int32_t i)
{
    return i < call->view->input_count ? call->inputs[i] : NULL;
}

snug_attention_places snug_unpack_attention_places(const snug_kernel_call *call, int32_t query,
                                                   int32_t lengths, int64_t element_bytes)
{
    const snug_attrs *attrs = call->view->attrs;
    const int64_t bytes = attrs->attention.width * element_bytes;
    const unsigned char *q = call->inputs[query];
    unsigned char *dq = call->outputs[0];
    snug_attention_places p = {.q = q,
                               .k = call->inputs[query + 1],
                               .v = call->inputs[query + 2],
                               .bias = optional(call, lengths + 1),
                               .dq = dq,
                               .dk = call->outputs[1],
                               .dv = call->outputs[2]};
    if (attrs->attention.packed) {
        p.k = q + bytes;
        p.v = q + 2 * bytes;
        p.dk = dq == NULL ? NULL : dq + bytes;
        p.dv = dq == NULL ? NULL : dq + 2 * bytes;
    }
    if (!attrs->attention.all_rows) {
        p.lengths = optional(call, lengths);
    }
    return p;
}

void snug_adapt_attention(const snug_kernel_call *call)
{
    const snug_attention a = snug_unpack_attention(call);
    const snug_attention_places p =
        snug_unpack_attention_places(call, 0, 3, (int64_t)sizeof(float));
    const snug_attention_inputs inputs = {p.q, p.k, p.v, p.lengths, p.bias};
    snug_attention_forward(&a, call->count, &inputs, call->outputs[0], call->outputs[1],
                           call->parallel, call->scratch);
}

/* Its inputs: dy, q, k, v, y, lse, lengths, bias. */
void snug_adapt_attention_grad(const snug_kernel_call *call)
{
    const snug_attention a = snug_unpack_attention(call);
    const snug_attention_places p =
        snug_unpack_attention_places(call, 1, 6, (int64_t)sizeof(float));
    const snug_attention_inputs inputs = {p.q, p.k, p.v, p.lengths, p.bias};
    const snug_attention_gradients gradients = {p.dq, p.dk, p.dv, call->outputs[3]};
    snug_attention_backward(&a, call->count, &inputs, call->inputs[4], call->inputs[5],
                            call->inputs[0], &gradients, call->parallel, call->scratch);
}

/* A call is short enough; but lengths that are noise would leave most of it out. */
double snug_shorten_attention(snug_op_view *view, snug_attrs *attrs, double share)
{
    (void)share;
    *attrs = *view->attrs;
    attrs->attention.all_rows = true;
    view->attrs = attrs;
    return 1.0;
}

static int64_t scratch(const snug_op_view *view, int32_t threads,
                       int64_t (*bytes)(const snug_attention *, int32_t))
{
    const snug_step_context step = {0};
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_kernel_call call = {.view = view, .isa = (snug_kernel_isa)isa, .step = &step};
        const snug_attention a = snug_unpack_attention(&call);
        most = snug_max_i64(most, bytes(&a, threads));
    }
    return most;
}

int64_t snug_scratch_attention(const snug_op_view *view, int64_t samples, int32_t threads)
{
    (void)samples;
    return scratch(view, threads, snug_attention_forward_scratch_bytes);
}

int64_t snug_scratch_attention_grad(const snug_op_view *view, int64_t samples, int32_t threads)
{
    (void)samples;
    return scratch(view, threads, snug_attention_backward_scratch_bytes);
}
