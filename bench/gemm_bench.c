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

enum {
    ROUNDS = 7,           /* In each of them every side takes its turn. */
    FAR_BYTES = 96 << 20, /* Of operands that are not in a cache when their turn comes. */
    FAR_SETS_MAX = 8,     /* Copies of the operands, at most. */
    STEP_SAMPLES = 16,    /* Of a weight gradient whose sum goes sample by sample. */
    PAUSE_NS = 40000000   /* Long enough for a peer's threads to stop spinning. */
};

typedef struct shape {
    const char *note;
    int64_t m;
    int64_t n;
    int64_t k;
    bool transpose_a; /* A is stored [k, m]. */
    bool transpose_b; /* B is stored [n, k]. */
    bool packed;      /* B is packed outside the time, as a recurrent loop does. */
    bool far;         /* Operands change from call to call, as those of a step do. */
    bool sum;         /* C += A B; snug adds up STEP_SAMPLES samples in order. */
} shape;

static const shape shapes[] = {
    {"square", 2048, 2048, 2048, false, false, false, false, false},
    {"large", 4096, 2048, 512, false, false, false, false, false},
    {"lstm 2 fwd", 64, 2048, 1024, false, false, false, false, false},
    {"lstm 2 fwd, packed", 64, 2048, 1024, false, false, true, false, false},
    {"lstm 1 fwd, packed", 64, 2048, 596, false, false, true, false, false},
    {"128 rows", 128, 2048, 512, false, false, false, false, false},
    {"128 rows, packed", 128, 2048, 512, false, false, true, false, false},
    {"lstm bwd", 64, 512, 2048, false, true, false, false, false},
    {"lstm bwd, packed", 64, 512, 2048, false, true, true, false, false},
    {"linear", 4096, 256, 256, false, false, false, false, false},
    {"weight gradient", 596, 2048, 1600, true, false, false, false, false},
    {"bert fwd", 2048, 768, 768, false, false, false, true, false},
    {"bert fwd up", 2048, 3072, 768, false, false, false, true, false},
    {"bert fwd down", 2048, 768, 3072, false, false, false, true, false},
    {"bert one text up", 128, 3072, 768, false, false, false, true, false},
    {"bert one text down", 128, 768, 3072, false, false, false, true, false},
    {"bert dx", 2048, 768, 768, false, true, false, true, false},
    {"bert dx down", 2048, 3072, 768, false, true, false, true, false},
    {"bert dx up", 2048, 768, 3072, false, true, false, true, false},
    {"bert dw", 768, 768, 2048, true, false, false, true, true},
    {"bert dw up", 768, 3072, 2048, true, false, false, true, true},
    {"bert dw down", 3072, 768, 2048, true, false, false, true, true},
};

typedef struct operands {
    float *a;
    float *b;
    float *c;
} operands;

/* One shape on its way through the rounds. */
typedef struct contest {
    const shape *s;
    snug_kernel_isa isa;
    const snug_parallel *parallel;
    const peer *peers;
    operands sets[FAR_SETS_MAX];
    int set_count;
    int next_set;
    float *packed;
    void *scratch;
    double rates[1 + PEER_COUNT][ROUNDS]; /* The best call of each turn, GF/s; 0: not there. */
} contest;

static snug_gemm_call snug_call(const contest *t, const operands *o)
{
    const shape *s = t->s;
    snug_gemm_call call = {
        .isa = t->isa,
        .mode = s->sum ? SNUG_GEMM_SUM : SNUG_GEMM_SET,
        .reduce = s->sum,
        .rows = s->m,
        .cols = s->n,
        .depth = s->sum ? s->k / STEP_SAMPLES : s->k,
        .batch = s->sum ? STEP_SAMPLES : 1,
        .a = {.data = o->a,
              .row_stride = s->transpose_a ? 1 : s->k,
              .col_stride = s->transpose_a ? s->m : 1},
        .b = {.data = o->b,
              .row_stride = s->transpose_b ? 1 : s->n,
              .col_stride = s->transpose_b ? s->k : 1},
        .c = o->c,
        .c_row_stride = s->n,
    };
    call.a_batch_stride = call.depth * call.a.col_stride;
    call.b_batch_stride = call.depth * call.b.row_stride;
    if (s->packed) {
        call.b = (snug_gemm_view){.data = t->packed};
        call.b_batch_stride = 0;
        call.b_packed = true;
    }
    return call;
}

/* One call of a side, 0 for snug: nanoseconds. */
static int64_t time_call(contest *t, int side)
{
    const shape *s = t->s;
    const operands *o = &t->sets[t->next_set];
    const snug_gemm_call call = snug_call(t, o);
    t->next_set = (t->next_set + 1) % t->set_count;
    const int64_t start = snug_clock_ns();
    if (side == 0) {
        snug_gemm(&call, t->parallel, t->scratch);
    } else {
        peer_sgemm(&t->peers[side - 1], s->transpose_a, s->transpose_b, s->m, s->n, s->k, o->a,
                   s->transpose_a ? s->m : s->k, o->b, s->transpose_b ? s->k : s->n,
                   s->sum ? 1.0f : 0.0f, o->c, s->n);
    }
    return snug_clock_ns() - start;
}

/*
 * The machine's speed drifts, so all sides take turns in each round, in another order each time,
 * with the same number of calls; the first call of a turn wakes the side's threads, untimed.
 */
