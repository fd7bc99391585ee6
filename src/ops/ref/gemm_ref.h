/* The matrix product as it is defined: sums in double, rounded once at the end. */
#ifndef SNUG_OPS_REF_GEMM_REF_H
#define SNUG_OPS_REF_GEMM_REF_H

#include "ops/cpu/gemm.h"

/** The value of element (row, col) of a view, 0 in its padding. `data` stands for view->data. */
float snug_ref_view_at(const snug_gemm_view *view, const float *data, int64_t row, int64_t col);

/**
 * What snug_gemm() computes, without its rounding between: every element of C is summed in double
 * (C itself included in CHAIN and SUM, bias included) and rounded once. isa is not read; b must not
 * be packed.
 *
 * @mem     Allocates nothing.
 * @threads Reentrant.
 */
void snug_ref_gemm(const snug_gemm_call *call);

#endif
