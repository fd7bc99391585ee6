/* The search: chains solved over many budgets, answers built exactly, the fastest that fits taken.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"
#include "plan/build.h"
#include "plan/explain.h"
#include "plan/segments.h"

/*
 * Budgets tried for each micro-batch. They depend on the graph alone, not on the budget asked for:
 * so the plans found are the same for every budget, and more bytes never give a slower plan.
 */
enum { BUDGETS_TRIED = 28, CANDIDATES_MAX = 1024, FRONT_SMALL = 1024, FRONT_LARGE = 40 };

/** A plan worth looking at, without its program. */
typedef struct candidate {
    snug_plan_segment *segments;
    int32_t segment_count;
    int64_t micro_batch;
    uint64_t hash;
    double seconds;
    int64_t bound_bytes;        /* No packing is below it. */
    int64_t arena_bytes;        /* As packed so far. */
    snug_packing_effort effort; /* Spent on arena_bytes so far. */
    int64_t *offsets;           /* [buffer] Of a thorough packing, which is not done twice. */
} candidate;

/* All that was looked at, weighed and ranked: another budget has only to choose. */
typedef struct snug_plan_front {
    candidate *candidates;
    int32_t *order;
    int32_t candidate_count, rank_count;
    int32_t smallest;    /* -1: not looked for so far. */
    uint64_t chain_hash; /* Of what chains of training modes can differ in. */
    int64_t floor_bytes; /* No plan is below it. */
    bool partial;        /* Only for budgets below that: what is between was not searched. */
    bool packed;         /* The curve is complete. */
} snug_plan_front;

typedef struct search {
    const snug_plan_request *request;
    snug_arena *scratch;
    snug_arena *keep; /* Where choices lie: the memo's arena, else scratch. */
    snug_plan_problem problem;
    snug_emitter emitter;
    snug_segments segments;
    snug_plan_choice choice; /* The one at hand. */
    candidate *candidates;
    int32_t candidate_count;
    int32_t *order; /* Those that matter by ascending seconds. */
    int32_t rank_count;
    int32_t smallest; /* Index of a candidate; -1: not known. */
    uint64_t chain_hash;
    int64_t floor_bytes;
    bool partial, packed;
    snug_mark scratch_start; /* What is behind it is forgotten at the end. */
    snug_plan_point *solved; /* Peaks and seconds of all chains solved so far. */
    int32_t solved_count;
} search;

/* Whether what is found is kept for other budgets: only whole searches are. */
static bool keeps(const snug_plan_request *request)
{
    return request->memo != NULL && !request->smallest && !request->straight;
}

static snug_status add_candidate(search *s, snug_error *err)
{
    void *memory = NULL;
    const snug_plan_choice *choice = &s->choice;
    const int64_t bytes = choice->segment_count * (int64_t)sizeof(snug_plan_segment);
    uint64_t hash = snug_hash64_mix((uint64_t)choice->micro_batch, 1);
    for (int32_t k = 0; k < choice->segment_count; k++) {
        const snug_plan_segment *g = &choice->segments[k];
        hash = snug_hash64_mix(hash, (uint64_t)g->stage_last * 64 + (uint64_t)g->mode * 16 +
                                         (g->keep_sources ? 1 : 0));
        hash = snug_hash64_mix(hash, (uint64_t)g->variant);
        hash = snug_hash64_mix(hash, (uint64_t)g->forward_tile);
        hash = snug_hash64_mix(hash, (uint64_t)g->backward_tile);
    }
    for (int32_t c = 0; c < s->candidate_count; c++) {
        if (s->candidates[c].hash == hash) {
            return SNUG_OK;
        }
    }
    if (s->candidate_count == CANDIDATES_MAX) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_arena_alloc(s->keep, bytes, &memory, err));
    memcpy(memory, choice->segments, (size_t)bytes);
    s->candidates[s->candidate_count++] = (candidate){.segments = memory,
                                                      .segment_count = choice->segment_count,
                                                      .micro_batch = choice->micro_batch,
                                                      .hash = hash};
    return SNUG_OK;
}

