/* Reference decoder: one sample, step, layer at a time; the gradient runs the steps again. */
#include <math.h>

#include "base/checked.h"
#include "ops/ref/reference.h"

/* Extents, parameters and one sample's history, in scratch. */
typedef struct decoder {
    const snug_kernel_call *call;
    int64_t layers, hidden, features, state, outputs, targets, steps;
    int32_t first_weight; /* Input of the first layer's w_ih. */
    double *gates;        /* [steps, layers, 4 hidden], activated. */
    double *c, *h;        /* [steps + 1, layers, hidden]; slot 0 is before the first step. */
    double *y;            /* [steps + 1, targets]; slot 0 is the initial state. */
    double *leaky;        /* [hidden]. */
    double *dz;           /* [4 hidden]. */
    double *dh, *dc;      /* [layers, hidden]: from the next step. */
    double *din;          /* [most columns of an input]. */
    double *dstate;       /* [targets]: gradient of the state before the step, from later steps. */
    double *dout;         /* [outputs]. */
} decoder;

/* Lays the arrays out over `base`, or only counts when it is NULL; answers the bytes. */
static int64_t lay_out(const snug_op_view *view, double *base, decoder *d)
{
    d->layers = view->attrs->lstm_decoder.layers;
    d->hidden = view->attrs->lstm_decoder.hidden;
    d->features = view->attrs->lstm_decoder.features;
    d->outputs = view->attrs->lstm_decoder.outputs;
    d->steps = view->attrs->lstm_decoder.steps;
    const bool plain = view->attrs->lstm_decoder.mode == SNUG_DECODER_PLAIN;
    d->state = plain ? 0 : view->attrs->lstm_decoder.state;
    d->targets = plain ? d->outputs : d->state;
    struct {
        double **array;
        int64_t count;
    } parts[] = {
        {&d->gates, d->steps * d->layers * 4 * d->hidden},
        {&d->c, (d->steps + 1) * d->layers * d->hidden},
        {&d->h, (d->steps + 1) * d->layers * d->hidden},
        {&d->y, (d->steps + 1) * d->targets},
        {&d->leaky, d->hidden},
        {&d->dz, 4 * d->hidden},
        {&d->dh, d->layers * d->hidden},
        {&d->dc, d->layers * d->hidden},
        {&d->din, d->features + d->state + d->hidden},
        {&d->dstate, d->targets},
        {&d->dout, d->outputs},
    };
    int64_t used = 0;
    for (int64_t i = 0; i < SNUG_COUNT(parts); i++) {
        *parts[i].array = base == NULL ? NULL : base + used;
        used += parts[i].count;
    }
    for (int64_t i = 0; base != NULL && i < used; i++) {
        base[i] = 0.0;
    }
    return used * (int64_t)sizeof(double);
}

int64_t snug_reference_lstm_scratch_bytes(const snug_op_view *view)
{
    decoder d = {0};
    return snug_align_up(lay_out(view, NULL, &d), SNUG_ALIGN);
}

/* Parameter `k` of layer `layer`: w_ih, w_hh, b_ih, b_hh; layer `layers` is the head's w and b. */
static const double *parameter(const decoder *d, int64_t layer, int64_t k)
{
    return d->call->inputs[d->first_weight + layer * 4 + k];
}

static int64_t columns_in(const decoder *d, int64_t layer)
{
    return layer == 0 ? d->features + d->state : d->hidden;
}

