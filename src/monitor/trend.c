/* Shapes are fitted by least squares over a grid of their times; BIC chooses. */
#include "monitor/trend.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/sort.h"

enum { COLUMNS_MAX = 4, TAUS = 14, REFINEMENTS = 5, PAIRS_MAX = 127 * 128 / 2 };

static const double Z99 = 2.576;
/* BIC differences above 6 are called strong, above 10 very strong (Kass, Raftery 1995). */
static const double MARGIN_MIN = 3;
/* Beside a line: a rise that takes longer than this share of the run cannot be told from it. */
static const double TAU_BESIDE_LINE = 0.3;
/*
 * Shares of the run. An approach that takes longer than EXP_TAU_MAX, or a logarithm that begins
 * later than LOG_TAU_MAX, is a line for all that the run can tell.
 */
static const double EXP_TAU_MIN = 0.01, EXP_TAU_MAX = 0.5;
static const double LOG_TAU_MIN = 0.001, LOG_TAU_MAX = 0.1;

/** A column of the model over the points, scaled times. */
typedef enum column_kind {
    COLUMN_NONE,
    COLUMN_LINE,
    COLUMN_SQUARE,
    COLUMN_STEP,
    COLUMN_EXP,
    COLUMN_LOG
} column_kind;

typedef struct model {
    column_kind kinds[COLUMNS_MAX - 1]; /* Beside the constant. */
    int parameters;                     /* Coefficients and times. */
    bool lasting;                       /* Has a line or parabola. */
    snug_trend_shape shape;
} model;

static const model models[] = {
    {{COLUMN_NONE}, 1, false, SNUG_TREND_FLAT},
    {{COLUMN_STEP}, 3, false, SNUG_TREND_STEP},
    {{COLUMN_EXP}, 3, false, SNUG_TREND_SETTLING},
    {{COLUMN_LOG}, 3, false, SNUG_TREND_SLOWING},
    {{COLUMN_STEP, COLUMN_STEP}, 5, false, SNUG_TREND_STEP},
    {{COLUMN_EXP, COLUMN_STEP}, 5, false, SNUG_TREND_SETTLING},
    {{COLUMN_LOG, COLUMN_STEP}, 5, false, SNUG_TREND_SLOWING},
    {{COLUMN_LINE}, 2, true, SNUG_TREND_LINE},
    {{COLUMN_LINE, COLUMN_STEP}, 4, true, SNUG_TREND_LINE},
    {{COLUMN_LINE, COLUMN_EXP}, 4, true, SNUG_TREND_LINE},
    {{COLUMN_LINE, COLUMN_LOG}, 4, true, SNUG_TREND_LINE},
    {{COLUMN_LINE, COLUMN_SQUARE}, 3, true, SNUG_TREND_FASTER},
};

enum { MODELS = SNUG_COUNT(models) };

/** One fit: coefficients of the constant and the columns, and the times of the columns. */
typedef struct fit {
    double squares; /* Sum of squared residuals; INFINITY: no fit. */
    double coefficients[COLUMNS_MAX];
    double times[COLUMNS_MAX - 1]; /* tau, or the index of a step's first point. */
} fit;

/** The points in scaled time, and what every fit shares. */
typedef struct problem {
    const double *y;
    double x[SNUG_TREND_POINTS_MAX]; /* 0 to 1. */
    int64_t count;
    double before; /* From the start of the run to the first point, as scaled. */
} problem;

double snug_quantile(const double *sorted, int64_t count, double share)
{
    SNUG_ASSERT(count >= 1);
    const double at = fmin(fmax(share, 0), 1) * (double)(count - 1);
    const int64_t below = (int64_t)at;
    const int64_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

void snug_theil_sen(const double *t, const double *y, int64_t count, double independent, double z,
                    double *out_slope, double *out_low, double *out_high)
{
    double slopes[PAIRS_MAX];
    int64_t pairs = 0;
    SNUG_ASSERT(count <= SNUG_TREND_POINTS_MAX);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = i + 1; k < count; k++) {
            if (t[k] > t[i]) {
                slopes[pairs++] = (y[k] - y[i]) / (t[k] - t[i]);
            }
        }
    }
    if (pairs == 0) {
        *out_slope = 0;
        *out_low = -INFINITY;
        *out_high = INFINITY;
        return;
    }
    snug_sort_f64(slopes, pairs);
    /* Variance of Kendall's S, inflated because neighbours repeat each other. */
    const double n = (double)count;
    const double variance = n * (n - 1) * (2 * n + 5) / 18 * (n / fmax(independent, 1));
    const double half = z * sqrt(variance) / (double)pairs / 2;
    *out_slope = snug_quantile(slopes, pairs, 0.5);
    *out_low = snug_quantile(slopes, pairs, 0.5 - half);
    *out_high = snug_quantile(slopes, pairs, 0.5 + half);
}

