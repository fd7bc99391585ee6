/* From the trends of all quantities to one verdict: the rules of doc/analyze.md, in their order. */
#include "monitor/verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/sort.h"
#include "base/text.h"
#include "base/translate.h"

static const double MIB = 1048576.0;
/*
 * Growth below this share of the level is nobody's worry. In less than half an hour a start of ten
 * minutes looks like a line: short runs must show more, by the square of what they lack.
 */
static const double GROWTH_SHARE = 0.02, GROWTH_SHARE_MAX = 0.5;
static const double FULL_SECONDS = 1800;
static const double STEP_SHARE = 0.05;
/* A quantity stands still beside another that moves when it moves less than this share of it. */
static const double STILL_SHARE = 0.3;
static const double SECONDS_MIN = 15;

const char *snug_verdict_name(snug_verdict_kind kind)
{
    static const char *const names[] = {
        "not enough data", "stable",       "warming up",   "step", "leak",
        "fragmentation",   "cache growth", "copy on write"};
    _Static_assert(SNUG_COUNT(names) == SNUG_VERDICT_COUNT, "a name for each");
    SNUG_ASSERT(kind >= 0 && kind < SNUG_VERDICT_COUNT);
    return names[kind];
}

const char *snug_quantity_words(snug_quantity quantity)
{
    static const char *const words[] = {"resident memory",
                                        "proportional share",
                                        "unshared memory",
                                        "private memory",
                                        "mapped file memory",
                                        "shared memory",
                                        "swap",
                                        "live memory",
                                        "control group",
                                        "page cache",
                                        "memory of the machine",
                                        "GPU memory"};
    _Static_assert(SNUG_COUNT(words) == SNUG_QUANTITY_COUNT, "words for each");
    return snug_translated(words[quantity]);
}

const char *snug_trend_words(const snug_trend *trend)
{
    static const char *const words[] = {"too short",   "flat",  "settling",         "step",
                                        "ever slower", "grows", "grows ever faster"};
    return trend->undecided ? "unsure" : words[trend->shape];
}

const char *snug_time_text(double seconds, char out[SNUG_TIME_TEXT_BYTES])
{
    const double s = fmax(seconds, 0);
    if (!isfinite(seconds)) {
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "%s", snug_translated("never"));
    } else if (s < 99.5) {
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, s < 9.95 ? "%.1f s" : "%.0f s", s);
    } else if (s < 599.5) {
        const double whole = floor(s + 0.5);
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "%.0f min %.0f s", floor(whole / 60),
                       fmod(whole, 60));
    } else if (s < 99.5 * 60) {
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "%.0f min", s / 60);
    } else if (s < 48 * 3600) {
        const double minutes = floor(s / 60 + 0.5);
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "%.0f h %.0f min", floor(minutes / 60),
                       fmod(minutes, 60));
    } else if (s < 1000 * 86400.0) {
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, snug_translated_format("%.1f days"), s / 86400);
    } else {
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "%s", snug_translated("more than 1000 days"));
    }
    return out;
}

const char *snug_rate_text(double bytes_per_second, char out[SNUG_TIME_TEXT_BYTES])
{
    char size[SNUG_SIZE_TEXT_BYTES];
    if (!isfinite(bytes_per_second)) {
        (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "-");
        return out;
    }
    const double hour = fmin(fmax(bytes_per_second * 3600, -9e18), 9e18);
    (void)snprintf(out, SNUG_TIME_TEXT_BYTES, "%s%s/h", hour > 0 ? "+" : "",
                   snug_size_text((int64_t)hour, size));
    return out;
}

/* Bytes as text, from a double that may be anything. */
static const char *bytes_text(double bytes, char out[SNUG_SIZE_TEXT_BYTES])
{
    return isfinite(bytes) ? snug_size_text((int64_t)fmin(fmax(bytes, -9e18), 9e18), out) : "-";
}

