/* labels: fast */
/* The picture of a run: bounded for any length, true to the numbers, safe against odd titles. */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "base/limits.h"
#include "sys/file.h"
#include "train/plot.h"

static snug_plot plot;
static char picture[SNUG_PLOT_TEXT_BYTES];

static void draw(const snug_plot_labels *labels)
{
    snug_text text;
    snug_text_init(&text, picture, sizeof picture);
    snug_plot_draw(&plot, labels, &text);
    CHECK(!text.truncated);
    CHECK(strncmp(picture, "<svg ", 5) == 0);
    CHECK(strcmp(picture + text.length - 7, "</svg>\n") == 0);
    CHECK(strstr(picture, "nan") == NULL && strstr(picture, "inf,") == NULL);
}

static void long_runs_are_thinned_out_without_losing_extremes(void **state)
{
    (void)state;
    enum { STEPS = 1000003 };
    memset(&plot, 0, sizeof plot);
    for (int64_t step = 1; step <= STEPS; step++) {
        const double loss = step == 777777 ? 9.0 : 1.0 / (double)step;
        snug_plot_step(&plot, step, loss, step == 123456 ? 5000 : 1000);
        if (step % 100 == 0) {
            snug_plot_evaluation(&plot, step, 0.5);
        }
    }
    CHECK(plot.point_count <= SNUG_PLOT_POINTS_MAX);
    CHECK(plot.point_count > SNUG_PLOT_POINTS_MAX / 2 - 2);
    CHECK(plot.evaluation_count <= SNUG_PLOT_EVALUATIONS_MAX);
    int64_t steps = 0;
    double high = 0;
    double rss = 0;
    for (int64_t i = 0; i < plot.point_count; i++) {
        steps += plot.points[i].count;
        high = fmax(high, plot.points[i].loss_high);
        rss = fmax(rss, plot.points[i].rss_bytes);
        CHECK(i == 0 || plot.points[i].step > plot.points[i - 1].step);
    }
    CHECK(steps == STEPS);
    CHECK(high == 9.0 && rss == 5000);
    CHECK(plot.points[plot.point_count - 1].step == STEPS);
    draw(&(snug_plot_labels){.title = "long", .budget_bytes = 1 << 30});
    CHECK(strstr(picture, "class=\"band\"") != NULL);
}

static void a_budget_far_above_does_not_press_the_curve_flat(void **state)
{
    snug_plot_labels labels = {
        .title = "far", .budget_bytes = INT64_C(13) << 30, .predicted_bytes = INT64_C(20) << 20};
    (void)state;
    memset(&plot, 0, sizeof plot);
    draw(&labels);
    CHECK(strstr(picture, "budget 13.00 GiB, above the picture") != NULL);
    CHECK(strstr(picture, ">20<") != NULL && strstr(picture, "e+0") == NULL);
    labels.budget_bytes = INT64_C(40) << 20;
    draw(&labels);
    CHECK(strstr(picture, "budget 40.0 MiB<") != NULL);
    CHECK(strstr(picture, "<title>budget</title>") != NULL);
}

static void odd_runs_have_pictures_too(void **state)
{
    (void)state;
    memset(&plot, 0, sizeof plot);
    draw(&(snug_plot_labels){.title = ""});
    snug_plot_step(&plot, 5, NAN, 10);
    CHECK(plot.point_count == 0);
    snug_plot_step(&plot, 5, 0, 10);
    draw(&(snug_plot_labels){.title = "a <b> & \"c\"\n"});
    CHECK(strstr(picture, "a &lt;b&gt; &amp; \"c\"</text>") != NULL);
    snug_plot_step(&plot, 6, -3, 10);
    snug_plot_evaluation(&plot, 6, INFINITY);
    CHECK(plot.evaluation_count == 0);
    draw(&(snug_plot_labels){.title = "negative", .predicted_bytes = 100 << 20});
    CHECK(strstr(picture, "predicted peak 100.0 MiB") != NULL);
}