static void fill_column(const problem *on, column_kind kind, double time, double *out)
{
    for (int64_t i = 0; i < on->count; i++) {
        const double x = on->x[i];
        switch (kind) {
        case COLUMN_LINE:
            out[i] = x;
            break;
        case COLUMN_SQUARE:
            out[i] = x * x;
            break;
        case COLUMN_STEP:
            out[i] = (double)i >= time ? 1 : 0;
            break;
        case COLUMN_EXP:
            out[i] = 1 - exp(-x / time);
            break;
        case COLUMN_LOG:
            out[i] = log1p((x + on->before) / time);
            break;
        default:
            out[i] = 0;
            break;
        }
    }
}

/** An orthogonal basis that grows column by column: fits share what they have in common. */
typedef struct basis {
    double q[COLUMNS_MAX][SNUG_TREND_POINTS_MAX];
    double r[COLUMNS_MAX][COLUMNS_MAX];
    double projection[COLUMNS_MAX]; /* Of y. */
    int columns;
} basis;

/* Adds a column; false when it says nothing new. */
static bool basis_add(basis *on, const problem *from, const double *column)
{
    double *q = on->q[on->columns];
    double before = 0;
    double after = 0;
    double projection = 0;
    memcpy(q, column, (size_t)from->count * sizeof *q);
    for (int64_t i = 0; i < from->count; i++) {
        before += q[i] * q[i];
    }
    for (int k = 0; k < on->columns; k++) {
        double dot = 0;
        for (int64_t i = 0; i < from->count; i++) {
            dot += on->q[k][i] * q[i];
        }
        for (int64_t i = 0; i < from->count; i++) {
            q[i] -= dot * on->q[k][i];
        }
        on->r[k][on->columns] = dot;
    }
    for (int64_t i = 0; i < from->count; i++) {
        after += q[i] * q[i];
    }
    if (after <= 1e-9 * before) {
        return false;
    }
    const double length = sqrt(after);
    for (int64_t i = 0; i < from->count; i++) {
        q[i] /= length;
        projection += q[i] * from->y[i];
    }
    on->r[on->columns][on->columns] = length;
    on->projection[on->columns++] = projection;
    return true;
}

static double squares_left(const basis *on, const problem *from)
{
    double sum = 0;
    for (int64_t i = 0; i < from->count; i++) {
        double left = from->y[i];
        for (int k = 0; k < on->columns; k++) {
            left -= on->projection[k] * on->q[k][i];
        }
        sum += left * left;
    }
    return sum;
}

static void solve(const basis *on, double out[COLUMNS_MAX])
{
    for (int k = on->columns - 1; k >= 0; k--) {
        double value = on->projection[k];
        for (int j = k + 1; j < on->columns; j++) {
            value -= on->r[k][j] * out[j];
        }
        out[k] = value / on->r[k][k];
    }
}

/* How many times a column is tried at, and the i-th of them. */
static int64_t time_count(const problem *on, column_kind kind)
{
    return kind == COLUMN_STEP                        ? on->count - 3
           : kind == COLUMN_EXP || kind == COLUMN_LOG ? TAUS
                                                      : 1;
}

static double time_at(column_kind kind, int64_t index)
{
    const double share = (double)index / (TAUS - 1);
    if (kind == COLUMN_STEP) {
        return (double)(index + 2);
    }
    return kind == COLUMN_EXP ? EXP_TAU_MIN * pow(EXP_TAU_MAX / EXP_TAU_MIN, share)
                              : LOG_TAU_MIN * pow(LOG_TAU_MAX / LOG_TAU_MIN, share);
}

