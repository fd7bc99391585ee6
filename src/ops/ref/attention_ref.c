#include "ops/ref/attention_ref.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "ops/ref/dropout_ref.h"

/* One head of one sample. */
typedef struct head_of {
    const snug_attention *a;
    const snug_ref_attention_inputs *in;
    int64_t n, head;
    int64_t queries, keys;
    int64_t q_at, k_at, y_at, lse_at, bias_at;
    snug_dropout_key key;
} head_of;

static head_of open_head(const snug_attention *a, const snug_ref_attention_inputs *in, int64_t n,
                         int64_t head)
{
    const int64_t column = head * a->head_dim;
    head_of h = {.a = a,
                 .in = in,
                 .n = n,
                 .head = head,
                 .queries = a->length,
                 .keys = a->length_k,
                 .q_at = n * a->length * a->row_stride + column,
                 .k_at = n * a->length_k * a->row_stride + column,
                 .y_at = n * a->length * a->heads * a->head_dim + column,
                 .lse_at = (n * a->heads + head) * a->length,
                 .bias_at = head * (a->length + a->length_k - 1),
                 .key = a->key};
    h.key.position += n;
    if (in->lengths != NULL) {
        const int64_t valid = in->lengths[n] < 0 ? 0 : in->lengths[n];
        h.keys = valid < a->length_k ? valid : a->length_k;
        h.queries = !a->cross && valid < a->length ? valid : a->length;
    }
    if (h.keys == 0) {
        h.queries = 0;
    }
    return h;
}

static bool seen(const head_of *h, int64_t i, int64_t j)
{
    return j < h->keys && (!h->a->causal || j <= i);
}

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t c = 0; c < count; c++) {
        sum += a[c] * b[c];
    }
    return sum;
}

static double score(const head_of *h, int64_t i, int64_t j)
{
    const int64_t stride = h->a->row_stride;
    double s = (double)h->a->scale * dot(h->in->q + h->q_at + i * stride,
                                         h->in->k + h->k_at + j * stride, h->a->head_dim);
    if (h->in->bias != NULL) {
        s += h->in->bias[h->bias_at + j - i + h->a->length - 1];
    }
    return s;
}

/* What dropout multiplies probability (i, j) by. */
static double keep(const head_of *h, int64_t i, int64_t j)
{
    if (!(h->a->dropout > 0.0f)) {
        return 1.0;
    }
    const uint32_t threshold = snug_dropout_threshold(h->a->dropout);
    return snug_ref_dropout_keep(&h->key, snug_attention_element(h->head, i, j), threshold,
                                 65536.0 / (double)threshold);
}

/* Output row i, from zero; answers its log-sum-exp. */
static double forward_row(const head_of *h, int64_t i, double *y)
{
    double most = -INFINITY;
    double sum = 0.0;
    for (int64_t j = 0; j < h->keys; j++) {
        if (seen(h, i, j)) {
            const double s = score(h, i, j);
            most = s > most ? s : most;
        }
    }
    for (int64_t j = 0; j < h->keys; j++) {
        if (seen(h, i, j)) {
            const double p = exp(score(h, i, j) - most);
            const double kept = p * keep(h, i, j);
            sum += p;
            for (int64_t c = 0; c < h->a->head_dim; c++) {
                y[c] += kept * h->in->v[h->k_at + j * h->a->row_stride + c];
            }
        }
    }
    for (int64_t c = 0; c < h->a->head_dim; c++) {
        y[c] /= sum;
    }
    return most + log(sum);
}

void snug_ref_attention_forward(const snug_attention *attention, int64_t samples,
                                const snug_ref_attention_inputs *inputs, double *y, double *lse)
{
    const int64_t width = attention->heads * attention->head_dim;
    for (int64_t part = 0; part < samples * attention->heads; part++) {
        const head_of h =
            open_head(attention, inputs, part / attention->heads, part % attention->heads);
        for (int64_t i = 0; i < attention->length; i++) {
            double *row = y + h.y_at + i * width;
            double log_sum = 0.0;
            for (int64_t c = 0; c < attention->head_dim; c++) {
                row[c] = 0.0;
            }
            if (i < h.queries) {
                log_sum = forward_row(&h, i, row);
            }
            if (lse != NULL) {
                lse[h.lse_at + i] = log_sum;
            }
        }
    }
}

static void zero_head(double *rows, int64_t at, int64_t count, const snug_attention *a)
{
    for (int64_t r = 0; rows != NULL && r < count; r++) {
        for (int64_t c = 0; c < a->head_dim; c++) {
            rows[at + r * a->row_stride + c] = 0.0;
        }
    }
}

/* row += factor * x. */
static void add_row(double *row, double factor, const double *x, int64_t count)
{
    for (int64_t c = 0; c < count; c++) {
        row[c] += factor * x[c];
    }
}

static void backward_row(const head_of *h, int64_t i, const double *y, double lse, const double *dy,
                         const snug_ref_attention_gradients *g)
{
    const snug_attention *a = h->a;
    const double total = dot(dy, y, a->head_dim);
    const int64_t q = h->q_at + i * a->row_stride;
    for (int64_t j = 0; j < h->keys; j++) {
        if (!seen(h, i, j)) {
            continue;
        }
        const int64_t k = h->k_at + j * a->row_stride;
        const double p = exp(score(h, i, j) - lse);
        const double z = keep(h, i, j);
        const double ds = p * (dot(dy, h->in->v + k, a->head_dim) * z - total);
        if (g->dv != NULL) {
            add_row(g->dv + k, p * z, dy, a->head_dim);
        }
        if (g->dq != NULL) {
            add_row(g->dq + q, ds * (double)a->scale, h->in->k + k, a->head_dim);
        }
        if (g->dk != NULL) {
            add_row(g->dk + k, ds * (double)a->scale, h->in->q + q, a->head_dim);
        }
        if (g->dbias != NULL) {
            g->dbias[h->bias_at + j - i + a->length - 1] += ds;
        }
    }
}

void snug_ref_attention_backward(const snug_attention *attention, int64_t samples,
                                 const snug_ref_attention_inputs *inputs, const double *y,
                                 const double *lse, const double *dy,
                                 const snug_ref_attention_gradients *gradients)
{
    const int64_t width = attention->heads * attention->head_dim;
    for (int64_t part = 0; part < samples * attention->heads; part++) {
        const head_of h =
            open_head(attention, inputs, part / attention->heads, part % attention->heads);
        zero_head(gradients->dq, h.q_at, attention->length, attention);
        zero_head(gradients->dk, h.k_at, attention->length_k, attention);
        zero_head(gradients->dv, h.k_at, attention->length_k, attention);
        for (int64_t i = 0; i < h.queries; i++) {
            backward_row(&h, i, y + h.y_at + i * width, lse[h.lse_at + i], dy + h.y_at + i * width,
                         gradients);
        }
    }
}
