/* The instruction sets that kernels are written for; who calls a kernel says which one to use. */
#ifndef SNUG_OPS_KERNEL_ISA_H
#define SNUG_OPS_KERNEL_ISA_H

/**
 * The caller promises that this machine runs the set it names (kernels do not look). The sets are
 * ordered: a machine that runs one runs all before it.
 */
typedef enum snug_kernel_isa {
    SNUG_KERNEL_SCALAR, /* Plain C; slow, and the same bits as the others where a header says so. */
    SNUG_KERNEL_AVX2,   /* AVX2 + FMA. */
    SNUG_KERNEL_AVX512  /* AVX-512 F, DQ, BW, VL. */
} snug_kernel_isa;

enum { SNUG_KERNEL_ISA_COUNT = 3 };

#endif