/* The bounds of a column's time, and how far apart neighbours on the grid are. */
static double time_low(column_kind kind)
{
    return kind == COLUMN_EXP ? EXP_TAU_MIN : LOG_TAU_MIN;
}

static double time_high(column_kind kind)
{
    return kind == COLUMN_EXP ? EXP_TAU_MAX : LOG_TAU_MAX;
}

/* What a shape may not be: growth that is only the other half of a fall is no growth. */
static bool allowed(const model *kind, const fit *found)
{
    if (!kind->lasting) {
        return true;
    }
    const double line = found->coefficients[1];
    const double beside = found->coefficients[2];
    switch (kind->kinds[1]) {
    case COLUMN_STEP:
        return line > 0 && beside > -0.25 * line;
    case COLUMN_SQUARE:
        return line >= 0 && beside > 0;
    case COLUMN_EXP:
    case COLUMN_LOG:
        return line > 0 && found->times[1] <= TAU_BESIDE_LINE;
    default:
        return line > 0;
    }
}

static void try_fit(const problem *from, const model *kind, const basis *on,
                    const double times[COLUMNS_MAX - 1], fit *best)
{
    fit found = {.squares = squares_left(on, from)};
    if (found.squares >= best->squares) {
        return;
    }
    solve(on, found.coefficients);
    memcpy(found.times, times, sizeof found.times);
    if (allowed(kind, &found)) {
        *best = found;
    }
}

/* One fit with these times. */
static void try_times(const problem *from, const model *kind, const double times[COLUMNS_MAX - 1],
                      fit *best)
{
    basis on = {0};
    double column[SNUG_TREND_POINTS_MAX];
    for (int64_t i = 0; i < from->count; i++) {
        column[i] = 1;
    }
    (void)basis_add(&on, from, column);
    for (int c = 0; c < COLUMNS_MAX - 1 && kind->kinds[c] != COLUMN_NONE; c++) {
        fill_column(from, kind->kinds[c], times[c], column);
        if (!basis_add(&on, from, column)) {
            return;
        }
    }
    try_fit(from, kind, &on, times, best);
}

/* Between the places of the grid: a tau that is off by a little looks like a slope. */
static void refine(const problem *from, const model *kind, fit *best)
{
    for (int c = 0; c < COLUMNS_MAX - 1; c++) {
        if (kind->kinds[c] != COLUMN_EXP && kind->kinds[c] != COLUMN_LOG) {
            continue;
        }
        double step = pow(time_high(kind->kinds[c]) / time_low(kind->kinds[c]), 0.5 / (TAUS - 1));
        for (int round = 0; round < REFINEMENTS && !isinf(best->squares); round++) {
            for (int side = 0; side < 2; side++) {
                double times[COLUMNS_MAX - 1];
                memcpy(times, best->times, sizeof times);
                times[c] = side == 0 ? times[c] / step : times[c] * step;
                if (times[c] >= time_low(kind->kinds[c]) && times[c] <= time_high(kind->kinds[c])) {
                    try_times(from, kind, times, best);
                }
            }
            step = sqrt(step);
        }
    }
}

/* The best times of a model's columns, all tried. */
static void search(const problem *from, const model *kind, fit *best)
{
    basis grown = {0};
    double column[SNUG_TREND_POINTS_MAX];
    double times[COLUMNS_MAX - 1] = {0};
    *best = (fit){.squares = INFINITY};
    for (int64_t i = 0; i < from->count; i++) {
        column[i] = 1;
    }
    (void)basis_add(&grown, from, column);
    if (kind->kinds[0] == COLUMN_NONE) {
        try_fit(from, kind, &grown, times, best);
        return;
    }
    for (int64_t i = 0; i < time_count(from, kind->kinds[0]); i++) {
        grown.columns = 1;
        times[0] = time_at(kind->kinds[0], i);
        fill_column(from, kind->kinds[0], times[0], column);
        if (!basis_add(&grown, from, column)) {
            continue;
        }
        if (kind->kinds[1] == COLUMN_NONE) {
            try_fit(from, kind, &grown, times, best);
            continue;
        }
        const int64_t first =
            kind->kinds[0] == COLUMN_STEP && kind->kinds[1] == COLUMN_STEP ? i + 2 : 0;
        for (int64_t k = first; k < time_count(from, kind->kinds[1]); k++) {
            grown.columns = 2;
            times[1] = time_at(kind->kinds[1], k);
            fill_column(from, kind->kinds[1], times[1], column);
            if (basis_add(&grown, from, column)) {
                try_fit(from, kind, &grown, times, best);
            }
        }
    }
    refine(from, kind, best);
}

