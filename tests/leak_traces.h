/* The public simulator of memory traces: nine shapes without a leak, and the same with one. */
#ifndef SNUG_TESTS_LEAK_TRACES_H
#define SNUG_TESTS_LEAK_TRACES_H

#include <math.h>
#include <stdint.h>

/*
 * A program of about 1000 MiB, seen once a second. Every trace draws its own sizes and times from
 * its seed, so that a rate of false alarms is one over programs, not over noise alone.
 */
typedef enum trace_shape {
    TRACE_STATIONARY, /* White noise around a level. */
    TRACE_WANDERING,  /* AR(1) with phi = 0.99: wanders and comes back within minutes. */
    TRACE_SAW,        /* Filled and emptied every 30 to 90 s. */
    TRACE_EPOCHS,     /* Two to four minutes of training, then a peak of validation. */
    TRACE_SPIKES,     /* Checkpoints now and then, for a few seconds. */
    TRACE_WARM_UP,    /* Approaches a level, tau 1 to 10 minutes. */
    TRACE_LOG,        /* Caches and pools: a log(1 + t / tau). */
    TRACE_STEP,       /* One lasting jump somewhere. */
    TRACE_RATCHET,    /* The allocator keeps the highest ever: a running maximum. */
    TRACE_SHAPES
} trace_shape;

static const char *const trace_names[TRACE_SHAPES] = {
    "stationary", "wandering", "saw", "epochs", "spikes", "warm-up", "log", "step", "ratchet"};

/* One trace being made. */
typedef struct trace {
    trace_shape shape;
    uint64_t state;
    double size, time, time_2; /* Drawn for this trace. */
    double wander, wander_size, phi, noise, highest;
    double leak_per_s;
    double seconds;
} trace;

static uint64_t trace_bits(trace *of)
{
    of->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = of->state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static double trace_uniform(trace *of, double low, double high)
{
    return low + (high - low) * ((double)(trace_bits(of) >> 11) + 0.5) * 0x1p-53;
}

static double trace_normal(trace *of)
{
    const double radius = sqrt(-2 * log(trace_uniform(of, 0, 1)));
    return radius * cos(6.283185307179586 * trace_uniform(of, 0, 1));
}

/* A trace of `seconds`; `leak` is the share of 1000 MiB that is lost per hour: 0.2 is 20 %/h. */
static trace trace_begin(trace_shape shape, double seconds, double leak, uint64_t seed)
{
    trace made = {.shape = shape,
                  .state = seed * UINT64_C(0x2545f4914f6cdd1d) + (uint64_t)shape,
                  .seconds = seconds,
                  .leak_per_s = 1000 * leak / 3600,
                  .noise = 3,
                  .phi = 0.9};
    (void)trace_bits(&made);
    switch (shape) {
    case TRACE_WANDERING:
        made.phi = 0.99;
        made.wander_size = 12;
        break;
    case TRACE_SAW:
        made.size = trace_uniform(&made, 100, 300);
        made.time = trace_uniform(&made, 30, 90);
        break;
    case TRACE_EPOCHS:
        made.size = trace_uniform(&made, 200, 500);
        made.time = trace_uniform(&made, 120, 240);
        made.wander_size = 5;
        break;
    case TRACE_SPIKES:
        made.size = trace_uniform(&made, 200, 800);
        made.time = trace_uniform(&made, 100, 600);
        made.wander_size = 5;
        break;
    case TRACE_WARM_UP:
        made.size = trace_uniform(&made, 100, 400);
        made.time = trace_uniform(&made, 60, 600);
        made.wander_size = 5;
        break;
    case TRACE_LOG:
        made.size = trace_uniform(&made, 10, 50);
        made.time = trace_uniform(&made, 5, 60);
        break;
    case TRACE_STEP:
        made.size = trace_uniform(&made, 50, 300);
        made.time = trace_uniform(&made, 0.1, 0.9) * seconds;
        made.wander_size = 5;
        break;
    case TRACE_RATCHET:
        made.phi = trace_uniform(&made, 0.5, 0.95);
        made.wander_size = trace_uniform(&made, 10, 60);
        made.noise = 0.5;
        break;
    default:
        made.noise = 5;
        break;
    }
    made.wander = made.wander_size * trace_normal(&made);
    return made;
}

/* MiB at second `t`, asked for in order. */
static inline double trace_next(trace *of, double t)
{
    double value = 1000 + of->leak_per_s * t + of->noise * trace_normal(of);
    of->wander =
        of->phi * of->wander + of->wander_size * sqrt(1 - of->phi * of->phi) * trace_normal(of);
    switch (of->shape) {
    case TRACE_SAW:
        value += of->size * fmod(t, of->time) / of->time;
        break;
    case TRACE_EPOCHS:
        value += of->wander + (fmod(t, of->time) > 0.85 * of->time ? of->size : 0);
        break;
    case TRACE_SPIKES:
        value += of->wander + (fmod(t, of->time) < 8 ? of->size : 0);
        break;
    case TRACE_WARM_UP:
        value += of->wander + of->size * (1 - exp(-t / of->time));
        break;
    case TRACE_LOG:
        value += of->size * log1p(t / of->time);
        break;
    case TRACE_STEP:
        value += of->wander + (t >= of->time ? of->size : 0);
        break;
    case TRACE_RATCHET:
        of->highest = fmax(of->highest, of->wander);
        value += of->highest;
        break;
    default:
        value += of->wander;
        break;
    }
    return value;
}

#endif
