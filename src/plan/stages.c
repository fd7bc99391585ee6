/* Stages: the forward graph cut where as little as possible is alive. */
#include <string.h>

#include "base/assert.h"
#include "plan/problem.h"

/* Without a cut of one tensor for so many nodes, the narrowest places in between are taken. */
enum { STRETCH_NODES = 24, STAGES_SEARCHED_MAX = 64 };

typedef struct cut_work {
    int32_t *order; /* Active forward nodes, sources and sinks left out. */
    int32_t count;
    int32_t *place_of; /* [node] Index into order; -1. */
    int32_t *live;     /* [cut] Batched tensors alive between order[cut - 1] and order[cut]. */
    int64_t *width;    /* [cut] Their bytes a sample. */
    bool *cut;         /* [cut] A stage begins at order[cut]. */
} cut_work;

static bool is_source(const snug_plan_problem *p, int32_t n)
{
    return (p->graph->nodes[n].op->flags & SNUG_OP_SOURCE) != 0;
}

static snug_status prepare(const snug_plan_problem *p, cut_work *w, snug_arena *arena,
                           snug_error *err)
{
    void *memory = NULL;
    const int64_t count = p->node_count;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(int32_t), &memory, err));
    w->order = memory;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(int32_t), &memory, err));
    w->place_of = memory;
    SNUG_TRY(snug_arena_array(arena, count + 2, (int64_t)sizeof(int32_t), &memory, err));
    w->live = memory;
    SNUG_TRY(snug_arena_array(arena, count + 2, (int64_t)sizeof(int64_t), &memory, err));
    w->width = memory;
    SNUG_TRY(snug_arena_array(arena, count + 2, (int64_t)sizeof(bool), &memory, err));
    w->cut = memory;
    for (int32_t n = 0; n < p->node_count; n++) {
        w->place_of[n] = -1;
        if (p->active[n] && p->graph->nodes[n].phase == SNUG_PHASE_FORWARD && !is_source(p, n)) {
            w->place_of[n] = w->count;
            w->order[w->count++] = n;
        }
    }
    return SNUG_OK;
}

/* Counts what is alive at every cut: forward tensors with a forward reader beyond it. */
static void measure(const snug_plan_problem *p, cut_work *w)
{
    for (int32_t c = 0; c < w->count; c++) {
        const snug_node *node = &p->graph->nodes[w->order[c]];
        for (int32_t i = 0; i < node->input_count; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t >= 0 && p->place[t] == SNUG_PLACE_FORWARD && !is_source(p, p->producer[t])) {
                p->last_stage[t] = c; /* Borrowed: the last reader's place in the order. */
            }
        }
    }
    for (int32_t t = 0; t < p->tensor_count; t++) {
        const int32_t last = p->last_stage[t];
        if (last < 0) {
            continue;
        }
        const int32_t made = w->place_of[p->producer[t]];
        const int64_t bytes = snug_problem_bytes(p, 0, t);
        w->live[made + 1]++;
        w->live[last + 1]--;
        w->width[made + 1] += bytes;
        w->width[last + 1] -= bytes;
        p->last_stage[t] = -1;
    }
    for (int32_t c = 1; c <= w->count; c++) {
        w->live[c] += w->live[c - 1];
        w->width[c] += w->width[c - 1];
    }
}

/* Cuts of one tensor; in long stretches without one, the cuts with the fewest. */
static void choose(cut_work *w)
{
    int32_t begin = 0;
    for (int32_t c = 1; c <= w->count; c++) {
        const bool end = c == w->count;
        if (!end && w->live[c] != 1) {
            continue;
        }
        if (c - begin > STRETCH_NODES) {
            int32_t fewest = INT32_MAX;
            for (int32_t k = begin + 1; k < c; k++) {
                fewest = w->live[k] < fewest ? w->live[k] : fewest;
            }
            for (int32_t k = begin + 1; k < c; k++) {
                w->cut[k] = w->live[k] == fewest;
            }
        }
        if (!end) {
            w->cut[c] = true;
        }
        begin = c;
    }
}

/* The search is quadratic in the stages: when there are too many, the smallest neighbours join. */
static void thin_out(cut_work *w)
{
    for (;;) {
        int32_t count = 1;
        int32_t best = -1;
        int32_t best_span = INT32_MAX;
        int32_t previous = 0;
        for (int32_t c = 1; c < w->count; c++) {
            if (!w->cut[c]) {
                continue;
            }
            int32_t next = c + 1;
            while (next < w->count && !w->cut[next]) {
                next++;
            }
            const int32_t span = next - previous;
            if (span < best_span || (span == best_span && w->width[c] > w->width[best])) {
                best = c;
                best_span = span;
            }
            count++;
            previous = c;
        }
        if (count <= STAGES_SEARCHED_MAX) {
            return;
        }
        w->cut[best] = false;
    }
}

static void number_nodes(snug_plan_problem *p, const cut_work *w)
{
    int32_t stage = 0;
    for (int32_t n = 0; n < p->node_count; n++) {
        p->stage[n] = -1;
    }
    for (int32_t c = 0; c < w->count; c++) {
        stage += w->cut[c] ? 1 : 0;
        p->stage[w->order[c]] = stage;
    }
    p->stage_count = w->count > 0 ? stage + 1 : 0;
    /* Backward nodes follow their forward node; never to a later stage than the one before. */
    int32_t lowest = stage;
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &p->graph->nodes[n];
        if (p->active[n] && node->phase == SNUG_PHASE_BACKWARD) {
            const int32_t own = node->forward >= 0 ? p->stage[node->forward] : lowest;
            lowest = own >= 0 && own < lowest ? own : lowest;
            p->stage[n] = lowest;
        }
    }
}

/* A source belongs where it is read first; forward tensors learn their last forward reader. */
static void number_sources(snug_plan_problem *p)
{
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &p->graph->nodes[n];
        for (int32_t i = 0; i < node->input_count && p->active[n]; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t < 0 || p->place[t] != SNUG_PLACE_FORWARD) {
                continue;
            }
            if (node->phase == SNUG_PHASE_FORWARD && p->stage[n] > p->last_stage[t]) {
                p->last_stage[t] = p->stage[n];
            }
            int32_t *home = &p->stage[p->producer[t]];
            if (is_source(p, p->producer[t]) && (*home < 0 || p->stage[n] < *home)) {
                *home = p->stage[n];
            }
        }
    }
}

snug_status snug_plan_stages(snug_plan_problem *problem, snug_arena *arena, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    cut_work work = {0};
    SNUG_TRY_DONE(prepare(problem, &work, arena, err));
    if (work.count == 0) {
        SNUG_FAIL_DONE(err, SNUG_CODE_UNSUPPORTED, "the graph has nothing to run");
    }
    measure(problem, &work);
    choose(&work);
    thin_out(&work);
    number_nodes(problem, &work);
    number_sources(problem);

done:
    snug_arena_rewind(arena, start);
    return status;
}