static void load_candidate(search *s, const candidate *c)
{
    s->choice.micro_batch = c->micro_batch;
    s->choice.segment_count = c->segment_count;
    memcpy(s->choice.segments, c->segments, (size_t)c->segment_count * sizeof(snug_plan_segment));
}

/* Builds a candidate's program for its figures alone. */
static snug_status weigh(search *s, candidate *c, snug_packing_effort effort, snug_error *err)
{
    const snug_mark start = snug_arena_mark(s->scratch);
    snug_program program;
    load_candidate(s, c);
    SNUG_TRY(
        snug_plan_build(&s->emitter, &s->choice, effort, s->scratch, s->scratch, &program, err));
    c->seconds = program.seconds;
    c->bound_bytes = program.live_bytes_max;
    c->arena_bytes = program.arena_bytes;
    c->effort = effort;
    if (effort == SNUG_PACKING_THOROUGH && s->keep != s->scratch) {
        void *memory = NULL;
        SNUG_TRY(snug_arena_array(s->keep, program.buffer_count, (int64_t)sizeof(int64_t), &memory,
                                  err));
        c->offsets = memory;
        for (int64_t b = 0; b < program.buffer_count; b++) {
            c->offsets[b] = program.buffers[b].offset;
        }
    }
    snug_arena_rewind(s->scratch, start);
    return SNUG_OK;
}

/* Builds a candidate's program, packed with at least this effort. */
static snug_status build(search *s, const candidate *c, snug_packing_effort effort,
                         snug_arena *arena, snug_program *out, snug_error *err)
{
    load_candidate(s, c);
    if (c->offsets != NULL) {
        return snug_plan_rebuild(&s->emitter, &s->choice, c->offsets, c->arena_bytes,
                                 c->bound_bytes, arena, out, err);
    }
    return snug_plan_build(&s->emitter, &s->choice, effort > c->effort ? effort : c->effort, arena,
                           s->scratch, out, err);
}

/* Solves one chain for one budget and keeps the answer. */
static snug_status solve(search *s, const snug_chain *chain, int64_t micro, snug_chain_goal goal,
                         int64_t budget, double at_most, snug_chain_answer *answer, snug_error *err)
{
    const int32_t front_max = s->problem.stage_count <= 16 ? FRONT_SMALL : FRONT_LARGE;
    SNUG_TRY(snug_chain_solve(chain, goal, budget, at_most, front_max, s->scratch, answer, err));
    if (answer->possible) {
        if (s->solved_count < CANDIDATES_MAX) {
            s->solved[s->solved_count++] =
                (snug_plan_point){.arena_bytes = answer->peak_bytes, .seconds = answer->seconds};
        }
        snug_segments_choice(&s->segments, micro, answer, &s->choice);
        SNUG_TRY(add_candidate(s, err));
    }
    return SNUG_OK;
}

/* Whether some chain solved before needs no more bytes and no more seconds. */
static bool is_beaten(const search *s, int64_t bytes, double seconds)
{
    bool beaten = false;
    for (int32_t k = 0; k < s->solved_count && !beaten; k++) {
        beaten = s->solved[k].arena_bytes <= bytes && s->solved[k].seconds <= seconds;
    }
    return beaten;
}