/* Element `i` of the input of layer `layer` at step `t`. */
static double input_at(const decoder *d, const double *x, int64_t t, int64_t layer, int64_t i)
{
    if (layer > 0) {
        return d->h[((t + 1) * d->layers + layer - 1) * d->hidden + i];
    }
    return i < d->features ? x[t * d->features + i] : d->y[t * d->targets + i - d->features];
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static void run_cell(const decoder *d, const double *x, int64_t t, int64_t layer)
{
    const int64_t in = columns_in(d, layer);
    const double *w_ih = parameter(d, layer, 0);
    const double *w_hh = parameter(d, layer, 1);
    const double *before = d->h + (t * d->layers + layer) * d->hidden;
    const double *c_before = d->c + (t * d->layers + layer) * d->hidden;
    double *gates = d->gates + (t * d->layers + layer) * 4 * d->hidden;
    double *h = d->h + ((t + 1) * d->layers + layer) * d->hidden;
    double *c = d->c + ((t + 1) * d->layers + layer) * d->hidden;
    for (int64_t r = 0; r < 4 * d->hidden; r++) {
        double sum = parameter(d, layer, 2)[r] + parameter(d, layer, 3)[r];
        for (int64_t i = 0; i < in; i++) {
            sum += w_ih[r * in + i] * input_at(d, x, t, layer, i);
        }
        for (int64_t i = 0; i < d->hidden; i++) {
            sum += w_hh[r * d->hidden + i] * before[i];
        }
        gates[r] = r / d->hidden == 2 ? tanh(sum) : sigmoid(sum);
    }
    for (int64_t u = 0; u < d->hidden; u++) {
        c[u] = gates[d->hidden + u] * c_before[u] + gates[u] * gates[2 * d->hidden + u];
        h[u] = gates[3 * d->hidden + u] * tanh(c[u]);
    }
}

/* Whether step t adds its output to the state, and where in the output it is. */
static bool adds(const decoder *d, int64_t t, int64_t *offset)
{
    const snug_decoder_mode mode = d->call->view->attrs->lstm_decoder.mode;
    const bool second = mode == SNUG_DECODER_POSITION_THEN_VELOCITY &&
                        t >= d->call->view->attrs->lstm_decoder.switch_step;
    *offset = second ? d->targets : 0;
    return second || mode == SNUG_DECODER_VELOCITY;
}

static void fill_leaky(const decoder *d, int64_t t)
{
    const double slope = (double)d->call->view->attrs->lstm_decoder.slope;
    const double *h = d->h + ((t + 1) * d->layers + d->layers - 1) * d->hidden;
    for (int64_t u = 0; u < d->hidden; u++) {
        d->leaky[u] = h[u] > 0.0 ? h[u] : slope * h[u];
    }
}

static void run_sample(const decoder *d, const double *x, const double *s0)
{
    const double scale = (double)d->call->view->attrs->lstm_decoder.scale;
    const double *w = parameter(d, d->layers, 0);
    for (int64_t k = 0; k < d->targets; k++) {
        d->y[k] = s0 != NULL ? s0[k] : 0.0;
    }
    for (int64_t t = 0; t < d->steps; t++) {
        int64_t offset = 0;
        const bool added = adds(d, t, &offset);
        for (int64_t layer = 0; layer < d->layers; layer++) {
            run_cell(d, x, t, layer);
        }
        fill_leaky(d, t);
        for (int64_t k = 0; k < d->targets; k++) {
            double sum = parameter(d, d->layers, 1)[offset + k];
            for (int64_t u = 0; u < d->hidden; u++) {
                sum += w[(offset + k) * d->hidden + u] * d->leaky[u];
            }
            d->y[(t + 1) * d->targets + k] = scale * sum + (added ? d->y[t * d->targets + k] : 0.0);
        }
    }
}

void snug_reference_lstm_decoder(const snug_kernel_call *call)
{
    decoder d = {.call = call, .first_weight = 2};
    for (int64_t n = 0; n < call->count; n++) {
        (void)lay_out(call->view, call->scratch, &d);
        const double *s0 = call->inputs[1];
        double *y = (double *)call->outputs[0] + n * d.steps * d.targets;
        run_sample(&d, (const double *)call->inputs[0] + n * d.steps * d.features,
                   s0 == NULL ? NULL : s0 + n * d.targets);
        for (int64_t i = 0; i < d.steps * d.targets; i++) {
            y[i] = d.y[d.targets + i];
        }
    }
}

/* out[r, i] += a[r] * b[i] where the gradient is wanted; `b` NULL: out[r] += a[r]. */
static void add_outer(double *out, int64_t rows, const double *a, int64_t columns, const double *b)
{
    for (int64_t i = 0; out != NULL && i < rows * columns; i++) {
        out[i] += a[i / columns] * (b == NULL ? 1.0 : b[i % columns]);
    }
}

/* The gradient's outputs lie as the forward's inputs: 2 is the first layer's w_ih. */
static double *gradient(const decoder *d, int64_t layer, int64_t k)
{
    return d->call->outputs[2 + layer * 4 + k];
}

/* From dstate and dy of step t to the gradient of the top layer's h; dstate goes one step back. */
static void head_backward(const decoder *d, int64_t t, const double *dy)
{
    const double scale = (double)d->call->view->attrs->lstm_decoder.scale;
    const double slope = (double)d->call->view->attrs->lstm_decoder.slope;
    const double *w = parameter(d, d->layers, 0);
    const double *h = d->h + ((t + 1) * d->layers + d->layers - 1) * d->hidden;
    double *dh = d->dh + (d->layers - 1) * d->hidden;
    int64_t offset = 0;
    const bool added = adds(d, t, &offset);
    for (int64_t o = 0; o < d->outputs; o++) {
        d->dout[o] = 0.0;
    }
    for (int64_t k = 0; k < d->targets; k++) {
        const double g = dy[t * d->targets + k] + d->dstate[k];
        d->dout[offset + k] = scale * g;
        d->dstate[k] = added ? g : 0.0;
    }
    fill_leaky(d, t);
    add_outer(gradient(d, d->layers, 0), d->outputs, d->dout, d->hidden, d->leaky);
    add_outer(gradient(d, d->layers, 1), d->outputs, d->dout, 1, NULL);
    for (int64_t u = 0; u < d->hidden; u++) {
        double sum = 0.0;
        for (int64_t o = 0; o < d->outputs; o++) {
            sum += w[o * d->hidden + u] * d->dout[o];
        }
        dh[u] += h[u] > 0.0 ? sum : slope * sum;
    }
}

/* Gradients of the pre-activations into dz; dc goes one step back. */
static void cell_backward(const decoder *d, int64_t t, int64_t layer)
{
    const int64_t n = d->hidden;
    const double *gates = d->gates + (t * d->layers + layer) * 4 * n;
    const double *c_before = d->c + (t * d->layers + layer) * n;
    const double *c = d->c + ((t + 1) * d->layers + layer) * n;
    const double *dh = d->dh + layer * n;
    double *dc = d->dc + layer * n;
    for (int64_t u = 0; u < n; u++) {
        const double i = gates[u];
        const double f = gates[n + u];
        const double g = gates[2 * n + u];
        const double o = gates[3 * n + u];
        const double tanh_c = tanh(c[u]);
        const double total = dc[u] + dh[u] * o * (1.0 - tanh_c * tanh_c);
        d->dz[u] = total * g * i * (1.0 - i);
        d->dz[n + u] = total * c_before[u] * f * (1.0 - f);
        d->dz[2 * n + u] = total * i * (1.0 - g * g);
        d->dz[3 * n + u] = dh[u] * tanh_c * o * (1.0 - o);
        dc[u] = total * f;
    }
}

static void layer_backward(const decoder *d, const double *x, int64_t t, int64_t layer, double *dx)
{
    const int64_t in = columns_in(d, layer);
    const int64_t rows = 4 * d->hidden;
    const double *before = d->h + (t * d->layers + layer) * d->hidden;
    double *dh = d->dh + layer * d->hidden;
    cell_backward(d, t, layer);
    for (int64_t i = 0; i < in; i++) {
        d->din[i] = input_at(d, x, t, layer, i);
    }
    add_outer(gradient(d, layer, 0), rows, d->dz, in, d->din);
    add_outer(gradient(d, layer, 1), rows, d->dz, d->hidden, before);
    add_outer(gradient(d, layer, 2), rows, d->dz, 1, NULL);
    add_outer(gradient(d, layer, 3), rows, d->dz, 1, NULL);
    for (int64_t u = 0; u < d->hidden; u++) {
        dh[u] = 0.0;
        for (int64_t r = 0; r < rows; r++) {
            dh[u] += parameter(d, layer, 1)[r * d->hidden + u] * d->dz[r];
        }
    }
    for (int64_t i = 0; i < in; i++) {
        double sum = 0.0;
        for (int64_t r = 0; r < rows; r++) {
            sum += parameter(d, layer, 0)[r * in + i] * d->dz[r];
        }
        if (layer > 0) {
            d->dh[(layer - 1) * d->hidden + i] += sum;
        } else if (i >= d->features) {
            d->dstate[i - d->features] += sum;
        } else if (dx != NULL) {
            dx[t * d->features + i] = sum;
        }
    }
}

void snug_reference_lstm_decoder_grad(const snug_kernel_call *call)
{
    decoder d = {.call = call, .first_weight = 5};
    for (int64_t n = 0; n < call->count; n++) {
        (void)lay_out(call->view, call->scratch, &d);
        const double *x = (const double *)call->inputs[1] + n * d.steps * d.features;
        const double *s0 = call->inputs[2];
        const double *dy = (const double *)call->inputs[0] + n * d.steps * d.targets;
        double *dx = call->outputs[0];
        double *ds0 = call->outputs[1];
        run_sample(&d, x, s0 == NULL ? NULL : s0 + n * d.targets);
        for (int64_t t = d.steps - 1; t >= 0; t--) {
            head_backward(&d, t, dy);
            for (int64_t layer = d.layers - 1; layer >= 0; layer--) {
                layer_backward(&d, x, t, layer, dx == NULL ? NULL : dx + n * d.steps * d.features);
            }
        }
        for (int64_t k = 0; ds0 != NULL && k < d.targets; k++) {
            ds0[n * d.targets + k] = d.dstate[k];
        }
    }
}
