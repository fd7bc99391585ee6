#include "plan/passes.h"

#include <math.h>

#include "base/checked.h"

/* What came of planning one program. */
typedef struct attempt {
    snug_status status; /* SNUG_OK or SNUG_CODE_BUDGET. */
    snug_error error;
    snug_program program;
    snug_plan_facts facts;
} attempt;

/* One pass, and the first and second of two. */
enum { ONE, FIRST, SECOND, ATTEMPTS };
static const snug_plan_mode modes[ATTEMPTS] = {SNUG_PLAN_TRAIN, SNUG_PLAN_MEASURE, SNUG_PLAN_APPLY};

bool snug_plan_can_measure(const snug_graph *graph)
{
    bool can = false;
    for (int64_t n = 0; n < graph->node_count && !can; n++) {
        const snug_node *node = &graph->nodes[n];
        if (node->phase != SNUG_PHASE_UPDATE || snug_graph_measures(graph, node)) {
            continue;
        }
        for (int32_t i = 0; i < node->input_count; i++) {
            const snug_tensor_id t = node->inputs[i];
            can = can || (t >= 0 && graph->tensors[t].kind == SNUG_TENSOR_STATE &&
                          graph->tensors[t].of < 0);
        }
    }
    return can;
}

/* Programs, figures, or both. */
typedef enum wanted { WANTED_PROGRAM = 1, WANTED_FACTS = 2, WANTED_BOTH = 3 } wanted;

static snug_status attempt_one(const snug_plan_request *request, int32_t which, wanted what,
                               snug_arena *arena, attempt *out, snug_error *err)
{
    snug_plan_request own = *request;
    own.mode = modes[which];
    out->error = (snug_error){0};
    out->status = snug_plan_make(&own, arena, (what & WANTED_PROGRAM) != 0 ? &out->program : NULL,
                                 (what & WANTED_FACTS) != 0 ? &out->facts : NULL, &out->error);
    if (snug_failed(out->status) && out->status != SNUG_CODE_BUDGET) {
        *err = out->error;
        return snug_error_pass(err, out->status, __FILE__, __LINE__);
    }
    return SNUG_OK;
}

/* Whether a program was planned: its facts are known. */
static bool was_planned(const attempt *a)
{
    return a->facts.stage_count > 0;
}

/* Figures of a program that never runs alone: the other one's bytes are counted with its arena. */
static void count_second(snug_plan_facts *facts, int64_t bytes)
{
    facts->minimum_arena_bytes += bytes;
    facts->bound_arena_bytes += bytes;
    facts->unlimited_arena_bytes += bytes;
    for (int32_t i = 0; i < facts->point_count; i++) {
        facts->points[i].arena_bytes += bytes;
    }
}

/* One of two passes. */
static snug_status attempt_pass(const snug_plan_request *request, int32_t which,
                                int64_t second_bytes, wanted what, snug_arena *arena, attempt *all,
                                snug_error *err)
{
    snug_plan_request own = *request;
    if (own.budget_bytes > 0) {
        own.budget_bytes = snug_max_i64(1, own.budget_bytes - second_bytes);
    }
    SNUG_TRY(attempt_one(&own, which, what, arena, &all[which], err));
    if ((what & WANTED_FACTS) != 0) {
        count_second(&all[which].facts, second_bytes);
    }
    return SNUG_OK;
}

static snug_status attempt_two(const snug_plan_request *request, int64_t second_bytes, wanted what,
                               snug_arena *arena, attempt *all, snug_error *err)
{
    for (int32_t which = FIRST; which <= SECOND; which++) {
        SNUG_TRY(attempt_pass(request, which, second_bytes, what, arena, all, err));
    }
    return SNUG_OK;
}

/* The fastest point of a curve within so many bytes; NULL: none. */
static const snug_plan_point *point_within(const snug_plan_facts *facts, int64_t bytes)
{
    int32_t count = 0;
    while (count < facts->point_count && facts->points[count].arena_bytes <= bytes) {
        count++;
    }
    return count == 0 ? NULL : &facts->points[count - 1];
}

/* The fastest step within so many bytes, by the curves of its programs. */
static snug_plan_point best_within(const attempt *all, int64_t bytes)
{
    const snug_plan_point *one = point_within(&all[ONE].facts, bytes);
    const snug_plan_point *first = point_within(&all[FIRST].facts, bytes);
    const snug_plan_point *second = point_within(&all[SECOND].facts, bytes);
    snug_plan_point best = {.arena_bytes = bytes, .seconds = INFINITY};
    if (first != NULL && second != NULL) {
        best.seconds = first->seconds + second->seconds;
        best.micro_batch = second->micro_batch;
        best.passes = 2;
    }
    if (one != NULL && one->seconds <= best.seconds) {
        best.seconds = one->seconds;
        best.micro_batch = one->micro_batch;
        best.passes = 1;
    }
    return best;
}