/* All budgets of one micro-batch, from the smallest that is possible to the fastest plan's. */
static snug_status search_micro(search *s, int64_t micro, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_chain chain;
    snug_chain_segment segments[SNUG_STAGES_MAX];
    snug_chain_answer answer = {.segments = segments};
    snug_chain_answer smallest = {.segments = segments};
    const snug_mark start = snug_arena_mark(s->scratch);
    SNUG_TRY_DONE(snug_segments_chain(&s->segments, micro, s->scratch, &chain, err));
    SNUG_TRY_DONE(solve(s, &chain, micro, SNUG_CHAIN_SMALLEST, 0, INFINITY, &smallest, err));
    if (!smallest.possible || s->request->smallest) {
        goto done;
    }
    SNUG_TRY_DONE(
        solve(s, &chain, micro, SNUG_CHAIN_FASTEST, INT64_MAX, smallest.seconds, &answer, err));
    if (s->partial) {
        goto done;
    }
    const double low = (double)smallest.peak_bytes;
    const double high = (double)answer.peak_bytes;
    const double best_seconds = answer.seconds;
    double known_seconds = smallest.seconds;
    for (int32_t k = 0; k <= BUDGETS_TRIED && high > low; k++) {
        const double part = (double)k / BUDGETS_TRIED;
        const int64_t budget = (int64_t)(low * pow(high / low, part));
        /* A larger micro-batch did it already, as fast as this one can ever be. */
        if (is_beaten(s, budget, best_seconds)) {
            break;
        }
        SNUG_TRY_DONE(
            solve(s, &chain, micro, SNUG_CHAIN_FASTEST, budget, known_seconds, &answer, err));
        /* What fits this budget fits the next. */
        known_seconds = answer.possible ? answer.seconds : known_seconds;
        /* Nothing is gained above this budget. */
        if (answer.possible && answer.seconds <= best_seconds) {
            break;
        }
    }

done:
    if (s->keep != s->scratch) {
        snug_arena_rewind(s->scratch, start);
    }
    return status;
}

/* Sorts by seconds, then bytes; the order in which they were found breaks ties. */
static void sort_candidates(search *s)
{
    for (int32_t i = 0; i < s->candidate_count; i++) {
        const candidate *a = &s->candidates[i];
        int32_t at = i;
        while (at > 0) {
            const candidate *b = &s->candidates[s->order[at - 1]];
            const bool less = a->seconds < b->seconds ||
                              (!(b->seconds < a->seconds) && a->bound_bytes < b->bound_bytes);
            if (!less) {
                break;
            }
            s->order[at] = s->order[at - 1];
            at--;
        }
        s->order[at] = i;
    }
}

/* Weighs all candidates; packing them is left until it matters. */
static snug_status rank(search *s, snug_error *err)
{
    for (int32_t c = 0; c < s->candidate_count; c++) {
        SNUG_TRY(weigh(s, &s->candidates[c], SNUG_PACKING_NONE, err));
    }
    sort_candidates(s);
    s->rank_count = s->candidate_count;
    return SNUG_OK;
}

static snug_status pack_quickly(search *s, candidate *c, snug_error *err)
{
    return c->effort == SNUG_PACKING_NONE ? weigh(s, c, SNUG_PACKING_QUICK, err) : SNUG_OK;
}

/*
 * Packs all that may be a point of the curve, and drops candidates that are slower than one that is
 * not larger. Packing is what costs: who cannot win by its bound is not packed.
 */
static snug_status pack_curve(search *s, snug_error *err)
{
    int64_t least = INT64_MAX;
    int32_t kept = 0;
    for (int32_t i = 0; i < s->rank_count && !s->packed; i++) {
        candidate *c = &s->candidates[s->order[i]];
        if (c->bound_bytes < least) {
            SNUG_TRY(pack_quickly(s, c, err));
            least = snug_min_i64(least, c->arena_bytes);
            s->order[kept++] = s->order[i];
        }
    }
    s->rank_count = s->packed ? s->rank_count : kept;
    s->packed = true;
    return SNUG_OK;
}