SNUG_PRINTF(2, 3) static void add_reason(snug_verdict *out, const char *format, ...)
{
    va_list arguments;
    if (out->reason_count == SNUG_VERDICT_REASONS_MAX) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(out->reasons[out->reason_count++], SNUG_VERDICT_REASON_BYTES,
                    snug_translated_format(format), arguments);
    va_end(arguments);
}

static void find_evidence(const snug_series *series, snug_quantity quantity, snug_evidence *out)
{
    /* A quantity that is read now and then only cannot show a trend. */
    *out = (snug_evidence){.known = series->known[quantity] >= 4};
    if (!out->known) {
        return;
    }
    const double seconds = snug_series_seconds(series);
    snug_series_floors(series, quantity, &out->floors);
    out->peak = series->peaks[quantity];
    if (out->floors.count == 0) {
        out->known = false;
        return;
    }
    double sorted[SNUG_TREND_POINTS_MAX];
    memcpy(sorted, out->floors.y, (size_t)out->floors.count * sizeof *sorted);
    snug_sort_f64(sorted, out->floors.count);
    const double level = fmax(snug_quantile(sorted, out->floors.count, 0.5), 16 * MIB);
    const double lack = fmax(1, FULL_SECONDS / fmax(seconds, 1));
    out->growth_min = level * fmin(GROWTH_SHARE * lack * lack, GROWTH_SHARE_MAX);
    const snug_trend_options options = {.origin = series->bins[0].t_first,
                                        .resolution = fmax(MIB / 4, 2e-4 * level),
                                        .growth_min = out->growth_min,
                                        .growth_seen = level * GROWTH_SHARE};
    snug_trend_find(out->floors.t, out->floors.y, out->floors.count, &options, &out->trend);
    out->first = out->floors.y[0];
    out->last = out->floors.y[out->floors.count - 1];
    if (out->trend.shape != SNUG_TREND_SHORT) {
        out->first = out->trend.level_first;
        /* What was fitted may stand a little above what was seen. */
        out->last = fmin(out->trend.level_last, out->peak);
    }
}

static bool grows(const snug_evidence *evidence)
{
    return evidence->known && evidence->trend.shape >= SNUG_TREND_LINE;
}

static double growth_of(const snug_evidence *evidence)
{
    return evidence->known ? evidence->last - evidence->first : 0;
}

/* Still rising in the second half by what matters, without a line. */
static bool rises_late(const snug_evidence *evidence, snug_trend_shape shape)
{
    const double enough = GROWTH_SHARE * fmax(fabs(evidence->last), 16 * MIB);
    return evidence->known && !evidence->trend.undecided && evidence->trend.shape == shape &&
           evidence->trend.late_growth >= enough;
}

/* `still` is known and does not take part in what `moving` does. */
static bool stands_beside(const snug_evidence *still, const snug_evidence *moving)
{
    return still->known && fabs(growth_of(still)) < STILL_SHARE * fabs(growth_of(moving));
}

static void settle_on(snug_verdict *out, snug_verdict_kind kind, snug_quantity source)
{
    const snug_trend *trend = &out->evidence[source].trend;
    out->kind = kind;
    out->source = source;
    out->faster = trend->shape == SNUG_TREND_FASTER;
    out->rate = trend->rate;
    out->rate_low = trend->rate_low;
    out->rate_high = trend->rate_high;
}

/* Of a moment no rate is told: the noise of two seconds is hundreds of GiB an hour. */
static void settle_on_too_short(snug_verdict *out)
{
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        snug_trend *trend = &out->evidence[q].trend;
        trend->shape = SNUG_TREND_SHORT;
        trend->undecided = false;
        trend->rate = trend->rate_low = trend->rate_high = NAN;
    }
    settle_on(out, SNUG_VERDICT_UNSURE, out->total);
}

