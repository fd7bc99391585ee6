#include "ops/ref/lstm_ref.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/** One sample's history: gates, c, h of every layer and step, and the states. */
typedef struct ref_work {
    double *input;   /* [S, in_0]. */
    double *gates;   /* [L, S, 4, H]. */
    double *c;       /* [L, S + 1, H]. */
    double *h;       /* [L, S + 1, H]. */
    double *y;       /* [S + 1, K]: slot 0 is the initial state. */
    double *dh;      /* [L, H]: from the next step. */
    double *dc;      /* [L, H]. */
    double *d_input; /* [max(in_0, H)]. */
    double *d_above; /* [H]. */
    double *d_out;   /* [O]. */
    double *d_state; /* [2, K]: feedback and carry. */
} ref_work;

static int64_t carve(const snug_lstm_options *o, double *base, ref_work *out_work)
{
    const int64_t in = snug_lstm_input_depth(o, 0);
    const int64_t width = in > o->hidden ? in : o->hidden;
    const int64_t sizes[11] = {o->steps * in,
                               o->layers * o->steps * 4 * o->hidden,
                               o->layers * (o->steps + 1) * o->hidden,
                               o->layers * (o->steps + 1) * o->hidden,
                               (o->steps + 1) * o->targets,
                               o->layers * o->hidden,
                               o->layers * o->hidden,
                               width,
                               o->hidden,
                               snug_lstm_outputs(o),
                               2 * o->targets};
    double *pieces[11] = {NULL};
    int64_t used = 0;
    for (int i = 0; i < 11; i++) {
        pieces[i] = base == NULL ? NULL : base + used;
        used += sizes[i];
    }
    *out_work = (ref_work){pieces[0], pieces[1], pieces[2], pieces[3], pieces[4], pieces[5],
                           pieces[6], pieces[7], pieces[8], pieces[9], pieces[10]};
    return used;
}

