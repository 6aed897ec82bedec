"""The query string: which options were sent, and which of them the server takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kinetic_sandbox.kinetic.faults import internal_fault, odata_fault, unknown_property

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.store import Order

MAX_QUERY_LENGTH = 2048
"""IIS's default for `maxQueryString`; longer addresses never reach Kinetic."""

_KNOWN = {"$filter", "$orderby", "$select", "$top", "$skip", "$count", "$skiptoken", "$format"}
# Observed to be passed over in silence: the rows come back as if it had not been sent.
_IGNORED = {"$apply"}


@dataclass(frozen=True)
class Options:
    """The options of one read, as far as they can be judged without knowing the type."""

    filter: str | None = None
    orderby: str | None = None
    select: str | None = None
    top: int | None = None
    skip: int = 0
    skip_token: int | None = None
    count: bool = False
    parameters: dict[str, list[str]] = field(default_factory=dict)
    """What is not an OData option, with repetitions."""


def decoded_pairs(raw_query: str) -> list[tuple[str, str]]:
    """Split and decode a query string; a plus stays a plus."""
    pairs = (part.partition("=") for part in raw_query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def read_options(raw_query: str) -> Options:
    """Judge a query string."""
    given: dict[str, str] = {}
    parameters: dict[str, list[str]] = {}
    for name, value in decoded_pairs(raw_query):
        if not name.startswith("$"):
            parameters.setdefault(name, []).append(value)
        elif name in given:
            raise odata_fault(f"Query option '{name}' was specified more than once.")
        elif name == "$expand":
            raise odata_fault("The $expand query option is not supported by this service.")
        elif name in _KNOWN:
            given[name] = value
        elif name not in _IGNORED:
            raise odata_fault(f"The query parameter '{name}' is not supported.")
    token = _number(given, "$skiptoken")
    return Options(
        filter=given.get("$filter"),
        orderby=given.get("$orderby"),
        select=given.get("$select"),
        top=_number(given, "$top"),
        skip=_number(given, "$skip") or 0,
        skip_token=token,
        count=_flag(given, "$count"),
        parameters=parameters,
    )


def read_order(text: str | None, facts: EntityFacts) -> Order:
    """Read `$orderby`; a column that is not stored breaks the server without a word."""
    if not text:
        return ()
    order = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\w+)(?:\s+(asc|desc))?\s*", item)
        if match is None:
            raise odata_fault(f"Syntax error at position {len(item)} in '{text}'.")
        column = facts.columns.get(match[1])
        if column is None or column.lookup:
            raise internal_fault()
        order.append((match[1], match[2] == "desc"))
    return tuple(order)


def read_selection(text: str | None, facts: EntityFacts) -> list[str] | None:
    """Read `$select`; None means every column."""
    if text is None or text.strip() == "*":
        return None
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in facts.columns:
            raise unknown_property(name, facts.type_name)
    return list(dict.fromkeys(names))


def _number(given: dict[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        message = f"Invalid value '{text}' for {name} query option found. The {name} query option"
        raise odata_fault(f"{message} requires a non-negative integer value.")
    return int(text)


def _flag(given: dict[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in {"true", "false"}:
        raise odata_fault(f"Invalid value '{text}' for {name} query option found.")
    return text == "true"