/* Growth without an end, by what it is made of. */
static bool judge_growth(snug_verdict *out)
{
    const snug_evidence *e = out->evidence;
    /* What belongs to the processes themselves, the best known first. */
    static const snug_quantity owned[] = {SNUG_QUANTITY_ANON, SNUG_QUANTITY_USS};
    for (int64_t i = 0; i < SNUG_COUNT(owned); i++) {
        if (!grows(&e[owned[i]])) {
            continue;
        }
        const bool packed = stands_beside(&e[SNUG_QUANTITY_LIVE], &e[owned[i]]);
        settle_on(out, packed ? SNUG_VERDICT_FRAGMENTATION : SNUG_VERDICT_LEAK, owned[i]);
        return true;
    }
    if (grows(&e[SNUG_QUANTITY_LIVE]) || grows(&e[SNUG_QUANTITY_SHMEM])) {
        settle_on(out, SNUG_VERDICT_LEAK,
                  grows(&e[SNUG_QUANTITY_LIVE]) ? SNUG_QUANTITY_LIVE : SNUG_QUANTITY_SHMEM);
        return true;
    }
    if (grows(&e[SNUG_QUANTITY_FILE]) || grows(&e[SNUG_QUANTITY_CGROUP_CACHE])) {
        const bool cache = grows(&e[SNUG_QUANTITY_CGROUP_CACHE]);
        settle_on(out, SNUG_VERDICT_CACHE_GROWTH,
                  cache ? SNUG_QUANTITY_CGROUP_CACHE : SNUG_QUANTITY_FILE);
        return true;
    }
    if (grows(&e[SNUG_QUANTITY_CGROUP]) &&
        stands_beside(&e[SNUG_QUANTITY_RSS], &e[SNUG_QUANTITY_CGROUP])) {
        settle_on(out, SNUG_VERDICT_CACHE_GROWTH, SNUG_QUANTITY_CGROUP);
        return true;
    }
    if (grows(&e[out->total])) {
        settle_on(out, SNUG_VERDICT_LEAK, out->total);
        return true;
    }
    if (grows(&e[SNUG_QUANTITY_GPU_USED])) {
        settle_on(out, SNUG_VERDICT_LEAK, SNUG_QUANTITY_GPU_USED);
        return true;
    }
    return false;
}

/* Shares of forked workers turn into copies: the share grows, the sum of resident pages does not.
 */
static bool judge_copies(snug_verdict *out)
{
    static const snug_quantity shares[] = {SNUG_QUANTITY_USS, SNUG_QUANTITY_PSS};
    const snug_evidence *e = out->evidence;
    for (int64_t i = 0; i < SNUG_COUNT(shares); i++) {
        const snug_evidence *share = &e[shares[i]];
        const double enough = STEP_SHARE * fmax(share->last, 16 * MIB);
        const bool moves = share->known && (grows(share) || growth_of(share) >= enough);
        if (moves && stands_beside(&e[SNUG_QUANTITY_RSS], share)) {
            settle_on(out, SNUG_VERDICT_COPIES, shares[i]);
            return true;
        }
    }
    return false;
}

