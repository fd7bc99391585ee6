#include "base/svg.h"

#include <math.h>

#include "base/attr.h"
#include "base/utf8.h"

enum { TICKS_MAX = 12 };

double snug_svg_place(const snug_svg_axis *axis, double value)
{
    const double x = axis->log ? log10(value) : value;
    return axis->start + (x - axis->low) / (axis->high - axis->low) * (axis->end - axis->start);
}

double snug_svg_nice_step(double span, int count)
{
    const double raw = span / count;
    const double power = pow(10, floor(log10(raw)));
    const double digit = raw / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/* Plain properties, which every viewer knows. */
static void add_colours(snug_text *out, const snug_svg_colour *colours, int64_t count, bool dark)
{
    static const snug_svg_colour common[] = {
        {".paper{fill:", "#fff", "#0d1117"},
        {"text{fill:", "#6e7781", "#8d96a0"},
        {".title,.name{fill:", "#24292f", "#e6edf3"},
        {".grid{stroke:", "#d8dee4", "#30363d"},
    };
    for (int64_t i = 0; i < SNUG_COUNT(common); i++) {
        snug_text_add(out, "%s%s}\n", common[i].rule, dark ? common[i].dark : common[i].light);
    }
    for (int64_t i = 0; i < count; i++) {
        snug_text_add(out, "%s%s}\n", colours[i].rule, dark ? colours[i].dark : colours[i].light);
    }
}

void snug_svg_begin(snug_text *out, int width, int height, const char *label,
                    const snug_svg_colour *colours, int64_t count)
{
    snug_text_add(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                  "height=\"%d\" role=\"img\" aria-label=\"%s\">\n<style>\n",
                  width, height, width, height, label);
    add_colours(out, colours, count, false);
    snug_text_add(out, "text{font:13px system-ui,sans-serif}\n"
                       ".title{font-size:17px;font-weight:600}.name{font-weight:600}\n"
                       ".grid{stroke-width:1}.band{opacity:.16}.area{opacity:.14}\n"
                       ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
                       ".dash{stroke-dasharray:6 4;stroke-width:1.4}\n"
                       ".end{text-anchor:end}.mid{text-anchor:middle}\n"
                       "@media (prefers-color-scheme:dark){\n");
    add_colours(out, colours, count, true);
    snug_text_add(out, "}\n</style>\n<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", width,
                  height);
}

void snug_svg_finish(snug_text *out)
{
    snug_text_add(out, "</svg>\n");
}

void snug_svg_escaped(snug_text *out, const char *words)
{
    for (; *words != '\0'; words++) {
        switch (*words) {
        case '<':
            snug_text_add(out, "&lt;");
            break;
        case '>':
            snug_text_add(out, "&gt;");
            break;
        case '&':
            snug_text_add(out, "&amp;");
            break;
        default:
            if ((unsigned char)*words >= ' ') {
                snug_text_add(out, "%c", *words);
            }
            break;
        }
    }
}

/* Adds a value that lies on the axis, while there is room. */
static void add_tick(double value, double out[SNUG_SVG_TICKS_MAX], int64_t *count)
{
    if (*count < SNUG_SVG_TICKS_MAX) {
        out[(*count)++] = value;
    }
}

int64_t snug_svg_tick_values(const snug_svg_axis *axis, int count, double out[SNUG_SVG_TICKS_MAX])
{
    int64_t found = 0;
    int drawn = 0;
    if (axis->log && axis->high - axis->low > 1) {
        const int step = (int)ceil((axis->high - axis->low) / count);
        const bool close = axis->high - axis->low < 3;
        for (double power = floor(axis->low); close && power <= axis->high; power++) {
            for (int digit = 2; digit <= 5; digit += 3) {
                const double value = digit * pow(10, power);
                if (log10(value) >= axis->low && log10(value) <= axis->high) {
                    add_tick(value, out, &found);
                }
            }
        }
        for (double power = ceil(axis->low - 1e-9); power <= axis->high + 1e-9 && drawn < TICKS_MAX;
             power += step, drawn++) {
            add_tick(pow(10, power), out, &found);
        }
        return found;
    }
    const double low = axis->log ? pow(10, axis->low) : axis->low;
    const double high = axis->log ? pow(10, axis->high) : axis->high;
    const double step = snug_svg_nice_step(high - low, count);
    for (double value = ceil(low / step - 1e-9) * step;
         value <= high + step * 1e-6 && drawn < TICKS_MAX; value += step, drawn++) {
        add_tick(fabs(value) < step * 1e-6 ? 0 : value, out, &found);
    }
    return found;
}

void snug_svg_value_ticks(snug_text *out, const snug_svg_axis *axis, int count, int left, int right)
{
    double values[SNUG_SVG_TICKS_MAX];
    const int64_t found = snug_svg_tick_values(axis, count, values);
    for (int64_t i = 0; i < found; i++) {
        const double at = snug_svg_place(axis, values[i]);
        snug_text_add(out,
                      "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text class=\"end\" x=\"%d\" y=\"%.1f\">%.6g</text>\n",
                      left, right, at, at, left - 8, at + 4.5, values[i]);
    }
}

double snug_svg_legend_columns(const char *words)
{
    /* About 7 units a letter in every common face at 13 px; a Chinese one takes two columns. */
    return 28 + 7.2 * (double)snug_utf8_columns(words) + 18;
}

void snug_svg_legend_item(snug_text *out, double *x, double y, const char *classes,
                          const char *words)
{
    snug_text_add(out,
                  "<line class=\"%s\" stroke-width=\"2\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" "
                  "y2=\"%.0f\"/><text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
                  classes, *x, *x + 22, y - 4.5, y - 4.5, *x + 28, y, words);
    *x += snug_svg_legend_columns(words);
}
