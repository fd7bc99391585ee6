/* More views of a plan: the curve of memory and time, a picture of the arena, the certificate. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "base/translate.h"
#include "plan/certificate.h"
#include "plan/explain.h"
#include "plan/verify.h"
#include "sys/heap.h"
#include "train/session.h"

enum {
    CURVE_BYTES = 96 << 10,
    VERIFY_BLOCK_BYTES = 4 << 20,
    CERTIFICATE_BYTES_MAX = 64 << 20,
    CURVE_LEFT = 90,
    CURVE_RIGHT = 900,
    CURVE_TOP = 60,
    CURVE_BOTTOM = 440
};

/** What the process has beside the arena, so that points are budgets and not arenas. */
static int64_t beside(const snug_session *session)
{
    return session->minimum_budget_bytes - session->plan_facts.minimum_arena_bytes;
}

static double ratio(const snug_plan_facts *facts, int32_t point)
{
    return facts->points[point].seconds / facts->unlimited_seconds;
}

static void curve_text(const snug_session *session, const snug_plan_facts *facts, snug_text *text)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_text_cell(text, 14, snug_translated("budget"));
    snug_text_cell(text, 12, snug_translated("time ratio"));
    snug_text_cell(text, 14, snug_translated("micro-batch"));
    snug_text_cell(text, 9, snug_translated("passes"));
    snug_text_add(text, "\n");
    for (int32_t i = 0; i < facts->point_count; i++) {
        snug_text_add(text, "%14s%12.3f%14lld%9d\n",
                      snug_size_text(facts->points[i].arena_bytes + beside(session), size),
                      ratio(facts, i), (long long)facts->points[i].micro_batch,
                      facts->points[i].passes);
    }
}

static void curve_json(const snug_session *session, const snug_plan_facts *facts, snug_text *text)
{
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.curve/1");
    snug_json_key(&json, "points");
    snug_json_array_begin(&json);
    for (int32_t i = 0; i < facts->point_count; i++) {
        snug_json_object_begin(&json);
        snug_json_put_i64(&json, "budget_bytes", facts->points[i].arena_bytes + beside(session));
        snug_json_put_f64(&json, "time_ratio", ratio(facts, i));
        snug_json_put_i64(&json, "micro_batch", facts->points[i].micro_batch);
        snug_json_put_i64(&json, "passes", facts->points[i].passes);
        snug_json_object_end(&json);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

snug_status snug_session_curve_write(const snug_session *session, snug_format format,
                                     snug_write write, void *context, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    snug_plan_facts facts;
    snug_text text;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, CURVE_BYTES, false, &memory, err));
    snug_text_init(&text, memory, CURVE_BYTES);
    SNUG_TRY_DONE(snug_session_plan_curve(session, &facts, err));
    if (format == SNUG_FORMAT_JSON) {
        curve_json(session, &facts, &text);
    } else {
        curve_text(session, &facts, &text);
    }
    write(context, text.data, text.length);

done:
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, CURVE_BYTES);
    return status;
}

/** Axes of the curve: budgets on a logarithmic scale, times on a linear one. */
typedef struct curve_scale {
    double bytes_low, bytes_high, ratio_high;
} curve_scale;

static double curve_x(const curve_scale *scale, double bytes)
{
    const double share = log(bytes / scale->bytes_low) / log(scale->bytes_high / scale->bytes_low);
    return CURVE_LEFT + share * (CURVE_RIGHT - CURVE_LEFT);
}

static double curve_y(const curve_scale *scale, double value)
{
    return CURVE_BOTTOM - (value - 1.0) / (scale->ratio_high - 1.0) * (CURVE_BOTTOM - CURVE_TOP);
}

static void draw_axes(const curve_scale *scale, snug_text *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    for (int64_t bytes = 1 << 20; (double)bytes < scale->bytes_high; bytes *= 2) {
        if ((double)bytes < scale->bytes_low) {
            continue;
        }
        const double x = curve_x(scale, (double)bytes);
        snug_text_add(out,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                      "<text class=\"mid\" x=\"%.1f\" y=\"%d\">%s</text>\n",
                      x, x, CURVE_TOP, CURVE_BOTTOM, x, CURVE_BOTTOM + 20,
                      snug_size_text(bytes, size));
    }
    for (int step = 0; step <= 4; step++) {
        const double value = 1.0 + (scale->ratio_high - 1.0) * step / 4.0;
        const double y = curve_y(scale, value);
        snug_text_add(out,
                      "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text class=\"end\" x=\"%d\" y=\"%.1f\">%.2f x</text>\n",
                      CURVE_LEFT, CURVE_RIGHT, y, y, CURVE_LEFT - 8, y + 4.0, value);
    }
}

