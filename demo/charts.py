"""The report's charts: plain SVG whose colours come from the style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from markup import Markup, join, tag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

WIDTH = 600
LABEL_WIDTH = 190
VALUE_WIDTH = 84
ROW_HEIGHT = 27
LONGEST_LABEL = 26


@dataclass(frozen=True)
class Bar:
    """One value to be drawn: its label, its size and what the pointer reveals."""

    label: str
    value: float
    hint: str
    class_: str = "accent"


def short(amount: Decimal | float) -> str:
    """A number for a chart: 1.23M, 45.6k, 789."""
    number = float(amount)
    for limit, letter in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:,.{2 if abs(number) < 10 * limit else 1}f}{letter}"
    return f"{number:,.0f}"


def horizontal_bars(bars: Sequence[Bar], label: str, labels: float = LABEL_WIDTH) -> Markup:
    """Rows of bars from one baseline; negative values go left of it."""
    room = WIDTH - labels - VALUE_WIDTH
    low = min(0.0, *(bar.value for bar in bars))
    high = max(0.0, *(bar.value for bar in bars))
    scale = room / ((high - low) or 1)
    zero = labels - low * scale
    rows = [_row(bar, i * ROW_HEIGHT, labels, zero, scale) for i, bar in enumerate(bars)]
    return _svg(len(bars) * ROW_HEIGHT, label, *rows)


def _row(bar: Bar, top: float, labels: float, zero: float, scale: float) -> Markup:
    start = min(zero, zero + bar.value * scale)
    width = max(abs(bar.value) * scale, 1.5)
    middle = top + ROW_HEIGHT / 2 + 4
    return tag(
        "g",
        tag("title", bar.hint),
        tag("text", _cut(bar.label), x=labels - 10, y=middle, class_="label end"),
        _rect(start, top + 6, width, ROW_HEIGHT - 12, f"fill-{bar.class_}"),
        tag("text", short(bar.value), x=round(start + width + 7, 1), y=middle, class_="value"),
    )


def columns(bars: Sequence[Bar], label: str, height: int = 216) -> Markup:
    """Upright columns over time with a few round grid lines."""
    base, left, top = height - 24, 46, 12
    high = max(0.0, *(bar.value for bar in bars))
    step = _round_step(high / 3)
    ceiling = step * max(1, ceil(high / step))
    scale = (base - top) / ceiling
    slot = (WIDTH - left) / len(bars)
    lines = [
        _grid_line(base - tick * step * scale, tick * step, left)
        for tick in range(round(ceiling / step) + 1)
    ]
    every = ceil(len(bars) / 12)
    drawn = [
        _column(bar, left + index * slot, slot, base, scale, shown=index % every == 0)
        for index, bar in enumerate(bars)
    ]
    return _svg(height, label, *lines, *drawn)


def _column(
    bar: Bar, left: float, slot: float, base: float, scale: float, *, shown: bool
) -> Markup:
    size = max(bar.value * scale, 0)
    width = min(slot * 0.66, 38)
    middle = left + slot / 2
    text = tag("text", bar.label, x=round(middle, 1), y=base + 17, class_="tick middle")
    return tag(
        "g",
        tag("title", bar.hint),
        _rect(middle - width / 2, base - size, width, size, f"fill-{bar.class_}"),
        text if shown else None,
    )


def _grid_line(y: float, value: float, left: float) -> Markup:
    y = round(y, 1)
    return join(
        tag("line", x1=left, x2=WIDTH, y1=y, y2=y, class_="grid"),
        tag("text", short(value), x=left - 8, y=y + 4, class_="tick end"),
    )


def stack(bars: Sequence[Bar], label: str, height: int = 30) -> Markup:
    """One bar cut into shares, with a gap between them; empty shares are left out."""
    shown = [bar for bar in bars if bar.value > 0]
    total = sum(bar.value for bar in shown) or 1
    gap, left, pieces = 3.0, 0.0, []
    room = WIDTH - gap * max(len(shown) - 1, 0)
    for bar in shown:
        width = room * bar.value / total
        drawn = _rect(left, 0, max(width, 1.5), height, f"fill-{bar.class_}")
        pieces.append(tag("g", tag("title", bar.hint), drawn))
        left += width + gap
    return _svg(height, label, *pieces)


def funnel(bars: Sequence[Bar], label: str) -> Markup:
    """Bars of the same baseline with their share of the first one: what became of it."""
    first = bars[0].value or 1
    shares = [
        Bar(f"{bar.label}  {bar.value / first:.0%}", bar.value, bar.hint, bar.class_)
        for bar in bars
    ]
    return horizontal_bars(shares, label, labels=110)


def _svg(height: float, label: str, *children: Markup) -> Markup:
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=label,
    )


def _rect(left: float, top: float, width: float, height: float, class_: str) -> Markup:
    x, y, w, h = (round(number, 1) for number in (left, top, width, height))
    return tag("rect", x=x, y=y, width=w, height=h, rx=2.5, class_=class_)


def _round_step(rough: float) -> float:
    if rough <= 0:
        return 1
    power = 10.0 ** floor(log10(rough))
    return next((power * nice for nice in (1, 2, 2.5, 5) if power * nice >= rough), power * 10)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1].rstrip()}…"