int64_t snug_ref_lstm_scratch_bytes(const snug_lstm_options *options)
{
    ref_work work;
    return carve(options, NULL, &work) * (int64_t)sizeof(double);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/** Whether a step adds to the state before, and which outputs it uses. */
static bool step_adds(const snug_lstm_options *o, int64_t t, int64_t *out_offset)
{
    const bool second = o->mode == SNUG_LSTM_POSITION_THEN_VELOCITY && t >= o->switch_step;
    *out_offset = second ? o->targets : 0;
    return second || o->mode == SNUG_LSTM_VELOCITY;
}

static void layer_step(const snug_lstm_options *o, const snug_lstm_ref_weights *w, int32_t layer,
                       int64_t t, const double *input, const ref_work *work)
{
    const int64_t hidden = o->hidden;
    const int64_t depth = snug_lstm_input_depth(o, layer);
    double *gates = work->gates + (layer * o->steps + t) * 4 * hidden;
    const double *h_prev = work->h + (layer * (o->steps + 1) + t) * hidden;
    const double *c_prev = work->c + (layer * (o->steps + 1) + t) * hidden;
    double *h = work->h + (layer * (o->steps + 1) + t + 1) * hidden;
    double *c = work->c + (layer * (o->steps + 1) + t + 1) * hidden;
    for (int64_t g = 0; g < 4 * hidden; g++) {
        double sum = w->b_ih[layer][g] + w->b_hh[layer][g];
        for (int64_t k = 0; k < depth; k++) {
            sum += w->w_ih[layer][g * depth + k] * input[k];
        }
        for (int64_t k = 0; k < hidden; k++) {
            sum += w->w_hh[layer][g * hidden + k] * h_prev[k];
        }
        gates[g] = g / hidden == 2 ? tanh(sum) : sigmoid(sum);
    }
    for (int64_t u = 0; u < hidden; u++) {
        c[u] = gates[hidden + u] * c_prev[u] + gates[u] * gates[2 * hidden + u];
        h[u] = gates[3 * hidden + u] * tanh(c[u]);
    }
}

static void forward_sample(const snug_lstm_options *o, const snug_lstm_ref_weights *w,
                           const double *x, const double *s0, const ref_work *work)
{
    const int64_t hidden = o->hidden;
    const int64_t targets = o->targets;
    const int64_t in = snug_lstm_input_depth(o, 0);
    for (int32_t layer = 0; layer < o->layers; layer++) {
        for (int64_t u = 0; u < hidden; u++) {
            work->c[layer * (o->steps + 1) * hidden + u] = 0.0;
            work->h[layer * (o->steps + 1) * hidden + u] = 0.0;
        }
    }
    for (int64_t k = 0; k < targets; k++) {
        work->y[k] = s0 == NULL ? 0.0 : s0[k];
    }
    for (int64_t t = 0; t < o->steps; t++) {
        double *input = work->input + t * in;
        for (int64_t k = 0; k < in; k++) {
            input[k] =
                k < o->features ? x[t * o->features + k] : work->y[t * targets + k - o->features];
        }
        const double *below = input;
        for (int32_t layer = 0; layer < o->layers; layer++) {
            layer_step(o, w, layer, t, below, work);
            below = work->h + (layer * (o->steps + 1) + t + 1) * hidden;
        }
        int64_t offset = 0;
        const bool adds = step_adds(o, t, &offset);
        for (int64_t k = 0; k < targets; k++) {
            double sum = w->head_b[offset + k];
            for (int64_t u = 0; u < hidden; u++) {
                const double leaky = below[u] > 0.0 ? below[u] : below[u] * (double)o->slope;
                sum += w->head_w[(offset + k) * hidden + u] * leaky;
            }
            const double base = adds ? work->y[t * targets + k] : 0.0;
            work->y[(t + 1) * targets + k] = base + (double)o->scale * sum;
        }
    }
}

void snug_ref_lstm_forward(const snug_lstm_options *options, const snug_lstm_ref_weights *weights,
                           int64_t samples, const double *x, const double *s0, double *y,
                           void *scratch)
{
    ref_work work;
    (void)carve(options, scratch, &work);
    const int64_t count = options->steps * options->targets;
    for (int64_t n = 0; n < samples; n++) {
        forward_sample(options, weights, x + n * options->steps * options->features,
                       s0 == NULL ? NULL : s0 + n * options->targets, &work);
        for (int64_t i = 0; i < count; i++) {
            y[n * count + i] = work.y[options->targets + i];
        }
    }
}

static const double one = 1.0;

/** Row `row` of a gradient with `cols` columns, where it is wanted: += factor * values. */
static void add_to_row(double *gradient, int64_t row, double factor, const double *values,
                       int64_t cols)
{
    for (int64_t c = 0; gradient != NULL && c < cols; c++) {
        gradient[row * cols + c] += factor * values[c];
    }
}

/** Back through the head at step t: fills d_above, adds to the head's gradients. */
static void head_back(const snug_lstm_options *o, const snug_lstm_ref_weights *w, int64_t t,
                      const double *dy, const snug_lstm_ref_gradients *g, const ref_work *work)
{
    const int64_t hidden = o->hidden;
    const int64_t targets = o->targets;
    const double *top = work->h + ((o->layers - 1) * (o->steps + 1) + t + 1) * hidden;
    int64_t offset = 0;
    const bool adds = step_adds(o, t, &offset);
    for (int64_t u = 0; u < hidden; u++) {
        work->d_above[u] = 0.0;
    }
    for (int64_t k = 0; k < targets; k++) {
        const double d_state = dy[k] + work->d_state[k] + work->d_state[targets + k];
        const double d = d_state * (double)o->scale;
        work->d_state[k] = 0.0;
        work->d_state[targets + k] = adds ? d_state : 0.0;
        add_to_row(g->head_b, offset + k, d, &one, 1);
        for (int64_t u = 0; u < hidden; u++) {
            const double slope = top[u] > 0.0 ? 1.0 : (double)o->slope;
            const double leaky = slope * top[u];
            add_to_row(g->head_w, (offset + k) * hidden + u, d, &leaky, 1);
            work->d_above[u] += d * slope * w->head_w[(offset + k) * hidden + u];
        }
    }
}

/** Back through layer `layer` at step t: d_above in, d_input out, dh and dc for the step before. */
static void layer_back(const snug_lstm_options *o, const snug_lstm_ref_weights *w, int32_t layer,
                       int64_t t, const double *input, const snug_lstm_ref_gradients *g,
                       const ref_work *work)
{
    const int64_t hidden = o->hidden;
    const int64_t depth = snug_lstm_input_depth(o, layer);
    double *gates = work->gates + (layer * o->steps + t) * 4 * hidden;
    const double *h_prev = work->h + (layer * (o->steps + 1) + t) * hidden;
    const double *c_prev = work->c + (layer * (o->steps + 1) + t) * hidden;
    double *dh_next = work->dh + layer * hidden;
    double *dc_next = work->dc + layer * hidden;
    for (int64_t u = 0; u < hidden; u++) {
        const double i = gates[u];
        const double f = gates[hidden + u];
        const double cell = gates[2 * hidden + u];
        const double out = gates[3 * hidden + u];
        const double th = tanh(c_prev[hidden + u]);
        const double dh = work->d_above[u] + dh_next[u];
        const double dc = dc_next[u] + dh * out * (1.0 - th * th);
        gates[u] = dc * cell * i * (1.0 - i);
        gates[hidden + u] = dc * c_prev[u] * f * (1.0 - f);
        gates[2 * hidden + u] = dc * i * (1.0 - cell * cell);
        gates[3 * hidden + u] = dh * th * out * (1.0 - out);
        dc_next[u] = dc * f;
        dh_next[u] = 0.0;
    }
    for (int64_t k = 0; k < depth; k++) {
        work->d_input[k] = 0.0;
    }
    for (int64_t r = 0; r < 4 * hidden; r++) {
        const double d = gates[r];
        add_to_row(g->b_ih[layer], r, d, &one, 1);
        add_to_row(g->b_hh[layer], r, d, &one, 1);
        add_to_row(g->w_ih[layer], r, d, input, depth);
        add_to_row(g->w_hh[layer], r, d, h_prev, hidden);
        for (int64_t k = 0; k < depth; k++) {
            work->d_input[k] += d * w->w_ih[layer][r * depth + k];
        }
        for (int64_t k = 0; k < hidden; k++) {
            dh_next[k] += d * w->w_hh[layer][r * hidden + k];
        }
    }
}

static void backward_sample(const snug_lstm_options *o, const snug_lstm_ref_weights *w,
                            const double *dy, double *dx, double *ds0,
                            const snug_lstm_ref_gradients *g, const ref_work *work)
{
    const int64_t hidden = o->hidden;
    const int64_t in = snug_lstm_input_depth(o, 0);
    for (int64_t i = 0; i < o->layers * hidden; i++) {
        work->dh[i] = 0.0;
        work->dc[i] = 0.0;
    }
    for (int64_t k = 0; k < 2 * o->targets; k++) {
        work->d_state[k] = 0.0;
    }
    for (int64_t t = o->steps - 1; t >= 0; t--) {
        head_back(o, w, t, dy + t * o->targets, g, work);
        for (int32_t layer = o->layers - 1; layer >= 0; layer--) {
            const double *input = layer == 0
                                      ? work->input + t * in
                                      : work->h + ((layer - 1) * (o->steps + 1) + t + 1) * hidden;
            layer_back(o, w, layer, t, input, g, work);
            for (int64_t u = 0; layer > 0 && u < hidden; u++) {
                work->d_above[u] = work->d_input[u];
            }
        }
        for (int64_t k = 0; dx != NULL && k < o->features; k++) {
            dx[t * o->features + k] = work->d_input[k];
        }
        for (int64_t k = o->features; k < in; k++) {
            work->d_state[k - o->features] = work->d_input[k];
        }
    }
    for (int64_t k = 0; ds0 != NULL && k < o->targets; k++) {
        ds0[k] = work->d_state[k] + work->d_state[o->targets + k];
    }
}

void snug_ref_lstm_backward(const snug_lstm_options *options, const snug_lstm_ref_weights *weights,
                            int64_t samples, const double *x, const double *s0, const double *dy,
                            double *dx, double *ds0, const snug_lstm_ref_gradients *gradients,
                            void *scratch)
{
    ref_work work;
    (void)carve(options, scratch, &work);
    for (int64_t n = 0; n < samples; n++) {
        const int64_t at = n * options->steps;
        forward_sample(options, weights, x + at * options->features,
                       s0 == NULL ? NULL : s0 + n * options->targets, &work);
        backward_sample(options, weights, dy + at * options->targets,
                        dx == NULL ? NULL : dx + at * options->features,
                        ds0 == NULL ? NULL : ds0 + n * options->targets, gradients, &work);
    }
}
