/* The weight gradient of the TDS convolution in plain C. */
#include <math.h>
#include <stddef.h>

#include "base/attr.h"
#include "ops/cpu/tds_conv_kernel.h"
#include "ops/cpu/vmath_lanes_scalar.h"

#include "ops/cpu/vmath_functions.inc"

enum { ROWS_MAX = 2, TAPS_MAX = 3 };
#define WIDE_TILES 0

#include "ops/cpu/tds_conv_kernels.inc"

const snug_tds_kernels snug_tds_kernels_scalar = {
    .rows_max = ROWS_MAX,
    .taps_max = TAPS_MAX,
    .add_products = add_products,
};