/* Growth that slows down, a jump, a start: what is no line. */
static void judge_rest(snug_verdict *out)
{
    const snug_evidence *e = out->evidence;
    const snug_quantity own = e[SNUG_QUANTITY_ANON].known ? SNUG_QUANTITY_ANON : out->total;
    static const snug_quantity caches[] = {SNUG_QUANTITY_CGROUP_CACHE, SNUG_QUANTITY_FILE};
    if (rises_late(&e[own], SNUG_TREND_SLOWING)) {
        settle_on(out, SNUG_VERDICT_FRAGMENTATION, own);
        return;
    }
    for (int64_t i = 0; i < SNUG_COUNT(caches); i++) {
        if (rises_late(&e[caches[i]], SNUG_TREND_SLOWING) ||
            rises_late(&e[caches[i]], SNUG_TREND_SETTLING)) {
            settle_on(out, SNUG_VERDICT_CACHE_GROWTH, caches[i]);
            return;
        }
    }
    const snug_evidence *total = &e[out->total];
    const bool own_unsure = e[own].trend.undecided || e[own].trend.shape == SNUG_TREND_SHORT;
    if (own_unsure || total->trend.undecided || total->trend.shape == SNUG_TREND_SHORT) {
        settle_on(out, SNUG_VERDICT_UNSURE, own_unsure ? own : out->total);
        return;
    }
    if (rises_late(total, SNUG_TREND_SETTLING) ||
        (total->trend.shape == SNUG_TREND_SETTLING &&
         total->trend.plateau - total->last >= GROWTH_SHARE * total->last)) {
        settle_on(out, SNUG_VERDICT_WARMING_UP, out->total);
        return;
    }
    if (total->trend.shape == SNUG_TREND_STEP &&
        fabs(total->trend.step_height) >= STEP_SHARE * fmax(total->last, 16 * MIB)) {
        settle_on(out, SNUG_VERDICT_STEP, out->total);
        return;
    }
    settle_on(out, SNUG_VERDICT_STABLE, out->total);
}

/* What stands for all memory of the program. */
static snug_quantity choose_total(const snug_log *log)
{
    static const snug_quantity order[] = {SNUG_QUANTITY_PSS, SNUG_QUANTITY_RSS,
                                          SNUG_QUANTITY_CGROUP, SNUG_QUANTITY_GPU_USED,
                                          SNUG_QUANTITY_USED};
    for (int64_t i = 0; i < SNUG_COUNT(order); i++) {
        /* The share is dear to measure: it counts when it was measured often enough. */
        const int64_t wanted = order[i] == SNUG_QUANTITY_PSS ? log->series.sample_count / 2 : 1;
        if (log->series.known[order[i]] >= wanted && log->series.known[order[i]] > 0) {
            return order[i];
        }
    }
    return SNUG_QUANTITY_RSS;
}

/* How far peaks stand above the floor, lately: what a growing floor carries with it. */
static double spike_above(const snug_series *series, snug_quantity quantity, double level)
{
    double high = level;
    for (int64_t i = series->bin_count / 2; i < series->bin_count; i++) {
        if (series->bins[i].cells[quantity].count > 0) {
            high = fmax(high, series->bins[i].cells[quantity].high);
        }
    }
    return high - level;
}

static void project(const snug_log *log, int64_t limit_bytes, snug_verdict *out)
{
    const snug_evidence *total = &out->evidence[out->total];
    out->limit_of_group = limit_bytes == 0 && log->limit > 0;
    out->limit = limit_bytes > 0 ? (double)limit_bytes : log->limit;
    out->reach_s = out->reach_s_early = out->reach_s_late = NAN;
    if (!(out->limit > 0)) {
        return;
    }
    const double group_peak =
        out->limit_of_group ? fmax(log->cgroup_peak, log->series.peaks[SNUG_QUANTITY_CGROUP]) : 0;
    out->exceeded = fmax(out->peak, group_peak) >= out->limit;
    const bool growing = out->kind == SNUG_VERDICT_LEAK || out->kind == SNUG_VERDICT_CACHE_GROWTH ||
                         out->kind == SNUG_VERDICT_FRAGMENTATION;
    const bool lasting = out->evidence[out->source].trend.shape >= SNUG_TREND_LINE;
    if (out->exceeded || !growing || !lasting) {
        return;
    }
    const double used = out->limit_of_group && out->evidence[SNUG_QUANTITY_CGROUP].known
                            ? out->evidence[SNUG_QUANTITY_CGROUP].last
                            : total->last + spike_above(&log->series, out->total, total->last);
    const double room = fmax(out->limit - used, 0);
    out->reach_s = out->rate > 0 ? room / out->rate : INFINITY;
    out->reach_s_early = out->rate_high > 0 ? room / out->rate_high : INFINITY;
    out->reach_s_late = out->rate_low > 0 ? room / out->rate_low : INFINITY;
}

