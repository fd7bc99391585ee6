#include "plan/explain.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/svg.h"
#include "base/translate.h"

const char *snug_home_name(snug_home home)
{
    static const char *const names[SNUG_HOME_COUNT] = {
        [SNUG_HOME_MEMORY] = "memory", [SNUG_HOME_FILE] = "file"};
    SNUG_ASSERT((int32_t)home >= 0 && home < SNUG_HOME_COUNT);
    return names[home];
}

void snug_plan_tiers(const snug_program *program, int64_t out[SNUG_HOME_COUNT])
{
    memset(out, 0, SNUG_HOME_COUNT * sizeof *out);
    for (int64_t b = 0; b < program->buffer_count; b++) {
        const snug_plan_buffer *one = &program->buffers[b];
        out[one->home] += one->persistent ? one->bytes : 0;
    }
}

static bool is_live(const snug_plan_buffer *b, int32_t call)
{
    return b->persistent || (b->first <= call && call <= b->last);
}

/* Transient buffers that live somewhere in a few consecutive calls. */
enum { NEAR_CALLS = 32, NEAR_MAX = 2048 };
typedef struct vicinity {
    int64_t persistent_bytes;
    int32_t count; /* NEAR_MAX: there are more; then all buffers are looked at. */
    int32_t index[NEAR_MAX];
} vicinity;

static void look_around(const snug_program *program, int32_t first, int32_t last, vicinity *near)
{
    near->persistent_bytes = 0;
    near->count = 0;
    for (int32_t b = 0; b < program->buffer_count; b++) {
        const snug_plan_buffer *one = &program->buffers[b];
        near->persistent_bytes += one->persistent ? one->bytes : 0;
        if (!one->persistent && one->first <= last && one->last >= first &&
            near->count < NEAR_MAX) {
            near->index[near->count++] = b;
        }
    }
}

/* The k-th of the buffers nearby; NULL behind the last. */
static const snug_plan_buffer *near_buffer(const snug_program *program, const vicinity *near,
                                           int64_t k)
{
    if (near->count == NEAR_MAX) {
        return k < program->buffer_count ? &program->buffers[k] : NULL;
    }
    return k < near->count ? &program->buffers[near->index[k]] : NULL;
}

static bool passes(const snug_plan_buffer *b, int32_t call)
{
    return !b->persistent && is_live(b, call);
}

/* Bytes of what is live, those shared counted more than once: an upper bound. */
static int64_t summed_bytes(const snug_program *program, const vicinity *near, int32_t call)
{
    int64_t total = near->persistent_bytes;
    const snug_plan_buffer *b;
    for (int64_t k = 0; (b = near_buffer(program, near, k)) != NULL; k++) {
        total += passes(b, call) ? b->bytes : 0;
    }
    return total;
}

/* Bytes that some live buffer covers: in-place buffers share theirs. */
static int64_t covered_bytes(const snug_program *program, const vicinity *near, int32_t call)
{
    int64_t total = near->persistent_bytes;
    const snug_plan_buffer *one;
    const snug_plan_buffer *other;
    for (int64_t k = 0; (one = near_buffer(program, near, k)) != NULL; k++) {
        int64_t own = passes(one, call) ? one->bytes : 0;
        for (int64_t o = 0; own > 0 && (other = near_buffer(program, near, o)) != NULL; o++) {
            /* Of two that share an offset the larger counts; of equals the first. */
            if (other->offset == one->offset && o != k && passes(other, call) &&
                (other->bytes > one->bytes || (other->bytes == one->bytes && o < k))) {
                own = 0;
            }
        }
        total += own;
    }
    return total;
}

static snug_node_id owner_of_scratch(const snug_program *program, int32_t buffer)
{
    for (int64_t c = 0; c < program->call_count; c++) {
        if (program->calls[c].scratch == buffer) {
            return program->calls[c].node;
        }
    }
    return -1;
}

static void add_consumer(const snug_program *program, int32_t buffer, snug_plan_peak *peak)
{
    const snug_plan_buffer *b = &program->buffers[buffer];
    int32_t at = peak->consumer_count;
    while (at > 0 && peak->consumers[at - 1].bytes < b->bytes) {
        at--;
    }
    if (at >= SNUG_PLAN_CONSUMERS_MAX) {
        return;
    }
    if (peak->consumer_count < SNUG_PLAN_CONSUMERS_MAX) {
        peak->consumer_count++;
    }
    for (int32_t k = peak->consumer_count - 1; k > at; k--) {
        peak->consumers[k] = peak->consumers[k - 1];
    }
    peak->consumers[at] =
        (snug_plan_consumer){.tensor = b->tensor,
                             .bytes = b->bytes,
                             .node = b->tensor < 0 ? owner_of_scratch(program, buffer) : -1};
}

