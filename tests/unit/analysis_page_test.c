/* labels: fast */
/* Pages: what comes from a log stays words, nothing is fetched, what does not fit is said. */
#include "check.h"

#include "base/attr.h"
#include "leak_traces.h"
#include "monitor/analysis.h"
#include "monitor/memory_picture.h"

static snug_analysis_item item;
static double scratch[2 * SNUG_SERIES_BINS_MAX];
static char page[SNUG_ANALYSIS_PAGE_BYTES];

static const char *words_of(const char *words)
{
    static char out[512];
    snug_text text;
    snug_text_init(&text, out, sizeof out);
    snug_html_words(&text, words);
    return out;
}

static void markup_becomes_words(void **state)
{
    SNUG_UNUSED(state);
    assert_string_equal(words_of("a<b>&\"c'"), "a&#60;b&#62;&#38;&#34;c&#39;");
    assert_string_equal(words_of("内存 한국 かな é"), "内存 한국 かな é");
    /* A control character, one of the second kind, and bytes that are no UTF-8. */
    assert_string_equal(words_of("x\x1b[2J\xc2\x9bz\xff"),
                        "x\xef\xbf\xbd[2J\xef\xbf\xbdz\xef\xbf\xbd");
}

static void make_item(double leak)
{
    trace made = trace_begin(TRACE_STATIONARY, 3600, leak, 3);
    memset(&item, 0, sizeof item);
    item.path = "logs/<evil>.jsonl";
    item.log.kind = SNUG_LOG_OURS;
    (void)snprintf(item.log.command, sizeof item.log.command, "%s",
                   "python </title><script>alert('x')</script> 训练");
    item.log.note_count = 1;
    item.log.notes[0].t = 100;
    (void)snprintf(item.log.notes[0].text, sizeof item.log.notes[0].text, "<img src=x onerror=y>");
    for (int64_t t = 0; t < 3600; t++) {
        snug_sample sample = snug_log_sample_none((double)t);
        sample.values[SNUG_QUANTITY_RSS] = 1048576 * trace_next(&made, (double)t);
        snug_series_add(&item.log.series, &sample);
    }
    snug_verdict_find(&item.log, INT64_C(4) << 30, &item.verdict);
}

static void a_page_needs_nothing_and_runs_nothing(void **state)
{
    static const char *const never[] = {
        "<script", "<img", "<link", "href=", "@import", "url(", "nan"};
    const snug_analysis_item *const items[] = {&item};
    snug_text text;
    SNUG_UNUSED(state);
    make_item(0.2);
    snug_text_init(&text, page, sizeof page);
    snug_analysis_page(items, 1, scratch, &text);
    CHECK(!text.truncated);
    CHECK(text.length < 100 << 10);
    /* What an attribute's words look like once they are words. */
    CHECK(strstr(page, "&#60;script&#62;alert(&#39;x&#39;)") != NULL);
    CHECK(strstr(page, "训练") != NULL);
    for (int64_t i = 0; i < SNUG_COUNT(never); i++) {
        if (strstr(page, never[i]) != NULL) {
            print_error("the page has '%s'\n", never[i]);
            fail();
        }
    }
    CHECK(strstr(page, "<svg") != NULL && strstr(page, "</svg>") != NULL);
    CHECK(strstr(page, "class=\"trend dash\"") != NULL);
    CHECK(strstr(page, "limit 4.00 GiB") != NULL);
    CHECK(strstr(page, "</html>") != NULL);
}

static void two_pages_compare(void **state)
{
    const snug_analysis_item *const items[] = {&item, &item};
    snug_text text;
    SNUG_UNUSED(state);
    make_item(0);
    snug_text_init(&text, page, sizeof page);
    snug_analysis_page(items, 2, scratch, &text);
    CHECK(strstr(page, "Before and after") != NULL);
    CHECK(strstr(page, "may be chance") != NULL);
    /* The same log twice differs by nothing. */
    snug_changes changes;
    snug_changes_find(&item, &item, scratch, &changes);
    CHECK(changes.level.before == changes.level.after && !changes.level.sure);
}

static void a_picture_of_little_is_drawn(void **state)
{
    const snug_memory_lines lines = {.budget = 1e12, .budget_words = "limit"};
    snug_text text;
    SNUG_UNUSED(state);
    memset(&item, 0, sizeof item);
    snug_text_init(&text, page, sizeof page);
    snug_memory_picture(&item.log, NULL, &lines, &text);
    assert_int_equal(text.length, 0);
    snug_sample sample = snug_log_sample_none(0);
    sample.values[SNUG_QUANTITY_RSS] = 0;
    snug_series_add(&item.log.series, &sample);
    snug_memory_picture(&item.log, NULL, &lines, &text);
    CHECK(strstr(page, "above the picture") != NULL);
    CHECK(strstr(page, "nan") == NULL);
}

static void what_does_not_fit_is_said(void **state)
{
    const snug_analysis_item *const items[] = {&item};
    char small[1000];
    snug_text text;
    SNUG_UNUSED(state);
    make_item(0);
    snug_text_init(&text, small, sizeof small);
    snug_analysis_page(items, 1, scratch, &text);
    CHECK(text.truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_words),
        cmocka_unit_test(a_page_needs_nothing_and_runs_nothing),
        cmocka_unit_test(two_pages_compare),
        cmocka_unit_test(a_picture_of_little_is_drawn),
        cmocka_unit_test(what_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