/* The segments, measured once for all training modes of a step. */
static snug_status find_segments(search *s, snug_error *err)
{
    snug_plan_memo *memo = s->request->memo;
    const snug_segments *g = &s->segments;
    if (memo != NULL && memo->segments != NULL && snug_plan_trains(s->problem.mode)) {
        SNUG_TRY(snug_segments_adapt(memo->segments, &s->emitter, s->scratch, &s->segments, err));
    } else {
        SNUG_TRY(snug_segments_measure(&s->emitter, true, s->scratch, &s->segments, err));
    }
    if (memo != NULL && memo->share && memo->segments == NULL) {
        memo->segments = g;
        s->scratch_start = snug_arena_mark(s->scratch);
    }
    s->chain_hash = snug_hash64_mix((uint64_t)g->persistent_bytes, (uint64_t)g->gradients_bytes);
    s->chain_hash = snug_hash64_mix(s->chain_hash, (uint64_t)g->loss_bytes);
    for (int32_t o = 0; o < g->option_count; o++) {
        s->chain_hash = snug_hash64_mix(s->chain_hash, (uint64_t)g->options[o].gradients);
    }
    return SNUG_OK;
}

/* The candidates of the first pass, where the second has the same chains; false: it has not. */
static bool take_alike(search *s)
{
    const snug_plan_memo *memo = s->request->memo;
    const snug_plan_front *front = memo == NULL ? NULL : memo->fronts[SNUG_PLAN_MEASURE];
    if (s->problem.mode != SNUG_PLAN_APPLY || memo == NULL || memo->segments == NULL ||
        !keeps(s->request) || front == NULL || front->chain_hash != s->chain_hash ||
        front->partial != s->partial) {
        return false;
    }
    memcpy(s->candidates, front->candidates,
           (size_t)front->candidate_count * sizeof *s->candidates);
    s->candidate_count = front->candidate_count;
    return true;
}

/* Whether the answer is no, and nobody asks what else there might be. */
static bool is_hopeless(const snug_plan_request *request, int64_t floor_bytes)
{
    return request->brief && request->curveless && !request->smallest &&
           request->budget_bytes > 0 && request->budget_bytes < floor_bytes;
}

static snug_status search_all(search *s, snug_error *err)
{
    const snug_plan_problem *p = &s->problem;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(s->scratch, CANDIDATES_MAX, (int64_t)sizeof(snug_plan_point), &memory,
                              err));
    s->solved = memory;
    snug_plan_straight(p, &s->choice);
    SNUG_TRY(add_candidate(s, err));
    if (!s->request->straight) {
        SNUG_TRY(find_segments(s, err));
        s->floor_bytes = s->segments.persistent_bytes + s->segments.held_bytes;
        s->partial = is_hopeless(s->request, s->floor_bytes);
        const bool alike = take_alike(s);
        for (int32_t m = 0; m < p->micro_count && !alike; m++) {
            SNUG_TRY(search_micro(s, p->micros[m], err));
        }
    }
    SNUG_TRY(rank(s, err));
    return SNUG_OK;
}

/* Whether a candidate fits; packs it thoroughly when that decides. */
static snug_status fits(search *s, candidate *c, int64_t budget, bool *out, snug_error *err)
{
    if (c->bound_bytes <= budget) {
        SNUG_TRY(pack_quickly(s, c, err));
        if (c->arena_bytes > budget && c->effort != SNUG_PACKING_THOROUGH) {
            SNUG_TRY(weigh(s, c, SNUG_PACKING_THOROUGH, err));
        }
    }
    *out = c->bound_bytes <= budget && c->arena_bytes <= budget;
    return SNUG_OK;
}

/* The smallest candidate as packed so far; -1: none is. */
static int32_t smallest_so_far(const search *s)
{
    int32_t best = -1;
    for (int32_t i = 0; i < s->rank_count; i++) {
        const candidate *c = &s->candidates[s->order[i]];
        const bool packed = c->effort != SNUG_PACKING_NONE;
        if (packed && (best < 0 || c->arena_bytes < s->candidates[best].arena_bytes)) {
            best = s->order[i];
        }
    }
    return best;
}

/* Of those not packed the one with the least bound; -1: none is below `bytes`. */
static int32_t least_bound(const search *s, int64_t bytes)
{
    int32_t best = -1;
    for (int32_t i = 0; i < s->rank_count; i++) {
        const candidate *c = &s->candidates[s->order[i]];
        if (c->effort == SNUG_PACKING_NONE && c->bound_bytes < bytes) {
            bytes = c->bound_bytes;
            best = s->order[i];
        }
    }
    return best;
}

