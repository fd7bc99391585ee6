/* One decoder with parameters, inputs and both kinds of results, for the LSTM's tests and bench. */
#ifndef SNUG_TESTS_OP_LSTM_CASE_H
#define SNUG_TESTS_OP_LSTM_CASE_H

#include <string.h>

#include "kernel_check.h"
#include "ops/cpu/lstm.h"
#include "ops/ref/lstm_ref.h"

typedef struct lstm_case {
    snug_lstm_options options;
    int64_t samples;
    bool with_s0;
    int64_t parameter_count;
    int64_t x_count, y_count, s0_count;
    float *parameters, *x, *s0, *dy;
} lstm_case;

/** What a run makes: forward's y, then backward's dx, ds0 and gradients, in one array. */
typedef struct lstm_result {
    int64_t count;
    float *all, *y, *dx, *ds0, *gradients;
} lstm_result;

enum { CASE_ARRAYS = 4 * SNUG_LSTM_LAYERS_MAX + 2 };

/** Sizes of w_ih, w_hh, b_ih, b_hh by layer, then the head's; returns how many arrays. */
static inline int case_sizes(const snug_lstm_options *options, int64_t sizes[CASE_ARRAYS])
{
    const int64_t hidden = options->hidden;
    int count = 0;
    for (int32_t layer = 0; layer < options->layers; layer++) {
        sizes[count++] = 4 * hidden * snug_lstm_input_depth(options, layer);
        sizes[count++] = 4 * hidden * hidden;
        sizes[count++] = 4 * hidden;
        sizes[count++] = 4 * hidden;
    }
    sizes[count++] = snug_lstm_outputs(options) * hidden;
    sizes[count++] = snug_lstm_outputs(options);
    return count;
}

/* The arrays of `type`, a struct of pointers to parameters or gradients, over one flat array. */
#define CASE_OVER_FLAT(name, type, element)                                                        \
    static inline type name(const snug_lstm_options *options, element *flat)                       \
    {                                                                                              \
        int64_t sizes[CASE_ARRAYS];                                                                \
        element *at[CASE_ARRAYS];                                                                  \
        const int count = case_sizes(options, sizes);                                              \
        type arrays = {.head_b = NULL};                                                            \
        for (int i = 0; i < count; i++) {                                                          \
            at[i] = flat;                                                                          \
            flat += sizes[i];                                                                      \
        }                                                                                          \
        for (int32_t layer = 0; layer < options->layers; layer++) {                                \
            arrays.w_ih[layer] = at[4 * layer];                                                    \
            arrays.w_hh[layer] = at[4 * layer + 1];                                                \
            arrays.b_ih[layer] = at[4 * layer + 2];                                                \
            arrays.b_hh[layer] = at[4 * layer + 3];                                                \
        }                                                                                          \
        arrays.head_w = at[count - 2];                                                             \
        arrays.head_b = at[count - 1];                                                             \
        return arrays;                                                                             \
    }

CASE_OVER_FLAT(case_weights, snug_lstm_weights, const float)
CASE_OVER_FLAT(case_gradients, snug_lstm_gradients, float)
CASE_OVER_FLAT(case_ref_weights, snug_lstm_ref_weights, const double)
CASE_OVER_FLAT(case_ref_gradients, snug_lstm_ref_gradients, double)

static inline double *case_doubles(const float *from, int64_t count)
{
    double *to = test_memory(count * (int64_t)sizeof(double));
    for (int64_t i = 0; i < count; i++) {
        to[i] = from == NULL ? 0.0 : (double)from[i];
    }
    return to;
}

