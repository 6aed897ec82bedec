"""HTML and SVG elements; whatever is not markup already is escaped."""

from __future__ import annotations

from html import escape

VOID = frozenset({"meta", "line", "rect", "path", "circle"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | int | None


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """One element; `class_` is the attribute `class`, and `stroke_width` is `stroke-width`."""
    words = [
        f'{key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    start = " ".join([name, *words])
    if name in VOID:
        return Markup(f"<{start}/>")
    return Markup(f"<{start}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Several pieces as one, None left out."""
    return Markup("".join(_piece(child) for child in children if child is not None))


def _piece(child: str | int) -> str:
    return child if isinstance(child, Markup) else escape(str(child))