static void residuals_of(const problem *from, const model *kind, const fit *found, bool line_stays,
                         double *out)
{
    double column[SNUG_TREND_POINTS_MAX];
    for (int64_t i = 0; i < from->count; i++) {
        out[i] = from->y[i] - found->coefficients[0];
    }
    for (int c = 0; c < COLUMNS_MAX - 1 && kind->kinds[c] != COLUMN_NONE; c++) {
        if (line_stays && (kind->kinds[c] == COLUMN_LINE || kind->kinds[c] == COLUMN_SQUARE)) {
            continue;
        }
        fill_column(from, kind->kinds[c], found->times[c], column);
        for (int64_t i = 0; i < from->count; i++) {
            out[i] -= found->coefficients[c + 1] * column[i];
        }
    }
}

/* How many independent points the residuals are worth. */
static double independent_points(const problem *from, const model *kind, const fit *found)
{
    double left[SNUG_TREND_POINTS_MAX];
    double products = 0;
    double squares = 0;
    const double n = (double)from->count;
    residuals_of(from, kind, found, false, left);
    for (int64_t i = 0; i < from->count; i++) {
        squares += left[i] * left[i];
        products += i > 0 ? left[i] * left[i - 1] : 0;
    }
    double rho = squares > 0 ? products / squares : 0;
    /* Fitting takes correlation away: about (1 + 3 rho) / n for the first parameter (Kendall). */
    rho += (1 + 3 * fmax(rho, 0)) * 0.5 * (1 + kind->parameters) / n;
    rho = fmin(fmax(rho, 0), 0.95);
    return fmax(n * (1 - rho) / (1 + rho), 3);
}

static double bic(const problem *from, const fit *found, int parameters, double independent,
                  double resolution)
{
    const double n = (double)from->count;
    const double variance = found->squares / n + resolution * resolution;
    return isinf(found->squares) ? INFINITY : independent * log(variance) + parameters * log(n);
}

static double value_at(const problem *from, const model *kind, const fit *found, int64_t index)
{
    double left[SNUG_TREND_POINTS_MAX];
    residuals_of(from, kind, found, false, left);
    return from->y[index] - left[index];
}

/* Slope and interval of what is left beside steps and warm-up; the wider of two estimates. */
static void measure_rate(const problem *from, const double *t, const model *kind, const fit *found,
                         double resolution, snug_trend *out)
{
    double rest[SNUG_TREND_POINTS_MAX];
    double left[SNUG_TREND_POINTS_MAX];
    basis on = {0};
    double column[SNUG_TREND_POINTS_MAX] = {0};
    const double span = t[from->count - 1] - t[0];
    residuals_of(from, kind, found, kind->lasting, rest);
    snug_theil_sen(t, rest, from->count, out->independent, Z99, &out->rate, &out->rate_low,
                   &out->rate_high);
    if (!kind->lasting) {
        return;
    }
    /* Least squares knows what the other columns leave open; the line is put last to see it. */
    for (int64_t i = 0; i < from->count; i++) {
        column[i] = 1;
    }
    (void)basis_add(&on, from, column);
    if (kind->kinds[1] != COLUMN_NONE && kind->kinds[1] != COLUMN_SQUARE) {
        fill_column(from, kind->kinds[1], found->times[1], column);
        (void)basis_add(&on, from, column);
    }
    fill_column(from, COLUMN_LINE, 0, column);
    if (!basis_add(&on, from, column)) {
        return;
    }
    residuals_of(from, kind, found, false, left);
    double squares = 0;
    for (int64_t i = 0; i < from->count; i++) {
        squares += left[i] * left[i];
    }
    const double n = (double)from->count;
    const double freedom = fmax(n - kind->parameters, 1);
    const double deviation = sqrt(squares / freedom + resolution * resolution);
    const double error = deviation / on.r[on.columns - 1][on.columns - 1] *
                         sqrt(n / fmax(out->independent - kind->parameters, 1)) / span;
    out->rate_low = fmin(out->rate_low, out->rate - Z99 * error);
    out->rate_high = fmax(out->rate_high, out->rate + Z99 * error);
}