static void say_projection(snug_verdict *out)
{
    char limit[SNUG_SIZE_TEXT_BYTES];
    char peak[SNUG_SIZE_TEXT_BYTES];
    char times[3][SNUG_TIME_TEXT_BYTES];
    snug_text text;
    snug_text_init(&text, out->projection, sizeof out->projection);
    if (!(out->limit > 0)) {
        return;
    }
    (void)bytes_text(out->limit, limit);
    if (out->exceeded) {
        snug_text_say(&text, "exceeded: the peak of %s is above the limit of %s",
                      bytes_text(out->peak, peak), limit);
    } else if (!isnan(out->reach_s)) {
        snug_text_say(&text, "reaches the limit of %s in %s (between %s and %s) at this rate",
                      limit, snug_time_text(out->reach_s, times[0]),
                      snug_time_text(out->reach_s_early, times[1]),
                      isinf(out->reach_s_late) ? snug_translated("never")
                                               : snug_time_text(out->reach_s_late, times[2]));
    } else {
        snug_text_say(&text, "fits: the peak of %s is %.0f %% of the limit of %s",
                      bytes_text(out->peak, peak), 100 * out->peak / out->limit, limit);
    }
    if (out->limit_of_group) {
        snug_text_say(&text, " (of the control group)");
    }
}

static void say_growth(const snug_verdict *out, snug_text *text)
{
    char rate[SNUG_TIME_TEXT_BYTES];
    char low[SNUG_TIME_TEXT_BYTES];
    char high[SNUG_TIME_TEXT_BYTES];
    snug_text_say(text, "%s grows by %s (99 %% interval %s to %s)%s",
                  snug_quantity_words(out->source), snug_rate_text(out->rate, rate),
                  snug_rate_text(out->rate_low, low), snug_rate_text(out->rate_high, high),
                  out->faster ? snug_translated(", faster and faster") : "");
}

static void say_fragmentation(const snug_verdict *out, snug_text *text)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    const snug_evidence *e = &out->evidence[out->source];
    if (grows(e)) {
        say_growth(out, text);
        snug_text_say(text, ", while what the program holds itself stands still");
        return;
    }
    snug_text_say(text,
                  "%s grows ever slower and is not given back: +%s in the second half of the run",
                  snug_quantity_words(out->source), bytes_text(e->trend.late_growth, size));
}

static void say_copies(const snug_verdict *out, snug_text *text)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_text_say(text,
                  "%s rises by %s while resident memory stands still: pages shared after a fork "
                  "become copies",
                  snug_quantity_words(out->source),
                  bytes_text(growth_of(&out->evidence[out->source]), size));
}

static void say_unsure(const snug_log *log, const snug_verdict *out, snug_text *text)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char time[SNUG_TIME_TEXT_BYTES];
    const snug_evidence *e = &out->evidence[out->source];
    if (e->trend.undecided && growth_of(e) > 0) {
        snug_text_say(text, "%s grew by %s in %s, which may be a start or a leak: watch longer",
                      snug_quantity_words(out->source), bytes_text(growth_of(e), size),
                      snug_time_text(out->seconds, time));
    } else if (e->trend.undecided) {
        /* Up and down by more than any shape explains. */
        snug_text_say(text,
                      "%s went up and down by %s in %s, too much to tell growth from: watch "
                      "longer",
                      snug_quantity_words(out->source), bytes_text(e->trend.noise, size),
                      snug_time_text(out->seconds, time));
    } else if (log->series.sample_count >= SNUG_VERDICT_SAMPLES_MIN && out->seconds < SECONDS_MIN) {
        snug_text_say(text, "%s are too short a time to say anything: it takes %.0f s",
                      snug_time_text(out->seconds, time), SECONDS_MIN);
    } else {
        snug_text_say(text,
                      "%lld samples over %s are too few to say anything: it takes %lld over "
                      "%.0f s",
                      (long long)log->series.sample_count, snug_time_text(out->seconds, time),
                      (long long)SNUG_VERDICT_SAMPLES_MIN, SECONDS_MIN);
    }
}

