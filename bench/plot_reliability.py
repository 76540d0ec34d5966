#!/usr/bin/env python3
"""Draws how often the first cause is right against how sure the diagnosis said to be, as SVG.

    score_worlds.py PREDICTIONS LABELS_DIR > NAME.json        for each set of worlds (docs/benchmarks.md)
    bench/plot_reliability.py "TITLE=NAME.json" ... > docs/images/reliability.svg

One panel a set. A dot is a tenth of confidence: its mean across, the share that was right up, with Wilson's 95 % interval (Wilson 1927) and
the number of cases. On the diagonal confidence is a frequency. Python 3, standard library only; the same input gives the same bytes.
"""
import json, math, sys
from html import escape

SIDE, LEFT, TOP, GAP = 220, 46, 40, 40


def wilson(right, n, z=1.96):
    p = right / n
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def panel(title, result, left):
    x, y = lambda v: left + v * SIDE, lambda v: TOP + (1 - v) * SIDE
    yield f'<text x="{left}" y="{TOP - 22}" class="title">{escape(title)}</text>'
    cases = sum(b["n"] for b in result["ece_bins"])
    yield f'<text x="{left}" y="{TOP - 7}" class="label">{cases} cases, ECE {result["ece"]:.2f}</text>'
    yield f'<rect x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}" class="frame"/>'
    yield f'<line x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}" class="even"/>'
    for tick in (0, 0.5, 1):
        yield f'<text x="{x(tick):.1f}" y="{y(0) + 16:.1f}" class="tick">{tick:g}</text>'
        yield f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" class="tick end">{tick:g}</text>'
    for b in result["ece_bins"]:
        low, high = wilson(round(b["right"] * b["n"]), b["n"])
        yield f'<line x1="{x(b["confidence"]):.1f}" y1="{y(low):.1f}" x2="{x(b["confidence"]):.1f}" y2="{y(high):.1f}" class="interval"/>'
        yield f'<circle cx="{x(b["confidence"]):.1f}" cy="{y(b["right"]):.1f}" r="{2 + math.sqrt(b["n"]):.1f}" class="dot"><title>{b["n"]} cases: said {b["confidence"]:.2f}, right {b["right"]:.2f}</title></circle>'
    yield f'<text x="{x(0.5):.1f}" y="{y(0) + 32:.1f}" class="tick">confidence of the first cause</text>'


def main(arguments):
    sets = [(title, json.load(open(path, encoding="utf-8"))) for title, path in (argument.split("=", 1) for argument in arguments)]
    width, height = LEFT + len(sets) * (SIDE + GAP), TOP + SIDE + 44
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="12">')
    print('<style>.frame{fill:#fff;stroke:#c9ced6}.even{stroke:#8a93a0;stroke-dasharray:4 4}.interval{stroke:#4c78c9;stroke-width:1.5;opacity:.55}.dot{fill:#2f5fb3;opacity:.85}'
          '.title{font-weight:600;fill:#1c2430}.label,.tick{fill:#5a6472}.tick{text-anchor:middle;font-size:11px}.end{text-anchor:end}</style>')
    print(f'<rect width="{width}" height="{height}" fill="#fff"/>')
    for at, (title, result) in enumerate(sets):
        print("\n".join(panel(title, result, LEFT + at * (SIDE + GAP))))
    print(f'<text transform="translate(12 {TOP + SIDE / 2:.0f}) rotate(-90)" class="tick">share that was right</text></svg>')


if __name__ == "__main__":
    main(sys.argv[1:])
