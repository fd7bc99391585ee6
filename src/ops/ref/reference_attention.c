/* The reference kernels of attention: each unpacks a call for the plain functions beside it. */
#include "ops/ref/attention_ref.h"
#include "ops/ref/reference.h"
#include "ops/unpack.h"

void snug_reference_attention(const snug_kernel_call *call)
{
    const snug_attention attention = snug_unpack_attention(call);
    const snug_attention_places p =
        snug_unpack_attention_places(call, 0, 3, (int64_t)sizeof(double));
    const snug_ref_attention_inputs inputs = {p.q, p.k, p.v, p.lengths, p.bias};
    snug_ref_attention_forward(&attention, call->count, &inputs, call->outputs[0],
                               call->outputs[1]);
}

/* Its inputs: dy, q, k, v, y, lse, lengths, bias. */
void snug_reference_attention_grad(const snug_kernel_call *call)
{
    const snug_attention attention = snug_unpack_attention(call);
    const snug_attention_places p =
        snug_unpack_attention_places(call, 1, 6, (int64_t)sizeof(double));
    const snug_ref_attention_inputs inputs = {p.q, p.k, p.v, p.lengths, p.bias};
    const snug_ref_attention_gradients gradients = {p.dq, p.dk, p.dv, call->outputs[3]};
    snug_ref_attention_backward(&attention, call->count, &inputs, call->inputs[4], call->inputs[5],
                                call->inputs[0], &gradients);
}
