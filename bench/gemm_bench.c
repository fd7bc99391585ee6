/* Matrix products of the families' shapes beside OpenBLAS, BLIS and oneDNN: table and JSON. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/cpu/gemm.h"
#include "peers.h"
#include "sys/clock.h"
#include "sys/thread.h"

typedef struct shape {
    const char *note;
    int64_t m;
    int64_t n;
    int64_t k;
    bool transpose_a; /* A is stored [k, m]. */
    bool transpose_b; /* B is stored [n, k]. */
    bool packed;      /* B is packed outside the time, as a recurrent loop does. */
} shape;

static const shape shapes[] = {
    {"square", 2048, 2048, 2048, false, false, false},
    {"large", 4096, 2048, 512, false, false, false},
    {"lstm 2 fwd", 64, 2048, 1024, false, false, false},
    {"lstm 2 fwd, packed", 64, 2048, 1024, false, false, true},
    {"lstm 1 fwd, packed", 64, 2048, 596, false, false, true},
    {"128 rows", 128, 2048, 512, false, false, false},
    {"128 rows, packed", 128, 2048, 512, false, false, true},
    {"lstm bwd", 64, 512, 2048, false, true, false},
    {"lstm bwd, packed", 64, 512, 2048, false, true, true},
    {"linear", 4096, 256, 256, false, false, false},
    {"weight gradient", 596, 2048, 1600, true, false, false},
};

typedef struct operands {
    float *a;
    float *b;
    float *c;
    float *packed;
    void *scratch;
} operands;

static void run_snug(const shape *s, const operands *o, snug_kernel_isa isa,
                     const snug_parallel *parallel)
{
    snug_gemm_call call = {
        .isa = isa,
        .rows = s->m,
        .cols = s->n,
        .depth = s->k,
        .batch = 1,
        .a = {.data = o->a, .row_stride = s->transpose_a ? 1 : s->k,
              .col_stride = s->transpose_a ? s->m : 1},
        .b = {.data = o->b, .row_stride = s->transpose_b ? 1 : s->n,
              .col_stride = s->transpose_b ? s->k : 1},
        .c = o->c,
        .c_row_stride = s->n,
    };
    if (s->packed) {
        call.b = (snug_gemm_view){.data = o->packed};
        call.b_packed = true;
    }
    snug_gemm(&call, parallel, o->scratch);
}

static void run_peer(const shape *s, const operands *o, const peer *p)
{
    peer_sgemm(p, s->transpose_a, s->transpose_b, s->m, s->n, s->k, o->a,
               s->transpose_a ? s->m : s->k, o->b, s->transpose_b ? s->k : s->n, 0.0f, o->c, s->n);
}

/* Long enough for a peer's threads to stop spinning on the cores of the next side. */
enum { PAUSE_NS = 40000000 };

/*
 * The best rate of several turns. All sides take turns, so a slow moment hits all of them; each
 * turn begins with a call that is not timed, which wakes the side's threads.
 */
static void measure(const shape *s, const operands *o, snug_kernel_isa isa,
                    const snug_parallel *parallel, const peer *peers, double rates[1 + PEER_COUNT])
{
    const double flops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    const int calls = flops > 3e9 ? 1 : (int)(3e9 / flops) + 1;
    memset(rates, 0, (1 + PEER_COUNT) * sizeof *rates);
    for (int turn = 0; turn < 4; turn++) {
        for (int side = 0; side <= PEER_COUNT; side++) {
            if (side > 0 && !peer_is_there(&peers[side - 1])) {
                continue;
            }
            if (side > 0) {
                peer_threads(&peers[side - 1], parallel->threads);
            }
            snug_clock_sleep_ns(PAUSE_NS);
            for (int call = 0; call <= calls; call++) {
                const int64_t start = snug_clock_ns();
                if (side == 0) {
                    run_snug(s, o, isa, parallel);
                } else {
                    run_peer(s, o, &peers[side - 1]);
                }
                const double rate = flops / (double)(snug_clock_ns() - start);
                rates[side] = call > 0 && rate > rates[side] ? rate : rates[side];
            }
        }
    }
}