/* Packs quickly what could be smaller than the smallest so far; `most` of them at most. */
static snug_status pack_small(search *s, int32_t most, snug_error *err)
{
    int64_t least = INT64_MAX;
    for (int32_t k = 0; k < most; k++) {
        const int32_t next = least_bound(s, least);
        if (next < 0) {
            break;
        }
        SNUG_TRY(pack_quickly(s, &s->candidates[next], err));
        least = s->candidates[smallest_so_far(s)].arena_bytes;
    }
    return SNUG_OK;
}

/* The smallest candidate; what could be smaller than the smallest so far is packed thoroughly. */
static snug_status find_smallest(search *s, snug_error *err)
{
    SNUG_TRY(pack_small(s, s->rank_count, err));
    int32_t best = smallest_so_far(s);
    /* From the slow end, where the bounds are lowest: what is found there spares the others. */
    for (int32_t i = s->rank_count - 1; i >= 0; i--) {
        candidate *c = &s->candidates[s->order[i]];
        const candidate *b = &s->candidates[best];
        /* A thorough packing stops as near to its bound as this one is. */
        const bool near = b->effort == SNUG_PACKING_THOROUGH &&
                          b->arena_bytes <= c->bound_bytes + c->bound_bytes / 200;
        if (c->bound_bytes < b->arena_bytes && !near) {
            SNUG_TRY(weigh(s, c, SNUG_PACKING_THOROUGH, err));
            best = c->arena_bytes < b->arena_bytes ? s->order[i] : best;
        }
    }
    s->smallest = best;
    return SNUG_OK;
}

/* Keeps what was found, for other budgets. */
static snug_status keep_front(const search *s, snug_error *err)
{
    snug_plan_memo *memo = s->request->memo;
    const int64_t count = s->candidate_count;
    snug_plan_front *front = memo->fronts[s->problem.mode];
    void *memory = NULL;
    if (front == NULL || front->candidate_count != s->candidate_count) {
        SNUG_TRY(snug_arena_alloc(memo->arena, (int64_t)sizeof(snug_plan_front), &memory, err));
        front = memory;
        SNUG_TRY(snug_arena_array(memo->arena, count, (int64_t)sizeof(candidate), &memory, err));
        front->candidates = memory;
        SNUG_TRY(snug_arena_array(memo->arena, count, (int64_t)sizeof(int32_t), &memory, err));
        front->order = memory;
        memo->fronts[s->problem.mode] = front;
    }
    memcpy(front->candidates, s->candidates, (size_t)count * sizeof(candidate));
    memcpy(front->order, s->order, (size_t)s->rank_count * sizeof(int32_t));
    front->candidate_count = s->candidate_count;
    front->rank_count = s->rank_count;
    front->smallest = s->smallest;
    front->chain_hash = s->chain_hash;
    front->floor_bytes = s->floor_bytes;
    front->partial = s->partial;
    front->packed = s->packed;
    return SNUG_OK;
}

static void load_front(search *s, const snug_plan_front *front)
{
    memcpy(s->candidates, front->candidates,
           (size_t)front->candidate_count * sizeof *s->candidates);
    memcpy(s->order, front->order, (size_t)front->rank_count * sizeof *s->order);
    s->candidate_count = front->candidate_count;
    s->rank_count = front->rank_count;
    s->smallest = front->smallest;
    s->chain_hash = front->chain_hash;
    s->floor_bytes = front->floor_bytes;
    s->partial = front->partial;
    s->packed = front->packed;
}