static void describe(const problem *from, const double *t, const model *kind, const fit *found,
                     snug_trend *out)
{
    const int64_t last = from->count - 1;
    const double span = t[last] - t[0];
    out->level_first = value_at(from, kind, found, 0);
    out->level_last = value_at(from, kind, found, last);
    out->late_growth = out->level_last - value_at(from, kind, found, last / 2);
    out->noise = sqrt(found->squares / (double)from->count);
    for (int c = 0; c < COLUMNS_MAX - 1 && kind->kinds[c] != COLUMN_NONE; c++) {
        const double height = found->coefficients[c + 1];
        if (kind->kinds[c] == COLUMN_STEP && fabs(height) > fabs(out->step_height)) {
            out->step_at = t[(int64_t)found->times[c]];
            out->step_height = height;
        } else if (kind->kinds[c] == COLUMN_EXP && !kind->lasting) {
            out->settle_s = found->times[c] * span;
            out->plateau = out->level_last + height * exp(-1 / found->times[c]);
        }
    }
}

void snug_trend_find(const double *t, const double *y, int64_t count,
                     const snug_trend_options *options, snug_trend *out)
{
    problem from = {.y = y, .count = count};
    fit fits[MODELS];
    const double margin_min = options->margin_min > 0 ? options->margin_min : MARGIN_MIN;
    int64_t best = 0;
    int64_t best_bounded = 0;
    int64_t best_lasting = -1;
    double costs[MODELS];
    SNUG_ASSERT(count <= SNUG_TREND_POINTS_MAX);
    SNUG_ASSERT(options->resolution > 0);
    *out = (snug_trend){.points = count, .step_at = NAN, .plateau = NAN, .settle_s = NAN};
    if (count < SNUG_TREND_POINTS_MIN || !(t[count - 1] > t[0])) {
        return;
    }
    from.before = fmax(t[0] - options->origin, 0) / (t[count - 1] - t[0]);
    for (int64_t i = 0; i < count; i++) {
        from.x[i] = (t[i] - t[0]) / (t[count - 1] - t[0]);
    }
    for (int64_t m = 0; m < MODELS; m++) {
        search(&from, &models[m], &fits[m]);
        costs[m] = bic(&from, &fits[m], models[m].parameters, (double)count, options->resolution);
        best = costs[m] < costs[best] ? m : best;
    }
    out->independent = independent_points(&from, &models[best], &fits[best]);
    for (int64_t m = 0; m < MODELS; m++) {
        costs[m] =
            bic(&from, &fits[m], models[m].parameters, out->independent, options->resolution);
        if (!models[m].lasting && costs[m] < costs[best_bounded]) {
            best_bounded = m;
        } else if (models[m].lasting && !isinf(costs[m]) &&
                   (best_lasting < 0 || costs[m] < costs[best_lasting])) {
            best_lasting = m;
        }
    }
    out->margin = best_lasting < 0 ? -INFINITY : costs[best_bounded] - costs[best_lasting];
    bool lasting = false;
    if (out->margin > 0) {
        measure_rate(&from, t, &models[best_lasting], &fits[best_lasting], options->resolution,
                     out);
        const double growth = out->rate * (t[count - 1] - t[0]);
        const bool sure = out->margin >= margin_min && out->rate_low > 0;
        lasting = sure && growth >= options->growth_min;
        out->undecided = !lasting && growth >= options->growth_seen;
    }
    const int64_t chosen = lasting ? best_lasting : best_bounded;
    if (!lasting && !out->undecided) {
        measure_rate(&from, t, &models[0], &fits[0], options->resolution, out);
    }
    describe(&from, t, &models[chosen], &fits[chosen], out);
    out->shape = models[chosen].shape;
}