static void run_shape(const shape *s, snug_kernel_isa isa, const char *isa_name,
                      const snug_parallel *parallel, const peer *peers, FILE *json)
{
    snug_gemm_call form = {
        .isa = isa, .rows = s->m, .cols = s->n, .depth = s->k, .batch = 1};
    const operands o = {
        .a = bench_floats(s->m * s->k),
        .b = bench_floats(s->k * s->n),
        .c = bench_floats(s->m * s->n),
        .packed = bench_floats(snug_gemm_pack_b_bytes(isa, s->k, s->n) / (int64_t)sizeof(float)),
        .scratch = bench_floats(snug_gemm_scratch_bytes(&form, parallel->threads) / 4),
    };
    const snug_gemm_view b = {.data = o.b, .row_stride = s->transpose_b ? 1 : s->n,
                              .col_stride = s->transpose_b ? s->k : 1};
    snug_gemm_pack_b(isa, s->k, s->n, &b, o.packed, parallel);
    double rates[1 + PEER_COUNT];
    measure(s, &o, isa, parallel, peers, rates);
    double best = 0.0;
    for (int side = 1; side <= PEER_COUNT; side++) {
        best = rates[side] > best ? rates[side] : best;
    }
    printf("%-20s %5lld %5lld %5lld  %d %8.1f %8.1f %8.1f %8.1f   %5.2f\n", s->note,
           (long long)s->m, (long long)s->n, (long long)s->k, (int)parallel->threads, rates[0],
           rates[1], rates[2], rates[3], best > 0.0 ? rates[0] / best : 0.0);
    fflush(stdout);
    if (json != NULL) {
        fprintf(json,
                "{\"bench\": \"gemm\", \"note\": \"%s\", \"m\": %lld, \"n\": %lld, \"k\": %lld, "
                "\"isa\": \"%s\", \"threads\": %d, \"snug_gflops\": %.2f, "
                "\"openblas_gflops\": %.2f, \"blis_gflops\": %.2f, \"onednn_gflops\": %.2f}\n",
                s->note, (long long)s->m, (long long)s->n, (long long)s->k, isa_name,
                (int)parallel->threads, rates[0], rates[1], rates[2], rates[3]);
    }
    free(o.a);
    free(o.b);
    free(o.c);
    free(o.packed);
    free(o.scratch);
}

int main(int argc, char **argv)
{
    const bool avx2 = argc > 1 && strcmp(argv[1], "avx2") == 0;
    if (argc > 3 || (argc > 1 && !avx2 && strcmp(argv[1], "avx512") != 0)) {
        fprintf(stderr, "usage: gemm_bench [avx2|avx512 [JSON-FILE]]\n");
        return 2;
    }
    const bool wide = argc > 1 ? !avx2 : __builtin_cpu_supports("avx512bw") != 0;
    const snug_kernel_isa isa = wide ? SNUG_KERNEL_AVX512 : SNUG_KERNEL_AVX2;
    FILE *json = argc > 2 ? fopen(argv[2], "w") : NULL;
    peer peers[PEER_COUNT];
    peers_load(peers);
    printf("GF/s, snug with %s\n%-20s %5s %5s %5s  T %8s %8s %8s %8s   ratio to the best\n",
           wide ? "avx512" : "avx2", "shape", "m", "n", "k", "snug", peers[0].name, peers[1].name,
           peers[2].name);
    for (int32_t threads = 1; threads <= 2; threads++) {
        snug_pool *pool = NULL;
        snug_error err = {0};
        if (snug_failed(snug_pool_open(threads, &pool, &err))) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            run_shape(&shapes[i], isa, wide ? "avx512" : "avx2", snug_pool_parallel(pool), peers,
                      json);
        }
        snug_pool_close(pool);
    }
    if (json != NULL && fclose(json) != 0) {
        fprintf(stderr, "cannot write '%s'\n", argv[2]);
        return 1;
    }
    return 0;
}
