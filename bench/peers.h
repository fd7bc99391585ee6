/* Libraries to measure against, loaded at run time so that nothing of snug links them. */
#ifndef SNUG_BENCH_PEERS_H
#define SNUG_BENCH_PEERS_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*peer_cblas_sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                                 float alpha, const float *a, int lda, const float *b, int ldb,
                                 float beta, float *c, int ldc);
typedef int (*peer_dnnl_sgemm)(char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k,
                               float alpha, const float *a, int64_t lda, const float *b,
                               int64_t ldb, float beta, float *c, int64_t ldc);

/** One library; `sgemm` or `dnnl` is set when it is there. */
typedef struct peer {
    const char *name;
    peer_cblas_sgemm sgemm;
    peer_dnnl_sgemm dnnl;
    void (*set_threads_int)(int threads);
    void (*set_threads_long)(long threads);
} peer;

enum { PEER_COUNT = 3 };

/* A function pointer out of a library, without the cast that ISO C does not have. */
static inline void peer_symbol(void *library, const char *name, void *out_pointer)
{
    void *symbol = library == NULL ? NULL : dlsym(library, name);
    memcpy(out_pointer, &symbol, sizeof symbol);
}

static inline void *peer_library(const char *const *names)
{
    void *library = NULL;
    for (; library == NULL && *names != NULL; names++) {
        library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    }
    return library;
}

/** Loads what is installed; what is not stays without functions. */
static inline void peers_load(peer peers[PEER_COUNT])
{
    static const char *const openblas[] = {"libopenblas.so.0", "libopenblas.so", NULL};
    static const char *const blis[] = {"libblis.so.4", "libblis.so", NULL};
    static const char *const dnnl[] = {"libdnnl.so.2", "libdnnl.so.3", "libdnnl.so", NULL};
    static const char *const gomp[] = {"libgomp.so.1", NULL};
    peers[0] = (peer){.name = "openblas"};
    void *library = peer_library(openblas);
    peer_symbol(library, "cblas_sgemm", &peers[0].sgemm);
    peer_symbol(library, "openblas_set_num_threads", &peers[0].set_threads_int);
    peers[1] = (peer){.name = "blis"};
    library = peer_library(blis);
    peer_symbol(library, "cblas_sgemm", &peers[1].sgemm);
    peer_symbol(library, "bli_thread_set_num_threads", &peers[1].set_threads_long);
    peers[2] = (peer){.name = "onednn"};
    peer_symbol(peer_library(dnnl), "dnnl_sgemm", &peers[2].dnnl);
    peer_symbol(peer_library(gomp), "omp_set_num_threads", &peers[2].set_threads_int);
}

static inline bool peer_is_there(const peer *p)
{
    return p->sgemm != NULL || p->dnnl != NULL;
}

static inline void peer_threads(const peer *p, int threads)
{
    if (p->set_threads_int != NULL) {
        p->set_threads_int(threads);
    }
    if (p->set_threads_long != NULL) {
        p->set_threads_long(threads);
    }
}

/** C = op(A) op(B) + beta C, row-major; the numbers 101, 111 and 112 are CBLAS's. */
static inline void peer_sgemm(const peer *p, bool transpose_a, bool transpose_b, int64_t m,
                              int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                              int64_t ldb, float beta, float *c, int64_t ldc)
{
    if (p->sgemm != NULL) {
        p->sgemm(101, transpose_a ? 112 : 111, transpose_b ? 112 : 111, (int)m, (int)n, (int)k,
                 1.0f, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
    } else {
        (void)p->dnnl(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, lda, b,
                      ldb, beta, c, ldc);
    }
}

/** Aligned floats in [-1, 1), or the end of the program. */
static inline float *bench_floats(int64_t count)
{
    float *data = aligned_alloc(64, ((size_t)count * sizeof(float) + 63) / 64 * 64 + 64);
    if (data == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    uint32_t word = 12345;
    for (int64_t i = 0; i < count; i++) {
        word = word * 1664525U + 1013904223U;
        data[i] = (float)(word >> 8) / 8388608.0f - 1.0f;
    }
    return data;
}

#endif
