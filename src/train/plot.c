/* Collecting: what comes is thinned out on the way, and read back from a journal. */
#include "train/plot.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sys/file.h"

/* Two neighbours become one point that covers both. */
static void halve_points(snug_plot *plot)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < plot->point_count; i += 2) {
        snug_plot_point joined = plot->points[i];
        if (i + 1 < plot->point_count) {
            const snug_plot_point *other = &plot->points[i + 1];
            joined.step = other->step;
            joined.loss_sum += other->loss_sum;
            joined.loss_low = fmin(joined.loss_low, other->loss_low);
            joined.loss_high = fmax(joined.loss_high, other->loss_high);
            joined.rss_bytes = fmax(joined.rss_bytes, other->rss_bytes);
            joined.count += other->count;
        }
        plot->points[kept++] = joined;
    }
    plot->point_count = kept;
    plot->stride *= 2;
}

void snug_plot_step(snug_plot *plot, int64_t step, double loss, int64_t rss_bytes)
{
    if (plot->stride == 0) {
        plot->stride = 1;
    }
    if (!isfinite(loss)) {
        return;
    }
    snug_plot_point *last = plot->point_count > 0 ? &plot->points[plot->point_count - 1] : NULL;
    if (last != NULL && last->count < plot->stride) {
        last->step = (double)step;
        last->loss_sum += loss;
        last->loss_low = fmin(last->loss_low, loss);
        last->loss_high = fmax(last->loss_high, loss);
        last->rss_bytes = fmax(last->rss_bytes, (double)rss_bytes);
        last->count++;
        return;
    }
    if (plot->point_count == SNUG_PLOT_POINTS_MAX) {
        halve_points(plot);
    }
    plot->points[plot->point_count++] = (snug_plot_point){.step = (double)step,
                                                          .loss_sum = loss,
                                                          .loss_low = loss,
                                                          .loss_high = loss,
                                                          .rss_bytes = (double)rss_bytes,
                                                          .count = 1};
}

void snug_plot_evaluation(snug_plot *plot, int64_t step, double loss)
{
    if (!isfinite(loss)) {
        return;
    }
    if (plot->evaluation_stride == 0) {
        plot->evaluation_stride = 1;
    }
    if (plot->evaluations_seen++ % plot->evaluation_stride != 0) {
        return;
    }
    if (plot->evaluation_count == SNUG_PLOT_EVALUATIONS_MAX) {
        /* Every other one goes; what comes is thinned out the same way. */
        for (int64_t i = 0; i < SNUG_PLOT_EVALUATIONS_MAX / 2; i++) {
            plot->evaluations[i] = plot->evaluations[2 * i];
        }
        plot->evaluation_count /= 2;
        plot->evaluation_stride *= 2;
    }
    plot->evaluations[plot->evaluation_count].step = (double)step;
    plot->evaluations[plot->evaluation_count].loss = loss;
    plot->evaluation_count++;
}

/** The numbers of one line that a picture needs. */
typedef struct line_facts {
    double step, loss, rss_bytes;
    bool has_step, has_loss, evaluation;
} line_facts;

static bool key_is(const snug_json_event *event, const char *name)
{
    return event->kind == SNUG_JSON_KEY && event->text_bytes == (int64_t)strlen(name) &&
           memcmp(event->text, name, (size_t)event->text_bytes) == 0;
}

static snug_status read_number(snug_json_reader *reader, double *out, bool *out_has,
                               snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind == SNUG_JSON_NUMBER) {
        SNUG_TRY(snug_json_to_f64(&event, out, err));
        *out_has = true;
    }
    return SNUG_OK;
}

static snug_status read_line(const char *text, int64_t bytes, line_facts *out, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    bool ignored = false;
    *out = (line_facts){0};
    snug_json_reader_init(&reader, text, bytes);
    SNUG_TRY(snug_json_next(&reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a line of a journal must be a JSON object");
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_END) {
            return SNUG_OK;
        }
        if (event.kind == SNUG_JSON_OBJECT_END) {
            continue;
        }
        if (key_is(&event, "step")) {
            SNUG_TRY(read_number(&reader, &out->step, &out->has_step, err));
        } else if (key_is(&event, "loss")) {
            SNUG_TRY(read_number(&reader, &out->loss, &out->has_loss, err));
        } else if (key_is(&event, "rss_bytes")) {
            SNUG_TRY(read_number(&reader, &out->rss_bytes, &ignored, err));
        } else if (key_is(&event, "evaluation")) {
            /* Its loss stands one level deeper, and the loop goes on in there. */
            out->evaluation = true;
            SNUG_TRY(snug_json_next(&reader, &event, err));
        } else {
            SNUG_TRY(snug_json_skip(&reader, err));
        }
    }
}

snug_status snug_plot_read(snug_plot *plot, const char *text, int64_t bytes, int64_t *out_used,
                           snug_error *err)
{
    int64_t start = 0;
    while (start < bytes) {
        const char *end = memchr(text + start, '\n', (size_t)(bytes - start));
        if (end == NULL) {
            break;
        }
        const int64_t line_bytes = end - (text + start);
        if (line_bytes > 0) {
            line_facts facts;
            SNUG_TRY(read_line(text + start, line_bytes, &facts, err));
            if (facts.evaluation && facts.has_step && facts.has_loss) {
                snug_plot_evaluation(plot, (int64_t)facts.step, facts.loss);
            } else if (facts.has_step && facts.has_loss) {
                snug_plot_step(plot, (int64_t)facts.step, facts.loss, (int64_t)facts.rss_bytes);
            }
        }
        start += line_bytes + 1;
    }
    *out_used = start;
    return SNUG_OK;
}

/** How the working memory of snug_plot_run() is divided. */
typedef struct plot_room {
    snug_plot plot;
    char text[SNUG_PLOT_TEXT_BYTES];
    char block[SNUG_PLOT_BLOCK_BYTES];
} plot_room;

int64_t snug_plot_run_bytes(void)
{
    return (int64_t)sizeof(plot_room);
}

snug_status snug_plot_load(const char *path, snug_plot *plot, char *block, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    int64_t offset = 0;
    SNUG_TRY(snug_file_open(path, &file, err));
    for (;;) {
        int64_t got = 0;
        int64_t used = 0;
        SNUG_TRY_DONE(snug_file_read_some(&file, offset, block, SNUG_PLOT_BLOCK_BYTES, &got, err));
        status = snug_plot_read(plot, block, got, &used, err);
        if (snug_failed(status)) {
            (void)snug_error_prefix(err, "%s", path);
            goto done;
        }
        if (used == 0 && got == SNUG_PLOT_BLOCK_BYTES) {
            SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "%s: a line is longer than %d bytes", path,
                           SNUG_PLOT_BLOCK_BYTES);
        }
        if (used == 0) {
            break;
        }
        offset += used;
    }

done:
    snug_file_close(&file);
    return status;
}

snug_status snug_plot_run(const char *journal_path, const char *svg_path,
                          const snug_plot_labels *labels, void *memory, snug_error *err)
{
    plot_room *room = memory;
    snug_text text;
    memset(&room->plot, 0, sizeof room->plot);
    SNUG_TRY(snug_plot_load(journal_path, &room->plot, room->block, err));
    snug_text_init(&text, room->text, sizeof room->text);
    snug_plot_draw(&room->plot, labels, &text);
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the picture is larger than %d bytes",
                         SNUG_PLOT_TEXT_BYTES);
    }
    SNUG_TRY(snug_file_write_all(svg_path, text.data, text.length, err));
    return SNUG_OK;
}
