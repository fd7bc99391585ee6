#include "plan/alike.h"

#include "base/hash.h"

/* A stage is described as seen from where it stands: stages by their distance, nodes by their
 * distance from the first of their stage. A source is named outright: whether a segment holds it is
 * then the same for all segments of one key, and so is which of them read the same one. */
typedef struct look {
    const snug_plan_problem *p;
    const int32_t *lowest_reader;
    int32_t *forward_first, *backward_first; /* [stage] Lowest node of it; -1. */
} look;

static uint64_t mix(uint64_t hash, int64_t word)
{
    return snug_hash64_mix(hash, (uint64_t)word);
}

static bool is_source(const snug_plan_problem *p, int32_t node)
{
    return (p->graph->nodes[node].op->flags & SNUG_OP_SOURCE) != 0;
}

/* The first node of every stage, forward and backward. */
static void find_first(look *l)
{
    const snug_plan_problem *p = l->p;
    for (int32_t s = 0; s < p->stage_count; s++) {
        l->forward_first[s] = -1;
        l->backward_first[s] = -1;
    }
    for (int32_t n = p->node_count - 1; n >= 0; n--) {
        if (p->active[n] && p->stage[n] >= 0 && !is_source(p, n)) {
            const bool forward = p->graph->nodes[n].phase == SNUG_PHASE_FORWARD;
            (forward ? l->forward_first : l->backward_first)[p->stage[n]] = n;
        }
    }
}

/* Where a node stands in its stage. */
static int64_t place_in_stage(const look *l, int32_t n)
{
    const bool forward = l->p->graph->nodes[n].phase == SNUG_PHASE_FORWARD;
    return n - (forward ? l->forward_first : l->backward_first)[l->p->stage[n]];
}

static uint64_t add_bytes(const snug_plan_problem *p, uint64_t hash, snug_tensor_id t)
{
    const int32_t variants = p->variants_of[p->producer[t]];
    hash = mix(hash, variants);
    for (int32_t v = 0; v < variants; v++) {
        hash = mix(hash, snug_problem_bytes(p, v, t));
    }
    return hash;
}

/* A tensor as stage `s` sees it. */
static uint64_t add_tensor(const look *l, uint64_t hash, snug_tensor_id t, int32_t s)
{
    const snug_plan_problem *p = l->p;
    const int32_t producer = t >= 0 ? p->producer[t] : -1;
    hash = mix(hash, t < 0 ? -1 : (int64_t)p->place[t]);
    if (producer < 0) {
        return hash; /* Parameters, states and their gradients are not counted by loops. */
    }
    if (is_source(p, producer)) {
        return add_bytes(p, mix(hash, t), t);
    }
    const snug_node *node = &p->graph->nodes[producer];
    int32_t output = 0;
    while (node->outputs[output] != t) {
        output++;
    }
    hash = mix(hash, (int64_t)node->phase);
    hash = mix(hash, p->stage[producer] - s);
    hash = mix(hash, place_in_stage(l, producer));
    hash = mix(hash, output);
    if (p->place[t] == SNUG_PLACE_FORWARD) {
        hash = mix(hash, p->last_stage[t] < 0 ? INT32_MAX : p->last_stage[t] - s);
    } else if (p->place[t] == SNUG_PLACE_BACKWARD) {
        hash = mix(hash, l->lowest_reader[t] == INT32_MAX ? INT32_MAX : l->lowest_reader[t] - s);
    }
    return add_bytes(p, hash, t);
}

static uint64_t add_node(const look *l, uint64_t hash, int32_t n)
{
    const snug_plan_problem *p = l->p;
    const snug_node *node = &p->graph->nodes[n];
    const int32_t s = p->stage[n];
    hash = snug_hash64_text(hash, node->op->name);
    hash = mix(hash, (int64_t)node->phase);
    hash = mix(hash, is_source(p, n) ? n : place_in_stage(l, n));
    hash = mix(hash, p->variants_of[n]);
    hash = mix(hash, p->group[n]);
    hash = mix(hash, p->tied[n]);
    for (int32_t v = 0; v < p->variants_of[n]; v++) {
        for (int32_t k = 0; k < p->tile_count; k++) {
            const int64_t at = snug_problem_at(p, v, n, k);
            hash = snug_hash64_f64(mix(hash, p->scratch[at]), p->seconds[at]);
        }
    }
    hash = mix(hash, node->input_count);
    for (int32_t i = 0; i < node->input_count; i++) {
        hash = add_tensor(l, hash, node->inputs[i], s);
    }
    hash = mix(hash, node->output_count);
    for (int32_t o = 0; o < node->output_count; o++) {
        hash = mix(hash, p->inplace[n * SNUG_NODE_OUTPUTS_MAX + o]);
        hash = add_tensor(l, hash, node->outputs[o], s);
    }
    return hash;
}