/* Fills categories and consumers at one call, largest of buffers that share an offset only. */
static void describe(const snug_program *program, int32_t call, snug_plan_peak *peak)
{
    int64_t counted = 0;
    for (int32_t b = 0; b < program->buffer_count; b++) {
        const snug_plan_buffer *one = &program->buffers[b];
        bool counts = is_live(one, call);
        for (int32_t o = 0; o < program->buffer_count && counts; o++) {
            const snug_plan_buffer *other = &program->buffers[o];
            counts = o == b || !is_live(other, call) || other->offset != one->offset ||
                     other->bytes < one->bytes || (other->bytes == one->bytes && o > b);
        }
        if (counts) {
            peak->category_bytes[one->category] += one->bytes;
            counted += one->bytes;
            if (!one->persistent) {
                add_consumer(program, b, peak);
            }
        }
    }
    peak->live_bytes = counted;
    peak->category_bytes[SNUG_CATEGORY_WORKSPACE] += program->arena_bytes - counted;
}

void snug_plan_find_peak(const snug_program *program, snug_plan_peak *out)
{
    int64_t most = -1;
    *out = (snug_plan_peak){.call = -1, .node = -1};
    vicinity near = {0};
    for (int32_t c = 0; c < program->call_count; c++) {
        if (c % NEAR_CALLS == 0) {
            look_around(program, c, c + NEAR_CALLS - 1, &near);
        }
        if (summed_bytes(program, &near, c) > most) {
            const int64_t covered = covered_bytes(program, &near, c);
            if (covered > most) {
                most = covered;
                out->call = c;
                out->node = program->calls[c].node;
            }
        }
    }
    if (out->call >= 0) {
        describe(program, out->call, out);
    }
}

void snug_plan_name_consumers(const snug_plan_peak *peak, const snug_graph *graph, snug_text *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    for (int32_t k = 0; k < peak->consumer_count; k++) {
        const snug_plan_consumer *c = &peak->consumers[k];
        const bool scratch = c->tensor < 0;
        const char *name = scratch ? (c->node >= 0 ? graph->nodes[c->node].name : "?")
                                   : graph->tensors[c->tensor].name;
        snug_text_add(out, "%s%s'%s' %s", k == 0 ? "" : ", ",
                      scratch ? snug_translated("workspace of ") : "", name,
                      snug_size_text(c->bytes, size));
    }
}

static const char *mode_text(snug_keep_mode mode)
{
    switch (mode) {
    case SNUG_KEEP_ALL:
        return "keep all";
    case SNUG_KEEP_COSTLY:
        return "keep, cheap ops again";
    case SNUG_KEEP_NONE:
        return "run again";
    case SNUG_KEEP_FUSED:
        return "forward and backward at once";
    }
    return "?";
}

/* Names of the first and the last node that a loop runs at home. */
static void name_segment(const snug_program *program, const snug_graph *graph,
                         const snug_plan_segment *segment, snug_text *out)
{
    const char *first = NULL;
    const char *last = NULL;
    for (int64_t l = 0; l < program->loop_count; l++) {
        const snug_plan_loop *loop = &program->loops[l];
        if (loop->stage_first != segment->stage_first || loop->kind == SNUG_LOOP_BACKWARD) {
            continue;
        }
        for (int32_t c = loop->first_call; c < loop->first_call + loop->call_count; c++) {
            const snug_node *node = &graph->nodes[program->calls[c].node];
            if (node->phase == SNUG_PHASE_FORWARD && (node->op->flags & SNUG_OP_SOURCE) == 0) {
                first = first == NULL ? node->name : first;
                last = node->name;
            }
        }
    }
    if (first != NULL) {
        snug_text_add(out, "%s%s%s", first, first == last ? "" : " .. ", first == last ? "" : last);
    }
}

void snug_plan_explain(const snug_program *program, const snug_graph *graph, snug_text *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_plan_peak peak;
    snug_plan_find_peak(program, &peak);
    snug_text_say(out, "arena %s", snug_size_text(program->arena_bytes, size));
    if (peak.call >= 0) {
        snug_text_say(out, ", fullest while '%s' runs", graph->nodes[peak.node].name);
    }
    snug_text_add(out, "\n");
    snug_text_say(out, "largest at the peak: ");
    snug_plan_name_consumers(&peak, graph, out);
    snug_text_say(out, "\nbatch %lld, micro-batch %lld\n", (long long)program->batch,
                  (long long)program->micro_batch);
    for (int64_t s = 0; s < program->segment_count; s++) {
        const snug_plan_segment *segment = &program->segments[s];
        snug_text_say(out, "  stages %3d to %3d  ", segment->stage_first, segment->stage_last);
        snug_text_cell(out, -28,
                       snug_translated(snug_plan_trains(program->mode) ? mode_text(segment->mode)
                                                                       : "forward"));
        snug_text_say(out, "  tile %lld", (long long)segment->forward_tile);
        if (segment->backward_tile > 0) {
            snug_text_add(out, " / %lld%s", (long long)segment->backward_tile,
                          segment->keep_sources ? snug_translated(", inputs kept") : "");
        }
        if (segment->variant > 0) {
            snug_text_say(out, "  variant %d", segment->variant);
        }
        snug_text_add(out, "  ");
        name_segment(program, graph, segment, out);
        snug_text_add(out, "\n");
    }
}