static void measure(contest *t)
{
    const double flops = 2.0 * (double)t->s->m * (double)t->s->n * (double)t->s->k;
    const int calls = flops > 3e9 ? 2 : (int)(6e9 / flops) + 1;
    for (int turn = 0; turn < ROUNDS * (1 + PEER_COUNT); turn++) {
        const int round = turn / (1 + PEER_COUNT);
        const int side = (turn + round) % (1 + PEER_COUNT);
        if (side > 0 && !peer_is_there(&t->peers[side - 1])) {
            continue;
        }
        if (side > 0) {
            peer_threads(&t->peers[side - 1], t->parallel->threads);
        }
        snug_clock_sleep_ns(PAUSE_NS);
        (void)time_call(t, side);
        for (int call = 0; call < calls; call++) {
            const double rate = flops / (double)time_call(t, side);
            double *best = &t->rates[side][round];
            *best = rate > *best ? rate : *best;
        }
    }
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over the rounds of ours against the best peer of the round; 0 without peers. */
static double ratio_of(const contest *t)
{
    double ratios[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double best = 0.0;
        for (int side = 1; side <= PEER_COUNT; side++) {
            best = t->rates[side][round] > best ? t->rates[side][round] : best;
        }
        ratios[round] = best > 0.0 ? t->rates[0][round] / best : 0.0;
    }
    qsort(ratios, ROUNDS, sizeof ratios[0], compare_doubles);
    return ratios[ROUNDS / 2];
}

static void report(const contest *t, const char *isa_name, FILE *json)
{
    const shape *s = t->s;
    double best[1 + PEER_COUNT] = {0.0};
    for (int side = 0; side <= PEER_COUNT; side++) {
        for (int round = 0; round < ROUNDS; round++) {
            best[side] = t->rates[side][round] > best[side] ? t->rates[side][round] : best[side];
        }
    }
    double most = 0.0;
    for (int side = 1; side <= PEER_COUNT; side++) {
        most = best[side] > most ? best[side] : most;
    }
    const double ratio = ratio_of(t);
    printf("%-20s %5lld %5lld %5lld  %d %8.1f %8.1f %8.1f %8.1f   %5.2f   %5.2f\n", s->note,
           (long long)s->m, (long long)s->n, (long long)s->k, (int)t->parallel->threads, best[0],
           best[1], best[2], best[3], ratio, most > 0.0 ? best[0] / most : 0.0);
    (void)fflush(stdout);
    if (json != NULL) {
        fprintf(json,
                "{\"bench\": \"gemm\", \"note\": \"%s\", \"m\": %lld, \"n\": %lld, \"k\": %lld, "
                "\"isa\": \"%s\", \"threads\": %d, \"ratio\": %.3f, \"snug_gflops\": %.2f, "
                "\"openblas_gflops\": %.2f, \"blis_gflops\": %.2f, \"onednn_gflops\": %.2f}\n",
                s->note, (long long)s->m, (long long)s->n, (long long)s->k, isa_name,
                (int)t->parallel->threads, ratio, best[0], best[1], best[2], best[3]);
    }
}

static void run_shape(const shape *s, snug_kernel_isa isa, const char *isa_name,
                      const snug_parallel *parallel, const peer *peers, FILE *json)
{
    static contest t;
    const int64_t floats = s->m * s->k + s->k * s->n + s->m * s->n;
    const int64_t sets = FAR_BYTES / (floats * (int64_t)sizeof(float)) + 1;
    t = (contest){.s = s, .isa = isa, .parallel = parallel, .peers = peers};
    t.set_count = !s->far ? 1 : (int)(sets < FAR_SETS_MAX ? sets : FAR_SETS_MAX);
    for (int i = 0; i < t.set_count; i++) {
        t.sets[i] = (operands){.a = bench_floats(s->m * s->k),
                               .b = bench_floats(s->k * s->n),
                               .c = bench_floats(s->m * s->n)};
    }
    if (s->packed) {
        const snug_gemm_view b = {.data = t.sets[0].b,
                                  .row_stride = s->transpose_b ? 1 : s->n,
                                  .col_stride = s->transpose_b ? s->k : 1};
        t.packed = bench_floats(snug_gemm_pack_b_bytes(isa, s->k, s->n) / (int64_t)sizeof(float));
        snug_gemm_pack_b(isa, s->k, s->n, &b, t.packed, parallel);
    }
    const snug_gemm_call form = snug_call(&t, &t.sets[0]);
    t.scratch = bench_floats(snug_gemm_scratch_bytes(&form, parallel->threads) / 4);
    measure(&t);
    report(&t, isa_name, json);
    for (int i = 0; i < t.set_count; i++) {
        free(t.sets[i].a);
        free(t.sets[i].b);
        free(t.sets[i].c);
    }
    free(t.packed);
    free(t.scratch);
}

int main(int argc, char **argv)
{
    const bool avx2 = argc > 1 && strcmp(argv[1], "avx2") == 0;
    if (argc > 4 || (argc > 1 && !avx2 && strcmp(argv[1], "avx512") != 0)) {
        fprintf(stderr, "usage: gemm_bench [avx2|avx512 [JSON-FILE|- [WORD-OF-SHAPES]]]\n");
        return 2;
    }
    const bool wide = argc > 1 ? !avx2 : __builtin_cpu_supports("avx512bw") != 0;
    const snug_kernel_isa isa = wide ? SNUG_KERNEL_AVX512 : SNUG_KERNEL_AVX2;
    FILE *json = argc > 2 && strcmp(argv[2], "-") != 0 ? fopen(argv[2], "w") : NULL;
    peer peers[PEER_COUNT];
    peers_load(peers);
    printf("GF/s, snug with %s\n%-20s %5s %5s %5s  T %8s %8s %8s %8s   ratio to the best of a "
           "round, of bests\n",
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
            if (argc > 3 && strstr(shapes[i].note, argv[3]) == NULL) {
                continue;
            }
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
