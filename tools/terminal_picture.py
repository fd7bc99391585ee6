#!/usr/bin/env python3
"""Draws what a terminal shows as SVG: text with colours of ANSI sequences, one cell a character.

    tmux capture-pane -e -p | tools/terminal_picture.py --columns 80 > chart.svg
    tools/terminal_picture.py --watch build/snug --columns 80 > doc/monitor-chart.svg

With --watch it makes the picture of doc/monitor-chart.svg itself: a Python program that fills and
drops lists runs for half a minute in tmux, and `snug monitor` looks at it.

Braille characters are drawn as dots, for not every viewer has a font with them.
"""
import argparse
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata

CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 14
COLOURS = {31: "#ff7b72", 32: "#3fb950", 33: "#d29922", 34: "#58a6ff", 35: "#bc8cff", 36: "#39c5cf"}
PLAIN, DIM, PAPER = "#e6edf3", "#8d96a0", "#0d1117"
# Bit of each of the eight dots of a braille character: column, row.
DOTS = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]

PROGRAM = """
import time
while True:
    kept = []
    for step in range(24):
        kept.append(bytearray(24 << 20))
        kept[-1][::4096] = bytes(len(kept[-1]) // 4096)
        time.sleep(0.2 if step < 18 else 0.35)
    kept = kept[:6]
    time.sleep(1.5)
"""


def width_of(character):
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cells(line):
    """(column, character, colour, bold) of a line with its escape sequences."""
    column, colour, bold, found = 0, PLAIN, False, []
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", line):
        if part.startswith("\x1b["):
            if part.endswith("m"):
                for number in [int(n or 0) for n in part[2:-1].split(";")]:
                    if number == 0:
                        colour, bold = PLAIN, False
                    elif number == 1:
                        bold = True
                    elif number == 2:
                        colour = DIM
                    elif number == 39:
                        colour = PLAIN
                    elif number in COLOURS:
                        colour = COLOURS[number]
            continue
        for character in part:
            found.append((column, character, colour, bold))
            column += width_of(character)
    return found


def draw_words(row, line_cells, out):
    """Words of one colour as one text, placed cell by cell so that every font fits."""
    run = []

    def flush():
        words = "".join(c[1] for c in run)
        if words:
            places = " ".join(f"{MARGIN + c[0] * CELL_WIDTH:.1f}" for c in run)
            bold = ' font-weight="600"' if run[0][3] else ""
            out.append(f'<text x="{places}" y="{MARGIN + row * CELL_HEIGHT + 13:.0f}" '
                       f'fill="{run[0][2]}"{bold}>{html.escape(words)}</text>')
        run.clear()

    for cell in line_cells:
        # Viewers join and drop blanks: there are none in a text.
        gap = cell[1] == " " or 0x2800 <= ord(cell[1]) < 0x2900
        if gap or (run and cell[2:] != run[0][2:]):
            flush()
        if not gap:
            run.append(cell)
    flush()


def draw_dots(row, line_cells, out):
    """Braille dots, all of one colour as one path of round points."""
    paths = {}
    for column, character, colour, _ in line_cells:
        bits = ord(character) - 0x2800
        if not 0 <= bits < 0x100:
            continue
        for bit, (right, down) in enumerate(DOTS):
            if bits >> bit & 1:
                x = MARGIN + (column + 0.25 + 0.5 * right) * CELL_WIDTH
                y = MARGIN + (row + 0.125 + 0.25 * down) * CELL_HEIGHT
                paths.setdefault(colour, []).append(f"M{x:.1f} {y:.1f}h0")
    for colour, points in paths.items():
        out.append(f'<path class="dot" stroke="{colour}" d="{"".join(points)}"/>')


def draw(text, columns, label):
    lines = text.rstrip("\n").split("\n")
    width, height = 2 * MARGIN + columns * CELL_WIDTH, 2 * MARGIN + len(lines) * CELL_HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
           f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{html.escape(label)}">',
           "<style>text{font:13.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',"
           "monospace}.dot{fill:none;stroke-width:2.6;stroke-linecap:round}</style>",
           f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="{PAPER}"/>']
    for row, line in enumerate(lines):
        line_cells = cells(line)
        draw_words(row, line_cells, out)
        draw_dots(row, line_cells, out)
    return "\n".join(out) + "\n</svg>\n"


def watch(snug, columns, rows, seconds):
    """What the terminal shows after so many seconds of a real watch."""
    tmux = ["tmux", "-L", f"picture{os.getpid()}"]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "train.py"), "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        target = subprocess.Popen(["python3", "train.py"], executable=sys.executable, cwd=folder)
        try:
            command = f"{os.path.abspath(snug)} monitor --pid {target.pid} --interval 100ms --limit 1GiB --log-file none"
            subprocess.run(tmux + ["new-session", "-d", "-x", str(columns), "-y", str(rows), command],
                           check=True, env=dict(os.environ, LANG="C.UTF-8", SNUG_LANG="en"))
            time.sleep(seconds)
            return subprocess.run(tmux + ["capture-pane", "-e", "-p"], check=True, capture_output=True,
                                  text=True).stdout
        finally:
            subprocess.run(tmux + ["kill-server"], check=False)
            target.kill()
            target.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=23)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--watch", metavar="SNUG", help="make the picture of a real watch")
    parser.add_argument("--label", default="the chart of snug monitor in a terminal")
    args = parser.parse_args()
    if args.watch and shutil.which("tmux") is None:
        print("skipped: tmux is not installed", file=sys.stderr)
        return 77
    text = watch(args.watch, args.columns, args.rows, args.seconds) if args.watch else sys.stdin.read()
    sys.stdout.write(draw(text, args.columns, args.label))
    return 0


if __name__ == "__main__":
    sys.exit(main())