static void curve_picture(const snug_session *session, const snug_plan_facts *facts, snug_text *out)
{
    const int32_t last = facts->point_count - 1;
    const curve_scale scale = {
        .bytes_low = 0.95 * (double)(facts->points[0].arena_bytes + beside(session)),
        .bytes_high = 1.05 * (double)(facts->points[last].arena_bytes + beside(session)),
        .ratio_high = snug_max_f64(1.1, ratio(facts, 0))};
    snug_text_add(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 500\" width=\"960\" "
                  "height=\"500\" role=\"img\" aria-label=\"time of a step over the budget\">\n"
                  "<style>text{font:13px system-ui,sans-serif;fill:#57606a}.paper{fill:#fff}"
                  ".grid{stroke:#d8dee4}.line{fill:none;stroke:#0969da;stroke-width:2}"
                  ".title{font-size:17px;font-weight:600;fill:#24292f}.end{text-anchor:end}"
                  ".mid{text-anchor:middle}</style>\n"
                  "<rect class=\"paper\" width=\"960\" height=\"500\"/>\n"
                  "<text class=\"title\" x=\"%d\" y=\"34\">time of a step over the budget, "
                  "1 is the fastest plan</text>\n",
                  CURVE_LEFT);
    draw_axes(&scale, out);
    snug_text_add(out, "<path class=\"line\" d=\"");
    for (int32_t i = 0; i <= last; i++) {
        const double x = curve_x(&scale, (double)(facts->points[i].arena_bytes + beside(session)));
        const double y = curve_y(&scale, ratio(facts, i));
        if (i == 0) {
            snug_text_add(out, "M%.1f %.1f", x, y);
        } else {
            snug_text_add(out, "H%.1fV%.1f", x, y); /* A budget between two points buys the left. */
        }
    }
    snug_text_add(out,
                  "H%d\"/>\n<text class=\"mid\" x=\"%d\" y=\"%d\">budget of the process</text>\n"
                  "</svg>\n",
                  CURVE_RIGHT, (CURVE_LEFT + CURVE_RIGHT) / 2, CURVE_BOTTOM + 44);
}

/* `facts` hold a curve for those who draw it, else NULL. */
typedef void (*draw_function)(const snug_session *session, const snug_plan_facts *facts,
                              snug_text *out);

/** What the session's main bucket runs: a step, or the forward program as one. */
static snug_step_plan shown_step(const snug_session *session)
{
    const snug_session_bucket *bucket = snug_session_main(session);
    return session->has_train ? bucket->step
                              : (snug_step_plan){.passes = 1, .train = bucket->forward};
}

/** One program; of two passes the second below the first. */
static void arena_picture(const snug_session *session, const snug_plan_facts *facts, snug_text *out)
{
    (void)facts;
    const snug_step_plan step = shown_step(session);
    const snug_graph *graph = &snug_session_main(session)->graph;
    if (step.passes == 1) {
        snug_plan_picture(&step.train, graph, out);
        return;
    }
    snug_text_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\">\n",
                  SNUG_PLAN_PICTURE_WIDTH, 2 * SNUG_PLAN_PICTURE_HEIGHT);
    for (int32_t i = 0; i < 2; i++) {
        snug_text_add(out, "<svg y=\"%d\" width=\"%d\" height=\"%d\">\n",
                      i * SNUG_PLAN_PICTURE_HEIGHT, SNUG_PLAN_PICTURE_WIDTH,
                      SNUG_PLAN_PICTURE_HEIGHT);
        snug_plan_picture(i == 0 ? &step.measure : &step.train, graph, out);
        snug_text_add(out, "</svg>\n");
    }
    snug_text_add(out, "</svg>\n");
}

static void certificate(const snug_session *session, const snug_plan_facts *facts, snug_text *out)
{
    (void)facts;
    const snug_step_plan step = shown_step(session);
    snug_certificate_write_step(&step, &snug_session_main(session)->graph, out);
}

/** Builds a text in memory of its own and writes it, whole or not at all. */
static snug_status write_text_file(const snug_session *session, const snug_plan_facts *facts,
                                   const char *path, int64_t bytes, draw_function draw,
                                   snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    snug_text text;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, bytes, false, &memory, err));
    snug_text_init(&text, memory, bytes);
    draw(session, facts, &text);
    if (text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "'%s' would be more than %lld bytes", path,
                       (long long)bytes);
    }
    SNUG_TRY_DONE(snug_file_write_all(path, text.data, text.length, err));

done:
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, bytes);
    return status;
}

snug_status snug_session_curve_draw(const snug_session *session, const char *path, snug_error *err)
{
    snug_plan_facts facts;
    SNUG_TRY(snug_session_plan_curve(session, &facts, err));
    return write_text_file(session, &facts, path, CURVE_BYTES, curve_picture, err);
}

snug_status snug_session_picture(const snug_session *session, const char *path, snug_error *err)
{
    const snug_step_plan step = shown_step(session);
    const int64_t bytes =
        (256 << 10) + 1024 * (step.measure.buffer_count + step.train.buffer_count);
    return write_text_file(session, NULL, path, bytes, arena_picture, err);
}

snug_status snug_session_certificate_save(const snug_session *session, const char *path,
                                          snug_error *err)
{
    const snug_step_plan step = shown_step(session);
    const int64_t bytes = snug_certificate_step_bytes(&step, &snug_session_main(session)->graph);
    return write_text_file(session, NULL, path, bytes, certificate, err);
}

snug_status snug_session_certificate_check(snug_session *session, const char *path, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena arena;
    const char *json = NULL;
    int64_t bytes = 0;
    snug_step_plan step;
    snug_heap_arena_init(&arena, "certificate", SNUG_CATEGORY_RUNTIME, VERIFY_BLOCK_BYTES);
    SNUG_TRY_DONE(snug_file_read_all(path, CERTIFICATE_BYTES_MAX, &arena, &json, &bytes, err));
    SNUG_TRY_DONE(snug_certificate_read_step(json, bytes, &snug_session_main(session)->graph,
                                             &arena, &step, err));
    SNUG_TRY_DONE(snug_plan_verify_step(&step, &session->buckets[session->bucket_count - 1].graph,
                                        &arena, err));

done:
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    if (snug_failed(status) && status != SNUG_CODE_IO) {
        (void)snug_error_prefix(err, "%s", path);
    }
    return status;
}
