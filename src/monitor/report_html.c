#include "monitor/report_html.h"

#include <math.h>
#include <string.h>

#include "base/translate.h"
#include "base/utf8.h"

static const char *const tones[] = {"plain", "good", "notice", "bad"};

static const char style[] =
    ":root{color-scheme:light dark;--paper:#ffffff;--card:#f6f8fa;--ink:#1f2328;--soft:#59636e;"
    "--line:#d1d9e0;--good:#1a7f37;--notice:#9a6700;--bad:#cf222e;--plain:#0969da}\n"
    "@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--card:#151b23;--ink:#e6edf3;"
    "--soft:#9198a1;--line:#3d444d;--good:#3fb950;--notice:#d29922;--bad:#f85149;"
    "--plain:#58a6ff}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"
    "\"Segoe UI\",Roboto,\"Noto Sans\",\"Noto Sans CJK SC\",\"PingFang SC\",\"Microsoft YaHei\","
    "\"WenQuanYi Micro Hei\",sans-serif}\n"
    "main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 3rem}\n"
    "h1{font-size:1rem;font-weight:600;color:var(--soft);margin:0 0 1rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.05rem;margin:2.2rem 0 .7rem}\n"
    "p{margin:.4rem 0}\n"
    ".lead{font-size:1.3rem;line-height:1.4;margin:0 0 .5rem;overflow-wrap:anywhere}\n"
    ".lead b{display:inline-block;color:#fff;border-radius:.4em;padding:.05em .55em;"
    "margin-right:.45em;font-weight:600}\n"
    "@media (prefers-color-scheme:dark){.lead b{color:#0d1117}}\n"
    ".lead b.good{background:var(--good)}.lead b.notice{background:var(--notice)}"
    ".lead b.bad{background:var(--bad)}.lead b.plain{background:var(--plain)}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;"
    "margin:1.4rem 0}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:.7rem .9rem}\n"
    ".card span{display:block;color:var(--soft);font-size:.82rem}\n"
    ".card strong{display:block;font-size:1.25rem;font-weight:600;"
    "font-variant-numeric:tabular-nums;overflow-wrap:anywhere}\n"
    ".card.good strong{color:var(--good)}.card.notice strong{color:var(--notice)}"
    ".card.bad strong{color:var(--bad)}\n"
    ".bar{position:relative;height:1.1rem;border-radius:.55rem;background:var(--card);"
    "border:1px solid var(--line);overflow:hidden;margin:.3rem 0}\n"
    ".bar i{display:block;height:100%;background:var(--plain)}\n"
    ".bar i.good{background:var(--good)}.bar i.notice{background:var(--notice)}"
    ".bar i.bad{background:var(--bad)}\n"
    ".barline{color:var(--soft);font-size:.9rem}\n"
    "figure{margin:1rem 0;border:1px solid var(--line);border-radius:.6rem;overflow-x:auto}\n"
    "figure svg{display:block;width:100%;min-width:40rem;height:auto}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
    "th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid var(--line);"
    "white-space:nowrap}\n"
    "th{color:var(--soft);font-weight:600;font-size:.85rem}\n"
    "th:first-child,td:first-child{text-align:left;white-space:normal;min-width:8.5rem}\n"
    "td:nth-child(2):last-child,th:nth-child(2):last-child{text-align:left;white-space:normal;"
    "overflow-wrap:anywhere}\n"
    "pre{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem "
    "1rem;"
    "overflow-x:auto;font:.85rem/1.45 ui-monospace,\"SFMono-Regular\",Menlo,Consolas,\"DejaVu Sans "
    "Mono\",\"Noto Sans Mono CJK SC\",monospace;white-space:pre}\n"
    "ul{margin:.3rem 0;padding-left:1.2rem}li{margin:.2rem 0;overflow-wrap:anywhere}\n"
    "footer{margin-top:2.5rem;color:var(--soft);font-size:.82rem;overflow-wrap:anywhere}\n"
    "@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb}"
    "main{max-width:none;padding:0}.card,figure,tr{break-inside:avoid}h2{break-after:avoid}"
    "figure svg{min-width:0}body{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n";

