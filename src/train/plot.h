/* Loss and memory over a run as one SVG picture, made in bounded memory however long the run is. */
#ifndef SNUG_TRAIN_PLOT_H
#define SNUG_TRAIN_PLOT_H

#include <stdint.h>

#include "base/status.h"
#include "base/text.h"

enum {
    SNUG_PLOT_POINTS_MAX = 2000, /* Of each series; more are thinned out while they come. */
    SNUG_PLOT_EVALUATIONS_MAX = 2000,
    SNUG_PLOT_TEXT_BYTES = 512 << 10, /* Room that is enough for every picture. */
    SNUG_PLOT_BLOCK_BYTES = 512 << 10 /* Longest line of a journal that is read. */
};

/** A run of neighbouring steps that share a place in the picture. */
typedef struct snug_plot_point {
    double step;     /* The last of them. */
    double loss_sum; /* Over `count` steps. */
    double loss_low, loss_high;
    double rss_bytes; /* The highest. */
    int64_t count;
} snug_plot_point;

/**
 * What is seen of a run. All zeros is an empty plot. Each of the first steps has a point of its
 * own; when there is no room, neighbours are joined and from then on twice as many steps share a
 * point. About 200 KiB; one owner at a time.
 */
typedef struct snug_plot {
    snug_plot_point points[SNUG_PLOT_POINTS_MAX];
    int64_t point_count;
    int64_t stride; /* Steps that share a point; 0 is 1. */
    struct {
        double step, loss;
    } evaluations[SNUG_PLOT_EVALUATIONS_MAX];
    int64_t evaluation_count;
    int64_t evaluation_stride, evaluations_seen;
} snug_plot;

/** Adds a step; steps come in ascending order. A loss that is no number leaves a gap. */
void snug_plot_step(snug_plot *plot, int64_t step, double loss, int64_t rss_bytes);
/** Adds a validation loss. */
void snug_plot_evaluation(snug_plot *plot, int64_t step, double loss);

typedef struct snug_plot_labels {
    const char *title;       /* The model, the data. */
    int64_t budget_bytes;    /* A line; 0: none. */
    int64_t predicted_bytes; /* A dashed line; 0: none. */
} snug_plot_labels;

/**
 * Writes the picture: SVG 1.1, no scripts, no fonts of its own, follows the light or dark scheme of
 * the viewer.
 * @mem     Allocates nothing.
 */
void snug_plot_draw(const snug_plot *plot, const snug_plot_labels *labels, snug_text *out);

/**
 * Adds every step and evaluation of the bytes of a metrics.jsonl: whole lines; an unfinished last
 * line is left out. May be called piece by piece.
 * @param[out] out_used  Bytes of the whole lines.
 * @errors  SNUG_CODE_FORMAT for a line that is no JSON object; the lines before it are in the plot.
 */
SNUG_MUST_CHECK snug_status snug_plot_read(snug_plot *plot, const char *text, int64_t bytes,
                                           int64_t *out_used, snug_error *err);

/**
 * The same for a whole file.
 * @param block  SNUG_PLOT_BLOCK_BYTES of working memory.
 * @errors  As above, and SNUG_CODE_IO, SNUG_CODE_LIMIT for a line longer than the block.
 */
SNUG_MUST_CHECK snug_status snug_plot_load(const char *path, snug_plot *plot, char *block,
                                           snug_error *err);

/** Bytes of working memory of snug_plot_run(), about 1.2 MiB. */
int64_t snug_plot_run_bytes(void);

/**
 * Reads a journal and writes its picture, whole or not at all.
 * @param memory  snug_plot_run_bytes() of it, aligned to SNUG_ALIGN; any content.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FULL, SNUG_CODE_FORMAT, SNUG_CODE_LIMIT.
 */
SNUG_MUST_CHECK snug_status snug_plot_run(const char *journal_path, const char *svg_path,
                                          const snug_plot_labels *labels, void *memory,
                                          snug_error *err);

#endif