/* Candidates, ranked, and which is the smallest: searched for, or known from another budget. */
static snug_status find_front(search *s, snug_error *err)
{
    const snug_plan_request *request = s->request;
    const snug_plan_front *front = keeps(request) ? request->memo->fronts[s->problem.mode] : NULL;
    void *memory = NULL;
    SNUG_TRY(
        snug_arena_array(s->scratch, CANDIDATES_MAX, (int64_t)sizeof(candidate), &memory, err));
    s->candidates = memory;
    SNUG_TRY(snug_arena_array(s->scratch, CANDIDATES_MAX, (int64_t)sizeof(int32_t), &memory, err));
    s->order = memory;
    s->smallest = -1;
    if (front == NULL || (front->partial && !is_hopeless(request, front->floor_bytes))) {
        SNUG_TRY(search_all(s, err));
    } else {
        load_front(s, front);
    }
    if (!request->curveless) {
        SNUG_TRY(pack_curve(s, err));
    }
    /* The fastest and one of the smallest are always known. */
    SNUG_TRY(pack_quickly(s, &s->candidates[s->order[0]], err));
    if (!request->brief && s->smallest < 0) {
        SNUG_TRY(find_smallest(s, err));
    }
    return request->brief ? pack_small(s, 1, err) : SNUG_OK;
}

/* Forward and backward, all that has to run once at least, each as fast as it can. */
static snug_status find_pass_seconds(search *s, double *out, snug_error *err)
{
    const snug_plan_problem *p = &s->problem;
    const snug_mark start = snug_arena_mark(s->scratch);
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(s->scratch, p->node_count, (int64_t)sizeof(bool), &memory, err));
    bool *needed = memory;
    double sum = 0.0;
    for (int32_t n = p->node_count - 1; n >= 0; n--) {
        const snug_node *node = &p->graph->nodes[n];
        if (!p->active[n] || p->stage[n] < 0) {
            continue;
        }
        needed[n] = needed[n] || node->phase == SNUG_PHASE_BACKWARD;
        for (int32_t i = 0; i < node->input_count && needed[n]; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t >= 0 && p->producer[t] >= 0) {
                needed[p->producer[t]] = true;
            }
        }
        double least = needed[n] ? INFINITY : 0.0;
        for (int32_t v = 0; v < p->variants_of[n] && needed[n]; v++) {
            for (int32_t k = 0; k < p->tile_count; k++) {
                const double turns = (double)p->batch / (double)snug_max_i64(1, p->tiles[k]);
                least = fmin(least, turns * p->seconds[snug_problem_at(p, v, n, k)]);
            }
        }
        sum += least;
    }
    *out = sum;
    snug_arena_rewind(s->scratch, start);
    return SNUG_OK;
}

/* The front of the candidates: no point is both larger and slower than another. */
static void note_facts(const search *s, snug_plan_facts *facts)
{
    const candidate *fastest = &s->candidates[s->order[0]];
    int64_t least = INT64_MAX;
    int32_t count = 0;
    const int32_t smallest = s->smallest >= 0 ? s->smallest : smallest_so_far(s);
    *facts = (snug_plan_facts){.minimum_arena_bytes = s->candidates[smallest].arena_bytes,
                               .bound_arena_bytes = s->partial ? s->floor_bytes : INT64_MAX,
                               .unlimited_arena_bytes = fastest->arena_bytes,
                               .unlimited_seconds = fastest->seconds,
                               .stage_count = s->problem.stage_count};
    for (int32_t i = 0; i < s->rank_count; i++) {
        const candidate *c = &s->candidates[s->order[i]];
        facts->bound_arena_bytes = snug_min_i64(facts->bound_arena_bytes, c->bound_bytes);
        if (!s->request->curveless && c->arena_bytes < least && count < SNUG_PLAN_POINTS_MAX) {
            least = c->arena_bytes;
            facts->points[count++] = (snug_plan_point){.arena_bytes = c->arena_bytes,
                                                       .seconds = c->seconds,
                                                       .micro_batch = c->micro_batch,
                                                       .passes = 1};
        }
    }
    facts->point_count = count;
    for (int32_t i = 0; i < count / 2; i++) {
        const snug_plan_point swap = facts->points[i];
        facts->points[i] = facts->points[count - 1 - i];
        facts->points[count - 1 - i] = swap;
    }
}