/* The next number of bytes at which one of the curves has a point, above `bytes`. */
static int64_t next_bytes(const attempt *all, int64_t bytes)
{
    int64_t next = INT64_MAX;
    for (int32_t a = 0; a < ATTEMPTS; a++) {
        const snug_plan_facts *facts = &all[a].facts;
        for (int32_t i = 0; i < facts->point_count; i++) {
            if (facts->points[i].arena_bytes > bytes) {
                next = snug_min_i64(next, facts->points[i].arena_bytes);
                break;
            }
        }
    }
    return next;
}

/* One curve of all: a step takes as many passes as are faster with so many bytes. */
static void merge_facts(const attempt *all, snug_plan_facts *out)
{
    const snug_plan_facts *one = &all[ONE].facts;
    const snug_plan_facts *first = &all[FIRST].facts;
    const snug_plan_facts *second = &all[SECOND].facts;
    const int64_t two_least = snug_max_i64(first->minimum_arena_bytes, second->minimum_arena_bytes);
    double fastest = INFINITY;
    if (!was_planned(&all[SECOND])) {
        *out = *one;
        return;
    }
    *out = (snug_plan_facts){
        .minimum_arena_bytes = two_least,
        .unlimited_arena_bytes =
            snug_max_i64(first->unlimited_arena_bytes, second->unlimited_arena_bytes),
        .unlimited_seconds = first->unlimited_seconds + second->unlimited_seconds,
        .bound_arena_bytes = snug_max_i64(first->bound_arena_bytes, second->bound_arena_bytes),
        .stage_count = second->stage_count};
    if (was_planned(&all[ONE])) {
        out->minimum_arena_bytes = snug_min_i64(two_least, one->minimum_arena_bytes);
        out->bound_arena_bytes = snug_min_i64(out->bound_arena_bytes, one->bound_arena_bytes);
        if (one->unlimited_seconds <= out->unlimited_seconds) {
            out->unlimited_arena_bytes = one->unlimited_arena_bytes;
            out->unlimited_seconds = one->unlimited_seconds;
        }
    }
    for (int64_t bytes = next_bytes(all, 0); bytes < INT64_MAX; bytes = next_bytes(all, bytes)) {
        const snug_plan_point best = best_within(all, bytes);
        if (best.seconds < fastest) {
            fastest = best.seconds;
            /* When there are too many the fastest must not be missing. */
            const bool full = out->point_count == SNUG_PLAN_POINTS_MAX;
            out->points[full ? out->point_count - 1 : out->point_count++] = best;
        }
    }
}

static bool fits_two(const attempt *all)
{
    return was_planned(&all[SECOND]) && !snug_failed(all[FIRST].status) &&
           !snug_failed(all[SECOND].status);
}

/* Of what does not fit, what could be made smallest says how much it needs. */
static const attempt *most_modest(const attempt *all)
{
    const attempt *two =
        all[FIRST].facts.minimum_arena_bytes > all[SECOND].facts.minimum_arena_bytes ? &all[FIRST]
                                                                                     : &all[SECOND];
    if (!was_planned(&all[SECOND])) {
        return &all[ONE];
    }
    return was_planned(&all[ONE]) &&
                   all[ONE].facts.minimum_arena_bytes <= two->facts.minimum_arena_bytes
               ? &all[ONE]
               : two;
}

/* Whether what is found at first is kept, and may be asked again for more. */
static bool is_kept(const snug_plan_request *request)
{
    return request->memo != NULL && !request->smallest && !request->straight;
}

/*
 * How small a step can be: of one pass and two only that is worked out in full which could be the
 * smaller, of two programs that which could be the larger. So far either is known by its bound and
 * by some plan.
 *
 * @param known  Two passes are known already.
 */
