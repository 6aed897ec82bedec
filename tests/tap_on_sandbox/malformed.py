"""Malformed answers: every kind by name, drawn by a seed, made of the tenant's own answer.

No kind changes a value into another valid value of its type: nobody could tell that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.edm import EntityFacts

JSON = "application/json; odata.metadata=minimal; charset=utf-8"
XML = "application/xml; charset=utf-8"
HTML = "text/html; charset=utf-8"
DATE = "Wed, 01 Jan 2025 12:00:00 GMT"


class NotApplicableError(Exception):
    """This kind needs something that this answer does not have; another answer may."""


@dataclass(frozen=True)
class Exchange:
    """A request, and what the tenant would answer."""

    what: str
    """`rows`, `metadata`, `count` or `token`."""
    path: str
    body: bytes
    facts: EntityFacts | None
    previous: bytes | None
    """The page of this set before this one."""
    trap: str
    """An address of another host, where nobody may ever call."""
    secrets: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        return {"metadata": XML, "count": "text/plain"}.get(self.what, JSON)


@dataclass(frozen=True)
class Reply:
    """Bytes for the wire, and what becomes of the connection: keep, close, reset or stall."""

    data: bytes
    then: str = "keep"
    drip_seconds: float = 0


@dataclass(frozen=True)
class Kind:
    """One way to be malformed, and the answers that it is for."""

    name: str
    of: frozenset[str]
    make: Callable[[Random, Exchange], Reply]
    weight: float = 1.0


KINDS: list[Kind] = []
ALL = ("rows", "metadata", "count", "token")


def kind(name: str, *of: str, weight: float = 1.0):
    """Declare a kind; the function returns a whole reply, or a body to be sent with 200."""

    def declare(make: Callable[[Random, Exchange], Reply | bytes]):
        def reply(rng: Random, exchange: Exchange) -> Reply:
            made = make(rng, exchange)
            return made if isinstance(made, Reply) else answer(made, exchange.content_type)

        KINDS.append(Kind(name, frozenset(of or ALL), reply, weight))
        return make

    return declare


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def answer(
    body: bytes,
    content_type: str = JSON,
    status: str = "200 OK",
    *lines: str,
    then: str = "keep",
    date: str = DATE,
) -> Reply:
    """A well-formed exchange around any body."""
    fixed = (f"Date: {date}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    return Reply(head(status, *fixed, *lines) + body, then)


def is_json(body: bytes) -> bool:
    """RFC 8259, strictly: UTF-8, no NaN, no control characters in text."""
    try:
        json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def draw(rng: Random, case: int) -> Kind:
    """A kind by weight; the first cases go through all of them, so that a short run has each."""
    drawn = [each for each in KINDS if each.weight]
    if case < len(drawn):
        return drawn[case]
    return rng.choices(KINDS, [each.weight for each in KINDS])[0]