static void a_journal_is_read_in_pieces(void **state)
{
    (void)state;
    static const char text[] =
        "{\"step\":1,\"epoch\":0,\"loss\":2.5,\"rss_bytes\":1048576}\n"
        "{\"event\":\"note\",\"message\":\"step\"}\n"
        "{\"step\":1,\"evaluation\":{\"samples\":4,\"loss\":1.25,\"target_mse\":[1,2]}}\n"
        "{\"step\":2,\"loss\":null,\"rss_bytes\":1}\n"
        "{\"step\":3,\"loss\":1.5,\"rss_bytes\":2097152}\n"
        "{\"step\":4,\"los";
    snug_error err = {0};
    int64_t used = 0;
    memset(&plot, 0, sizeof plot);
    CHECK_OK(snug_plot_read(&plot, text, 70, &used, &err));
    const int64_t first = used;
    CHECK(first < 70 && plot.point_count == 1);
    CHECK_OK(snug_plot_read(&plot, text + first, (int64_t)sizeof text - 1 - first, &used, &err));
    CHECK(first + used == strrchr(text, '\n') + 1 - text);
    CHECK(plot.point_count == 2 && plot.evaluation_count == 1);
    CHECK(plot.points[1].step == 3 && plot.points[1].loss_low == 1.5);
    CHECK(plot.points[1].rss_bytes == 2097152);
    CHECK(plot.evaluations[0].step == 1 && plot.evaluations[0].loss == 1.25);
    CHECK_FAILS(snug_plot_read(&plot, "[1]\n", 4, &used, &err), SNUG_CODE_FORMAT);
    CHECK_FAILS(snug_plot_read(&plot, "{\"step\":}\n", 10, &used, &err), SNUG_CODE_FORMAT);
}

static void a_run_becomes_a_file(void **state)
{
    (void)state;
    snug_error err = {0};
    char journal[64];
    char svg[64];
    void *memory = NULL;
    static char lines[200000];
    (void)snprintf(journal, sizeof journal, "plot_test.%d.jsonl", (int)getpid());
    (void)snprintf(svg, sizeof svg, "plot_test.%d.svg", (int)getpid());
    snug_text text;
    snug_text_init(&text, lines, sizeof lines);
    for (int step = 1; step <= 1200; step++) {
        snug_text_add(&text, "{\"step\":%d,\"loss\":%.6f,\"rss_bytes\":%d}\n", step,
                      0.02 + 2.0 / (1 + step * 0.05) * (1 + 0.2 * sin(step)),
                      (int)((440 + 30 * (step > 300)) * 1048576.0));
        if (step % 100 == 0) {
            snug_text_add(&text, "{\"step\":%d,\"evaluation\":{\"loss\":%.6f}}\n", step,
                          0.05 + 2.2 / (1 + step * 0.05));
        }
    }
    CHECK(!text.truncated);
    CHECK_OK(snug_file_write_all(journal, lines, text.length, &err));
    assert_int_equal(posix_memalign(&memory, SNUG_ALIGN, (size_t)snug_plot_run_bytes()), 0);
    CHECK_OK(snug_plot_run(journal, svg,
                           &(snug_plot_labels){.title = "regression_vemg2pose",
                                               .budget_bytes = INT64_C(600) << 20,
                                               .predicted_bytes = INT64_C(548) << 20},
                           memory, &err));
    CHECK(snug_path_look(svg) == SNUG_PATH_FILE);
    CHECK_FAILS(snug_plot_run("no/such.jsonl", svg, &(snug_plot_labels){.title = ""}, memory, &err),
                SNUG_CODE_IO);
    free(memory);
    const char *keep = getenv("SNUG_KEEP");
    if (keep == NULL) {
        CHECK_OK(snug_file_remove(svg, &err));
    }
    CHECK_OK(snug_file_remove(journal, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_runs_are_thinned_out_without_losing_extremes),
        cmocka_unit_test(a_budget_far_above_does_not_press_the_curve_flat),
        cmocka_unit_test(odd_runs_have_pictures_too),
        cmocka_unit_test(a_journal_is_read_in_pieces),
        cmocka_unit_test(a_run_becomes_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