static void say_sentence(const snug_log *log, snug_verdict *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char time[SNUG_TIME_TEXT_BYTES];
    const snug_evidence *e = &out->evidence[out->source];
    snug_text text;
    snug_text_init(&text, out->sentence, sizeof out->sentence);
    if (out->exact) {
        snug_text_say(&text,
                      "%s grew by %s over %lld rounds at the same place (%s), by the program's "
                      "own count",
                      snug_translated(snug_category_name(out->category)),
                      snug_size_text(log->ledger.leak.bytes, size),
                      (long long)log->ledger.leak.repeats, log->ledger.leak.place);
        return;
    }
    switch (out->kind) {
    case SNUG_VERDICT_LEAK:
        say_growth(out, &text);
        break;
    case SNUG_VERDICT_CACHE_GROWTH:
        if (grows(e)) {
            say_growth(out, &text);
        } else {
            snug_text_say(&text, "%s rises by %s", snug_quantity_words(out->source),
                          bytes_text(growth_of(e), size));
        }
        snug_text_say(&text, "; the kernel gives it up under pressure");
        break;
    case SNUG_VERDICT_FRAGMENTATION:
        say_fragmentation(out, &text);
        break;
    case SNUG_VERDICT_COPIES:
        say_copies(out, &text);
        break;
    case SNUG_VERDICT_STEP:
        snug_text_say(&text, "%s %s by %s", snug_quantity_words(out->source),
                      snug_translated(e->trend.step_height > 0 ? "rose" : "fell"),
                      bytes_text(fabs(e->trend.step_height), size));
        snug_text_say(&text, " after %s and stayed there",
                      snug_time_text(e->trend.step_at - log->series.bins[0].t_first, time));
        break;
    case SNUG_VERDICT_WARMING_UP:
        snug_text_say(&text, "%s still rises, towards about %s", snug_quantity_words(out->source),
                      bytes_text(e->trend.plateau, size));
        break;
    case SNUG_VERDICT_STABLE:
        snug_text_say(&text, "%s stays at %s", snug_quantity_words(out->source),
                      bytes_text(e->last, size));
        break;
    default:
        say_unsure(log, out, &text);
        break;
    }
}

static void say_advice(snug_verdict *out)
{
    static const char *const advice[] = {
        "watch for longer: 15 minutes, or 30 rounds of what the program repeats",
        "nothing to do",
        "plan with the level it settles at, and watch again for longer",
        "look at what the program began at that moment",
        "look for what is kept in every round: results with their graph (keep loss.item(), not "
        "loss), lists, caches without a bound",
        "the allocator keeps what was freed: fewer sizes, larger blocks kept for reuse, or "
        "MALLOC_ARENA_MAX=2 and malloc_trim",
        "no leak: page cache goes when somebody needs the memory; judge by private memory",
        "share data that no reference count touches: arrays instead of lists of objects, or fewer "
        "workers"};
    _Static_assert(SNUG_COUNT(advice) == SNUG_VERDICT_COUNT, "advice for each");
    snug_text text;
    snug_text_init(&text, out->advice, sizeof out->advice);
    snug_text_add(&text, "%s", snug_translated(advice[out->kind]));
}

