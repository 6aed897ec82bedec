"""XML as the API speaks it."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACE = "http://tableau.com/api"
__all__ = ["NAMESPACE", "Element", "ParseError", "document", "element", "parsed", "timestamp"]


def element(
    name: str, children: Iterable[Element] = (), /, *, text: str | None = None,
    **attributes: str | float | bool | None,
) -> Element:  # fmt: skip
    """An element; an attribute of None is left out."""
    made = Element(name, {key: _text(each) for key, each in attributes.items() if each is not None})
    made.extend(children)
    made.text = text
    return made


def document(children: Iterable[Element]) -> bytes:
    """An answer's whole body."""
    root = Element("tsResponse", {"xmlns": NAMESPACE})
    root.extend(children)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def parsed(body: bytes) -> Element:
    """A request's body; the vendor's client sends it without the namespace.

    Raises:
        ParseError: it is no XML.
    """
    root = fromstring(body)  # noqa: S314 - of somebody who was given the address
    for each in root.iter():
        each.tag = each.tag.removeprefix(f"{{{NAMESPACE}}}")
    return root


def timestamp(seconds: float) -> str:
    """A point in time, to the second, which a job may not pass before it came."""
    return datetime.fromtimestamp(math.floor(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: str | float | bool) -> str:  # noqa: FBT001
    return str(value).lower() if isinstance(value, bool) else str(value)