static snug_status refuse(search *s, snug_error *err)
{
    char needs[SNUG_SIZE_TEXT_BYTES];
    char has[SNUG_SIZE_TEXT_BYTES];
    char list[512];
    snug_text text;
    snug_plan_peak peak;
    snug_program program;
    const candidate *c = &s->candidates[s->smallest >= 0 ? s->smallest : smallest_so_far(s)];
    SNUG_TRY(build(s, c, SNUG_PACKING_QUICK, s->scratch, &program, err));
    snug_plan_find_peak(&program, &peak);
    snug_text_init(&text, list, sizeof list);
    snug_plan_name_consumers(&peak, s->problem.graph, &text);
    return SNUG_FAIL(err, SNUG_CODE_BUDGET,
                     "the arena needs at least %lld bytes (%s), %lld (%s) are allowed; parameters "
                     "and optimizer take %lld bytes; the largest at the peak are %s",
                     (long long)c->arena_bytes, snug_size_text(c->arena_bytes, needs),
                     (long long)s->request->budget_bytes,
                     snug_size_text(s->request->budget_bytes, has),
                     (long long)program.persistent_bytes, list);
}

/* Chooses among the candidates; -1: none fits. */
static snug_status choose(search *s, int32_t *out, snug_error *err)
{
    const int64_t budget = s->request->budget_bytes > 0 ? s->request->budget_bytes : INT64_MAX;
    *out = -1;
    for (int32_t i = 0; i < s->rank_count && *out < 0; i++) {
        bool good = false;
        SNUG_TRY(fits(s, &s->candidates[s->order[i]], budget, &good, err));
        *out = good ? s->order[i] : -1;
    }
    return SNUG_OK;
}

snug_status snug_plan_make(const snug_plan_request *request, snug_arena *arena, snug_program *out,
                           snug_plan_facts *facts, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena *scratch = request->scratch != NULL ? request->scratch : arena;
    const snug_mark start = snug_arena_mark(arena);
    const snug_mark scratch_start = snug_arena_mark(scratch);
    void *memory = NULL;
    snug_program program = {0};
    search *s = NULL;
    int32_t chosen = -1;
    SNUG_TRY_DONE(snug_arena_alloc(scratch, (int64_t)sizeof(search), &memory, err));
    s = memory;
    *s = (search){.request = request,
                  .scratch = scratch,
                  .scratch_start = scratch_start,
                  .keep = keeps(request) ? request->memo->arena : scratch};
    SNUG_TRY_DONE(snug_plan_problem_init(&s->problem, request, scratch, err));
    SNUG_TRY_DONE(snug_emit_init(&s->emitter, &s->problem, scratch, err));
    SNUG_TRY_DONE(find_front(s, err));
    if (facts != NULL) {
        note_facts(s, facts);
        SNUG_TRY_DONE(find_pass_seconds(s, &facts->pass_seconds, err));
    }
    SNUG_TRY_DONE(choose(s, &chosen, err));
    if (keeps(request)) {
        SNUG_TRY_DONE(keep_front(s, err));
    }
    if (chosen < 0) {
        SNUG_TRY_DONE(refuse(s, err));
    }
    const candidate *c = &s->candidates[chosen];
    if (facts != NULL) {
        facts->seconds = c->seconds;
    }
    if (out == NULL) {
        goto done;
    }
    /* It fits as it is, but why take more than is needed? More effort never packs worse. */
    const bool loose = c->arena_bytes > c->bound_bytes + c->bound_bytes / 200;
    SNUG_TRY_DONE(
        build(s, c, loose ? SNUG_PACKING_THOROUGH : SNUG_PACKING_QUICK, arena, &program, err));
    *out = program;

done:
    if (scratch != arena) {
        snug_arena_rewind(scratch, s == NULL ? scratch_start : s->scratch_start);
    }
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