static void say_stretches(const snug_evidence *e, snug_verdict *out)
{
    char time[SNUG_TIME_TEXT_BYTES];
    char noise[SNUG_SIZE_TEXT_BYTES];
    (void)bytes_text(e->trend.noise, noise);
    if (e->trend.shape == SNUG_TREND_SHORT) {
        return;
    }
    add_reason(out, "%s: %s over %lld floors of %s%s%s, noise %s", snug_quantity_words(out->source),
               snug_translated(snug_trend_words(&e->trend)), (long long)e->trend.points,
               snug_time_text(e->floors.window_s, time), e->floors.epochs ? " (epochs)" : "",
               e->floors.period_s > 0 ? " (one period of the curve each)" : "", noise);
    if (grows(e)) {
        add_reason(out,
                   "a line explains it better than any level, step or start (BIC margin %.1f, %.0f "
                   "independent points)",
                   e->trend.margin, e->trend.independent);
    }
}

static void say_reasons(const snug_log *log, snug_verdict *out)
{
    char sizes[2][SNUG_SIZE_TEXT_BYTES];
    char rate[SNUG_TIME_TEXT_BYTES];
    say_stretches(&out->evidence[out->source], out);
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        const snug_evidence *e = &out->evidence[q];
        const bool important = q == SNUG_QUANTITY_ANON || q == SNUG_QUANTITY_FILE ||
                               q == SNUG_QUANTITY_SHMEM || q == SNUG_QUANTITY_LIVE ||
                               q == SNUG_QUANTITY_CGROUP_CACHE;
        if (important && e->known && q != (int)out->source && e->last >= 8 * MIB) {
            add_reason(out, "%s beside it: %s, %s (%s)", snug_quantity_words((snug_quantity)q),
                       bytes_text(e->last, sizes[0]), snug_translated(snug_trend_words(&e->trend)),
                       snug_rate_text(e->trend.rate, rate));
        }
    }
    const snug_evidence *own = &out->evidence[SNUG_QUANTITY_ANON];
    const snug_evidence *live = &out->evidence[SNUG_QUANTITY_LIVE];
    if (own->known && live->known && own->last > live->last) {
        add_reason(out, "%s of private memory is not live: fragmentation, libraries and stacks",
                   bytes_text(own->last - live->last, sizes[0]));
    }
    if (out->peak_kernel > 0 && log->series.known[SNUG_QUANTITY_RSS] > 0 &&
        out->peak_kernel > 1.02 * log->series.peaks[SNUG_QUANTITY_RSS]) {
        add_reason(out, "samples missed the peak: the kernel saw %s, the samples %s",
                   bytes_text(out->peak_kernel, sizes[0]),
                   bytes_text(log->series.peaks[SNUG_QUANTITY_RSS], sizes[1]));
    }
    if (log->oom_kills > 0) {
        add_reason(out, "the kernel killed %lld processes of the group for memory",
                   (long long)log->oom_kills);
    }
}

void snug_verdict_find(const snug_log *log, int64_t limit_bytes, snug_verdict *out)
{
    memset(out, 0, sizeof *out);
    out->seconds = snug_series_seconds(&log->series);
    out->total = choose_total(log);
    out->source = out->total;
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        find_evidence(&log->series, (snug_quantity)q, &out->evidence[q]);
    }
    const bool enough =
        log->series.sample_count >= SNUG_VERDICT_SAMPLES_MIN && out->seconds >= SECONDS_MIN;
    if (log->ledger.found) {
        settle_on(out, SNUG_VERDICT_LEAK, out->total);
        out->exact = true;
        out->category = log->ledger.leak.category;
    } else if (!enough) {
        settle_on_too_short(out);
    } else if (!judge_copies(out) && !judge_growth(out)) {
        judge_rest(out);
    }
    const snug_quantity total = out->total;
    out->now = out->evidence[total].last;
    out->peak_kernel = log->peak_kernel;
    out->peak =
        fmax(log->series.peaks[total],
             total == SNUG_QUANTITY_RSS || total == SNUG_QUANTITY_PSS ? log->peak_kernel : 0);
    project(log, limit_bytes, out);
    say_sentence(log, out);
    say_projection(out);
    say_reasons(log, out);
    say_advice(out);
}