enum {
    PICTURE_WIDTH = SNUG_PLAN_PICTURE_WIDTH,
    PICTURE_HEIGHT = SNUG_PLAN_PICTURE_HEIGHT,
    PICTURE_MARGIN = 60
};

/* What the title says of a program that is not a whole step. */
static const char *pass_text(snug_plan_mode mode)
{
    return mode == SNUG_PLAN_MEASURE ? "first pass, measures gradients: "
           : mode == SNUG_PLAN_APPLY ? "second pass, applies them: "
                                     : "";
}

static const char *const colours[SNUG_CATEGORY_COUNT] = {
    [SNUG_CATEGORY_WEIGHTS] = "#4e79a7",   [SNUG_CATEGORY_GRADIENTS] = "#f28e2b",
    [SNUG_CATEGORY_OPTIMIZER] = "#76b7b2", [SNUG_CATEGORY_ACTIVATIONS] = "#59a14f",
    [SNUG_CATEGORY_WORKSPACE] = "#bab0ac", [SNUG_CATEGORY_DATA] = "#edc948",
    [SNUG_CATEGORY_RUNTIME] = "#b07aa1"};

static void draw_buffer(const snug_program *program, const snug_graph *graph,
                        const snug_plan_buffer *b, snug_text *out)
{
    const double x_unit =
        (double)(PICTURE_WIDTH - 2 * PICTURE_MARGIN) / (double)snug_max_i64(program->call_count, 1);
    const double y_unit = (double)(PICTURE_HEIGHT - 2 * PICTURE_MARGIN) /
                          (double)snug_max_i64(program->arena_bytes, 1);
    char size[SNUG_SIZE_TEXT_BYTES];
    const double x = PICTURE_MARGIN + x_unit * b->first;
    const double width = x_unit * (b->last - b->first + 1);
    const double height = y_unit * (double)b->bytes;
    const double y = PICTURE_HEIGHT - PICTURE_MARGIN - y_unit * (double)b->offset - height;
    const char *name = b->tensor < 0 ? "workspace" : graph->tensors[b->tensor].name;
    snug_text_add(out,
                  "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
                  "stroke=\"#333\" stroke-width=\"0.3\" fill-opacity=\"0.85\"><title>",
                  x, y, width, height, colours[b->category]);
    snug_svg_escaped(out, name);
    snug_text_add(out, " %s</title></rect>\n", snug_size_text(b->bytes, size));
    if (height > 9.0 && width > 6.0 * (double)strlen(name)) {
        snug_text_add(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"8\">", x + 2.0,
                      y + height / 2.0 + 3.0);
        snug_svg_escaped(out, name);
        snug_text_add(out, "</text>\n");
    }
}

void snug_plan_picture(const snug_program *program, const snug_graph *graph, snug_text *out)
{
    static const char *const kinds[] = {"forward", "fused", "backward", "update"};
    const double x_unit =
        (double)(PICTURE_WIDTH - 2 * PICTURE_MARGIN) / (double)snug_max_i64(program->call_count, 1);
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_text_add(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                  "font-family=\"sans-serif\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                  PICTURE_WIDTH, PICTURE_HEIGHT, PICTURE_WIDTH, PICTURE_HEIGHT);
    snug_text_add(out,
                  "<text x=\"%d\" y=\"24\" font-size=\"14\">%sarena %s, batch %lld, "
                  "micro-batch %lld</text>\n",
                  PICTURE_MARGIN, pass_text(program->mode),
                  snug_size_text(program->arena_bytes, size), (long long)program->batch,
                  (long long)program->micro_batch);
    for (int32_t k = 0; k < SNUG_CATEGORY_RUNTIME; k++) {
        snug_text_add(out,
                      "<rect x=\"%d\" y=\"34\" width=\"12\" height=\"12\" fill=\"%s\"/>"
                      "<text x=\"%d\" y=\"44\" font-size=\"11\">%s</text>\n",
                      PICTURE_MARGIN + 120 * k, colours[k], PICTURE_MARGIN + 120 * k + 16,
                      snug_category_name((snug_category)k));
    }
    for (int64_t b = 0; b < program->buffer_count; b++) {
        draw_buffer(program, graph, &program->buffers[b], out);
    }
    for (int64_t l = 0; l < program->loop_count; l++) {
        const snug_plan_loop *loop = &program->loops[l];
        const double x = PICTURE_MARGIN + x_unit * loop->first_call;
        snug_text_add(out,
                      "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#000\" "
                      "stroke-width=\"0.5\"/><text x=\"%.1f\" y=\"%d\" font-size=\"8\" "
                      "transform=\"rotate(30 %.1f %d)\">%s %lld</text>\n",
                      x, PICTURE_MARGIN, x, PICTURE_HEIGHT - PICTURE_MARGIN, x,
                      PICTURE_HEIGHT - PICTURE_MARGIN + 12, x, PICTURE_HEIGHT - PICTURE_MARGIN + 12,
                      kinds[loop->kind], (long long)loop->tile);
    }
    snug_text_add(out, "</svg>\n");
}