/* A character that is shown as it is; not a control character, of the second kind neither. */
static bool printable(const char *at, int64_t length)
{
    const unsigned char c = (unsigned char)at[0];
    if (length == 1) {
        return c >= 0x20 && c != 0x7f;
    }
    return !(length == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

void snug_html_words(snug_text *out, const char *words)
{
    const int64_t bytes = (int64_t)strlen(words);
    for (int64_t at = 0; at < bytes;) {
        const int64_t length = snug_utf8_length(words + at, bytes - at);
        const char *const special = length == 1 ? strchr("<>&\"'", words[at]) : NULL;
        if (special != NULL) {
            snug_text_add(out, "&#%d;", words[at]);
        } else if (length > 0 && printable(words + at, length)) {
            snug_text_add(out, "%.*s", (int)length, words + at);
        } else {
            snug_text_add(out, "\xef\xbf\xbd");
        }
        at += length > 0 ? length : 1;
    }
}

void snug_html_begin(snug_text *out, const char *title)
{
    snug_text_add(out,
                  "<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                  "<title>",
                  snug_translated("en"));
    snug_html_words(out, title);
    snug_text_add(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
    snug_html_words(out, title);
    snug_text_add(out, "</h1>\n");
}

void snug_html_headline(snug_text *out, snug_tone tone, const char *word, const char *sentence)
{
    snug_text_add(out, "<p class=\"lead\"><b class=\"%s\">", tones[tone]);
    snug_html_words(out, snug_translated(word));
    snug_text_add(out, "</b>");
    snug_html_words(out, sentence);
    snug_text_add(out, "</p>\n");
}

void snug_html_paragraph(snug_text *out, const char *words)
{
    snug_text_add(out, "<p>");
    snug_html_words(out, snug_translated(words));
    snug_text_add(out, "</p>\n");
}

void snug_html_section(snug_text *out, const char *title)
{
    snug_text_add(out, "<h2>");
    snug_html_words(out, snug_translated(title));
    snug_text_add(out, "</h2>\n");
}

void snug_html_cards_begin(snug_text *out)
{
    snug_text_add(out, "<div class=\"cards\">\n");
}

void snug_html_card(snug_text *out, snug_tone tone, const char *label, const char *value,
                    const char *note)
{
    snug_text_add(out, "<div class=\"card %s\"><span>", tones[tone]);
    snug_html_words(out, snug_translated(label));
    snug_text_add(out, "</span><strong>");
    snug_html_words(out, value);
    snug_text_add(out, "</strong>");
    if (note != NULL) {
        snug_text_add(out, "<span>");
        snug_html_words(out, snug_translated(note));
        snug_text_add(out, "</span>");
    }
    snug_text_add(out, "</div>\n");
}

void snug_html_cards_end(snug_text *out)
{
    snug_text_add(out, "</div>\n");
}

void snug_html_bar(snug_text *out, snug_tone tone, double share, const char *words)
{
    const double percent = 100 * fmin(fmax(share, 0), 1);
    snug_text_add(out, "<div class=\"bar\"><i class=\"%s\" style=\"width:%.1f%%\"></i></div>\n",
                  tones[tone], percent);
    snug_text_add(out, "<p class=\"barline\">");
    snug_html_words(out, words);
    snug_text_add(out, "</p>\n");
}

static void add_cells(snug_text *out, const char *tag, const char *const *cells, int64_t count)
{
    snug_text_add(out, "<tr>");
    for (int64_t i = 0; i < count; i++) {
        snug_text_add(out, "<%s>", tag);
        /* Headings are ours, cells hold what was found. */
        snug_html_words(out, tag[1] == 'h' ? snug_translated(cells[i]) : cells[i]);
        snug_text_add(out, "</%s>", tag);
    }
    snug_text_add(out, "</tr>\n");
}

void snug_html_table_begin(snug_text *out, const char *const *headings, int64_t count)
{
    snug_text_add(out, "<div class=\"scroll\"><table>\n");
    if (count > 0) {
        snug_text_add(out, "<thead>");
        add_cells(out, "th", headings, count);
        snug_text_add(out, "</thead>\n");
    }
    snug_text_add(out, "<tbody>\n");
}

void snug_html_row(snug_text *out, const char *const *cells, int64_t count)
{
    add_cells(out, "td", cells, count);
}

void snug_html_table_end(snug_text *out)
{
    snug_text_add(out, "</tbody></table></div>\n");
}

void snug_html_list_begin(snug_text *out)
{
    snug_text_add(out, "<ul>\n");
}

void snug_html_item(snug_text *out, const char *words)
{
    snug_text_add(out, "<li>");
    snug_html_words(out, words);
    snug_text_add(out, "</li>\n");
}

void snug_html_list_end(snug_text *out)
{
    snug_text_add(out, "</ul>\n");
}

void snug_html_text_block(snug_text *out, const char *words)
{
    snug_text_add(out, "<pre>");
    while (*words != '\0') {
        char line[512];
        snug_text text;
        const size_t length = strcspn(words, "\n");
        snug_text_init(&text, line, sizeof line);
        snug_text_add(&text, "%.*s", (int)(length < sizeof line - 1 ? length : sizeof line - 1),
                      words);
        snug_html_words(out, line);
        snug_text_add(out, "\n");
        words += length + (words[length] == '\n');
    }
    snug_text_add(out, "</pre>\n");
}

void snug_html_figure_begin(snug_text *out)
{
    snug_text_add(out, "<figure>\n");
}

void snug_html_figure_end(snug_text *out)
{
    snug_text_add(out, "</figure>\n");
}

void snug_html_end(snug_text *out, const char *made_by)
{
    snug_text_add(out, "<footer>");
    snug_html_words(out, snug_translated(made_by));
    snug_text_add(out, "</footer>\n</main>\n</body>\n</html>\n");
}