/* Gradients from above a segment to below it: sums over all b < i and a > j of what goes from a to
 * b, kept as one table of sums. */
static void find_passing(const look *l, snug_alike *alike)
{
    const snug_plan_problem *p = l->p;
    const int32_t n = p->stage_count;
    const int64_t row = (int64_t)n + 2;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        if (p->place[t] == SNUG_PLACE_BACKWARD && l->lowest_reader[t] < p->stage[p->producer[t]]) {
            alike->over[(l->lowest_reader[t] + 1) * row + p->stage[p->producer[t]]] +=
                add_bytes(p, 1, t);
        }
    }
    /* over[i][a]: from stage a or above to below stage i. */
    for (int32_t i = 0; i <= n; i++) {
        for (int32_t a = n; a >= 0; a--) {
            uint64_t *at = &alike->over[i * row + a];
            *at += alike->over[i * row + a + 1];
            if (i > 0) {
                *at += alike->over[(i - 1) * row + a] - alike->over[(i - 1) * row + a + 1];
            }
        }
    }
}

static snug_status allocate(look *l, snug_alike *alike, snug_arena *arena, snug_error *err)
{
    const int64_t n = l->p->stage_count;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, 2 * n, (int64_t)sizeof(int32_t), &memory, err));
    l->forward_first = memory;
    l->backward_first = l->forward_first + n;
    SNUG_TRY(snug_arena_array(arena, 3 * n + 1 + (n + 2) * (n + 2), (int64_t)sizeof(uint64_t),
                              &memory, err));
    alike->stage = memory;
    alike->link = alike->stage + n;
    alike->cut = alike->link + n;
    alike->over = alike->cut + n + 1;
    return SNUG_OK;
}

snug_status snug_alike_init(snug_alike *alike, const snug_plan_problem *problem,
                            const int32_t *lowest_reader, const snug_tensor_id *boundary,
                            snug_arena *arena, snug_error *err)
{
    const snug_plan_problem *p = problem;
    look l = {.p = p, .lowest_reader = lowest_reader};
    snug_alike out = {.stage_count = p->stage_count};
    SNUG_TRY(allocate(&l, &out, arena, err));
    find_first(&l);
    for (int32_t n = 0; n < p->node_count; n++) {
        if (p->active[n] && p->stage[n] >= 0) {
            out.stage[p->stage[n]] = add_node(&l, out.stage[p->stage[n]], n);
        }
    }
    for (int32_t s = 0; s + 1 < p->stage_count; s++) {
        out.link[s] = mix((uint64_t)(l.forward_first[s + 1] - l.forward_first[s]),
                          l.backward_first[s + 1] - l.backward_first[s]);
    }
    for (int32_t c = 0; c <= p->stage_count; c++) {
        out.cut[c] = add_tensor(&l, 0, boundary[c], c);
    }
    find_passing(&l, &out);
    *alike = out;
    return SNUG_OK;
}

uint64_t snug_alike_grow(const snug_alike *alike, uint64_t inner, int32_t i, int32_t j)
{
    return snug_hash64_mix(j > i ? snug_hash64_mix(inner, alike->link[j - 1]) : inner,
                           alike->stage[j]);
}

uint64_t snug_alike_key(const snug_alike *alike, int32_t i, int32_t j, uint64_t inner)
{
    const int64_t row = (int64_t)alike->stage_count + 2;
    uint64_t hash = snug_hash64_mix(inner, alike->cut[i]);
    hash = snug_hash64_mix(hash, alike->cut[j + 1]);
    return snug_hash64_mix(hash, alike->over[i * row + j + 1]);
}
