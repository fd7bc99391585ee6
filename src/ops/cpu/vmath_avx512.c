/* The lane kernels for AVX-512. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "ops/cpu/vmath_kernels.h"
#include "ops/cpu/vmath_lanes_avx512.h"

enum { TILE_ROWS = 13, TILE_LANES = 2 };

#include "ops/cpu/vmath_functions.inc"

#include "ops/cpu/activation_kernels.inc"
#include "ops/cpu/elementwise_kernels.inc"
#include "ops/cpu/cross_entropy_kernels.inc"
#include "ops/cpu/layer_norm_kernels.inc"
#include "ops/cpu/loss_kernels.inc"
#include "ops/cpu/lstm_kernels.inc"
#include "ops/cpu/optimizer_kernels.inc"
#include "ops/cpu/optimizer8_kernels.inc"
#include "ops/cpu/adafactor_kernels.inc"

const snug_lane_kernels snug_lane_kernels_avx512 = {
#include "ops/cpu/vmath_table.inc"
};
