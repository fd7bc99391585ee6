/* Pieces of a page that needs nothing from outside: headline, cards, tables, escaped words. */
#ifndef SNUG_MONITOR_REPORT_HTML_H
#define SNUG_MONITOR_REPORT_HTML_H

#include <stdint.h>

#include "base/text.h"

/*
 * Everything is added to a snug_text; what does not fit sets its `truncated`. Nothing allocates.
 * The page has no script and loads nothing; it follows the light or dark scheme of the viewer,
 * prints on white, and leaves the choice of fonts to the system, so that Chinese, Japanese and
 * Korean words are shown by the fonts that are there.
 */

/** How something is meant; decides its colour. */
typedef enum snug_tone {
    SNUG_TONE_PLAIN,
    SNUG_TONE_GOOD,
    SNUG_TONE_NOTICE,
    SNUG_TONE_BAD
} snug_tone;

/** Words from outside: markup becomes text; control characters and bytes that are no UTF-8 become
 *  the replacement character. Good inside elements and quoted attributes. */
void snug_html_words(snug_text *out, const char *words);

void snug_html_begin(snug_text *out, const char *title);
/** The page's first sentence, with a word in front that is coloured by `tone`. */
void snug_html_headline(snug_text *out, snug_tone tone, const char *word, const char *sentence);
void snug_html_paragraph(snug_text *out, const char *words);
/** A heading for what follows, up to the next one. */
void snug_html_section(snug_text *out, const char *title);

/** Cards stand side by side, as many as fit. */
void snug_html_cards_begin(snug_text *out);
/** @param note  A small line below the value; NULL: none. */
void snug_html_card(snug_text *out, snug_tone tone, const char *label, const char *value,
                    const char *note);
void snug_html_cards_end(snug_text *out);
/** A bar of `share` (0 to 1; more is cut) with words beside it: how full a budget is. */
void snug_html_bar(snug_text *out, snug_tone tone, double share, const char *words);

/** A table; the first column is text, the others are figures. */
void snug_html_table_begin(snug_text *out, const char *const *headings, int64_t count);
void snug_html_row(snug_text *out, const char *const *cells, int64_t count);
void snug_html_table_end(snug_text *out);

void snug_html_list_begin(snug_text *out);
void snug_html_item(snug_text *out, const char *words);
void snug_html_list_end(snug_text *out);

/** Text with its own lines, as a file has it. */
void snug_html_text_block(snug_text *out, const char *words);

/** A picture as SVG text; wide ones scroll on narrow screens. The SVG comes between the two. */
void snug_html_figure_begin(snug_text *out);
void snug_html_figure_end(snug_text *out);

/** @param made_by  A last line in small letters. */
void snug_html_end(snug_text *out, const char *made_by);

#endif