static snug_status find_least(const snug_plan_request *request, int64_t second_bytes, bool may_one,
                              bool known, attempt *all, snug_arena *arena, snug_error *err)
{
    snug_plan_facts *facts[ATTEMPTS];
    for (int32_t a = 0; a < ATTEMPTS; a++) {
        facts[a] = &all[a].facts;
    }
    const int64_t bound =
        snug_max_i64(facts[FIRST]->bound_arena_bytes, facts[SECOND]->bound_arena_bytes);
    const bool two = !may_one || facts[ONE]->minimum_arena_bytes > bound;
    for (int32_t which = FIRST; which <= SECOND && two && !known; which++) {
        const int32_t other = FIRST + SECOND - which;
        /* The other one cannot be below its bound, and the first is known when the second's turn
         * comes. */
        const int64_t least =
            which == FIRST ? facts[other]->bound_arena_bytes : facts[other]->minimum_arena_bytes;
        if (facts[which]->minimum_arena_bytes > least) {
            SNUG_TRY(attempt_pass(request, which, second_bytes, WANTED_FACTS, arena, all, err));
        }
    }
    const int64_t two_least =
        snug_max_i64(facts[FIRST]->minimum_arena_bytes, facts[SECOND]->minimum_arena_bytes);
    if (may_one && facts[ONE]->bound_arena_bytes <= two_least) {
        SNUG_TRY(attempt_one(request, ONE, WANTED_FACTS, arena, &all[ONE], err));
    }
    return SNUG_OK;
}

/* Plans what `passes` allows, decides, and leaves the programs of the decision in `arena`. */
static snug_status decide(const snug_plan_request *request, snug_passes passes,
                          int64_t second_bytes, attempt *all, snug_arena *arena,
                          snug_step_plan *out, snug_error *err)
{
    const snug_mark start = snug_arena_mark(arena);
    snug_plan_request brief = *request;
    snug_plan_request two = *request;
    const bool may_two = passes != SNUG_PASSES_ONE && snug_plan_can_measure(request->graph);
    const bool may_one = passes != SNUG_PASSES_TWO || !may_two;
    bool has_one = false;
    /* How small one pass could be rarely matters where there may be two, and the other way round.
     */
    brief.brief = brief.brief || may_two;
    two.brief = two.brief || is_kept(request);
    if (may_one) {
        SNUG_TRY(attempt_one(&brief, ONE, WANTED_BOTH, arena, &all[ONE], err));
        has_one = !snug_failed(all[ONE].status);
    }
    /* Nothing is faster than the fastest plan with one pass. */
    const bool fastest = has_one && all[ONE].facts.seconds <= all[ONE].facts.unlimited_seconds;
    /* Nor are two passes faster than each of its nodes at its best, twice. */
    const bool faster =
        fastest || (has_one && all[ONE].facts.seconds <= 2.0 * all[ONE].facts.pass_seconds);
    if (faster && two.brief) {
        two.budget_bytes = 0; /* Only how small two passes can be is asked for. */
    }
    if (may_two && (!faster || !request->brief)) {
        SNUG_TRY(
            attempt_two(&two, second_bytes, may_one ? WANTED_FACTS : WANTED_BOTH, arena, all, err));
        if (!request->brief) {
            SNUG_TRY(find_least(request, second_bytes, may_one, !two.brief, all, arena, err));
        }
    }
    const double two_seconds =
        fits_two(all) ? all[FIRST].facts.seconds + all[SECOND].facts.seconds : INFINITY;
    if (has_one && (faster || all[ONE].facts.seconds <= two_seconds)) {
        *out = (snug_step_plan){.passes = 1, .train = all[ONE].program};
        return SNUG_OK;
    }
    if (!fits_two(all)) {
        *err = most_modest(all)->error;
        return snug_error_pass(err, SNUG_CODE_BUDGET, __FILE__, __LINE__);
    }
    if (may_one) {
        /* Of two passes only the figures were wanted so far; the other program makes room. */
        snug_arena_rewind(arena, start);
        SNUG_TRY(attempt_two(&two, second_bytes, WANTED_PROGRAM, arena, all, err));
    }
    *out =
        (snug_step_plan){.passes = 2, .measure = all[FIRST].program, .train = all[SECOND].program};
    return SNUG_OK;
}

snug_status snug_plan_make_step(const snug_plan_request *request, snug_passes passes,
                                int64_t second_bytes, snug_arena *arena, snug_step_plan *out,
                                snug_plan_facts *facts, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena *scratch = request->scratch != NULL ? request->scratch : arena;
    const snug_mark start = snug_arena_mark(arena);
    const snug_mark scratch_start = snug_arena_mark(scratch);
    snug_plan_memo *memo = request->memo;
    void *memory = NULL;
    attempt *all = NULL;
    SNUG_TRY_DONE(snug_arena_array(scratch, ATTEMPTS, (int64_t)sizeof(attempt), &memory, err));
    all = memory;
    if (memo != NULL) {
        memo->share = true;
    }
    SNUG_TRY_DONE(decide(request, passes, second_bytes, all, arena, out, err));

done:
    if (memo != NULL) {
        memo->share = false;
        memo->segments = NULL;
    }
    if (all != NULL && facts != NULL) {
        merge_facts(all, facts);
    }
    if (scratch != arena) {
        snug_arena_rewind(scratch, scratch_start);
    }
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
