#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal's screen as an SVG: tmux capture-pane -p -e | docs/screenshot.py [COLUMNS] >a.svg

Understands what tmux writes: SGR sequences for bold, faint, underline, reverse and the sixteen colours.
"""
import html
import re
import sys
import unicodedata

COLORS = ["#1e1e1e", "#f14c4c", "#23d18b", "#e5c07b", "#264f9a", "#d670d6", "#29b8db", "#d4d4d4"]
FOREGROUND, BACKGROUND, FAINT = "#d4d4d4", "#1e1e1e", "#8a8a8a"
WIDTH, HEIGHT, MARGIN = 7.8, 17, 10


def apply(style, codes):
    for code in [int(c or 0) for c in codes.split(";")]:
        if code == 0:
            style.clear()
        elif code in (1, 2, 4, 7):
            style[code] = True
        elif code == 22:
            style.pop(1, None)
            style.pop(2, None)
        elif code in (24, 27):
            style.pop(code - 20, None)
        elif 30 <= code <= 37:
            style["fg"] = COLORS[code - 30]
        elif 40 <= code <= 47:
            style["bg"] = COLORS[code - 40]
        elif code in (39, 49):
            style.pop("fg" if code == 39 else "bg", None)
        else:
            sys.exit(f"unknown SGR code {code}")


def runs(line, style):
    """(column, text, style) for each stretch of one style; style goes on to the next line."""
    column = 0
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        sgr = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if sgr:
            apply(style, sgr[1])
        elif part:
            yield column, part, dict(style)
            column += sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in part)


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    columns = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    width, height = columns * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" '
        'font-size="13">',
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
    ]
    style = {}
    for row, line in enumerate(lines):
        top = MARGIN + row * HEIGHT
        for column, text, s in runs(line, style):
            fg, bg = s.get("fg", FOREGROUND), s.get("bg", BACKGROUND)
            if s.get(7):
                fg, bg = bg, fg
            if s.get(2):
                fg = FAINT
            left = MARGIN + column * WIDTH
            length = min(len(text), columns - column) * WIDTH
            if bg != BACKGROUND:
                out.append(f'<rect x="{left:g}" y="{top:g}" width="{length:g}" height="{HEIGHT}" fill="{bg}"/>')
            # Block characters have gaps in some fonts.
            for i, c in enumerate(text):
                if "\u2581" <= c <= "\u2588":
                    h = HEIGHT * (ord(c) - 0x2580) / 8
                    out.append(f'<rect x="{left + i * WIDTH:g}" y="{top + HEIGHT - h:g}" width="{WIDTH:g}" '
                               f'height="{h:g}" fill="{fg}"/>')
            shown = re.sub("[\u2581-\u2588]", " ", text)
            if shown.strip():
                bold = ' font-weight="bold"' if s.get(1) else ""
                out.append(f'<text x="{left:g}" y="{top + 13}" fill="{fg}"{bold} xml:space="preserve" '
                           f'textLength="{len(shown) * WIDTH:g}">{html.escape(shown)}</text>')
        # tmux leaves out blanks at the end of a line, coloured ones too.
        used = len(re.sub(r"\x1b\[[0-9;]*m", "", line))
        if "bg" in style and used < columns:
            out.append(f'<rect x="{MARGIN + used * WIDTH:g}" y="{top:g}" width="{(columns - used) * WIDTH:g}" '
                       f'height="{HEIGHT}" fill="{style["bg"]}"/>')
    print("\n".join(out + ["</svg>"]))


main()