/** Random parameters of the size that PyTorch starts with, and random inputs. */
static inline lstm_case case_open(snug_lstm_options options, int64_t samples, bool with_s0,
                                  uint64_t seed)
{
    lstm_case c = {.options = options, .samples = samples, .with_s0 = with_s0};
    test_random random = {seed};
    int64_t sizes[CASE_ARRAYS];
    const int arrays = case_sizes(&options, sizes);
    for (int i = 0; i < arrays; i++) {
        c.parameter_count += sizes[i];
    }
    c.x_count = samples * options.steps * options.features;
    c.y_count = samples * options.steps * options.targets;
    c.s0_count = samples * options.targets;
    c.parameters = test_floats(c.parameter_count);
    c.x = test_floats(c.x_count);
    c.s0 = test_floats(c.s0_count);
    c.dy = test_floats(c.y_count);
    fill_random(&random, c.parameters, c.parameter_count);
    /* 2 / sqrt(H), without a square root: any size near it will do. */
    float bound = 1.0f;
    while (bound * bound * (float)options.hidden > 4.0f) {
        bound *= 0.9f;
    }
    for (int64_t i = 0; i < c.parameter_count; i++) {
        c.parameters[i] *= bound;
    }
    fill_random(&random, c.x, c.x_count);
    fill_random(&random, c.s0, c.s0_count);
    fill_random(&random, c.dy, c.y_count);
    return c;
}

static inline void case_close(lstm_case *c)
{
    free(c->parameters);
    free(c->x);
    free(c->s0);
    free(c->dy);
}

static inline lstm_result result_open(const lstm_case *c)
{
    lstm_result r = {.count = c->y_count + c->x_count + c->s0_count + c->parameter_count};
    r.all = test_floats(r.count);
    memset(r.all, 0, (size_t)r.count * sizeof(float));
    r.y = r.all;
    r.dx = r.y + c->y_count;
    r.ds0 = r.dx + c->x_count;
    r.gradients = r.ds0 + c->s0_count;
    return r;
}

enum { CASE_GUARD = 64 };

/** Memory of exactly `bytes`, poisoned with NaN and guarded behind. */
static inline unsigned char *poisoned(int64_t bytes)
{
    unsigned char *memory = test_memory(bytes + CASE_GUARD);
    memset(memory, 0xff, (size_t)bytes);
    memset(memory + bytes, 0x5a, CASE_GUARD);
    return memory;
}

/** True when the guard is whole; gives the memory back. */
static inline bool guard_holds(unsigned char *memory, int64_t bytes)
{
    bool whole = true;
    for (int i = 0; i < CASE_GUARD; i++) {
        whole = whole && memory[bytes + i] == 0x5a;
    }
    free(memory);
    return whole;
}

/** Forward and backward over samples [first, first + count) of the case; true if guards hold. */
static inline bool case_run(const lstm_case *c, const snug_lstm_options *options, int64_t first,
                            int64_t count, const snug_parallel *parallel, const lstm_result *r)
{
    const int64_t cache_bytes = snug_lstm_cache_bytes(options, count);
    const int64_t forward_bytes =
        snug_lstm_forward_scratch_bytes(options, count, true, parallel->threads);
    const int64_t backward_bytes =
        snug_lstm_backward_scratch_bytes(options, count, parallel->threads);
    unsigned char *cache = poisoned(cache_bytes);
    unsigned char *forward_scratch = poisoned(forward_bytes);
    unsigned char *backward_scratch = poisoned(backward_bytes);
    const snug_lstm_weights weights = case_weights(options, c->parameters);
    const snug_lstm_gradients gradients = case_gradients(options, r->gradients);
    const int64_t x_at = first * options->steps * options->features;
    const int64_t y_at = first * options->steps * options->targets;
    const int64_t s_at = first * options->targets;
    const float *s0 = c->with_s0 ? c->s0 + s_at : NULL;
    snug_lstm_forward(options, &weights, count, c->x + x_at, s0, r->y + y_at, cache,
                      forward_scratch, parallel);
    snug_lstm_backward(options, &weights, count, c->x + x_at, s0, r->y + y_at, c->dy + y_at, cache,
                       r->dx + x_at, c->with_s0 ? r->ds0 + s_at : NULL, &gradients,
                       backward_scratch, parallel);
    const bool cache_holds = guard_holds(cache, cache_bytes);
    const bool forward_holds = guard_holds(forward_scratch, forward_bytes);
    return guard_holds(backward_scratch, backward_bytes) && cache_holds && forward_holds;
}

#endif
