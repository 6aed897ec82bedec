"""The SQL-like where clause of a method: text in, a test on rows and an order out.

Dates are quoted and compared as the tenant's local wall clock; a comparison with null is neither
true nor false; the order stands behind ` BY `.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.edm import NUMERIC_TYPES
from kinetic_sandbox.kinetic.faults import Fault, internal_fault
from kinetic_sandbox.kinetic.odata.filters import RowTest
from kinetic_sandbox.kinetic.spelling import wall_clock_text
from kinetic_sandbox.kinetic.store import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.store import Order

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign><>|>=|<=|[=<>(),]))"
)
_SIGNS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "=": ("eq", operator.eq),
    "<>": ("ne", operator.ne),
    ">": ("gt", operator.gt),
    ">=": ("ge", operator.ge),
    "<": ("lt", operator.lt),
    "<=": ("le", operator.le),
}
_KEYWORDS = frozenset({"and", "or", "not", "by", "like", "asc", "desc", "true", "false"})


@dataclass(frozen=True)
class WhereClause:
    """What a clause asks of one table."""

    test: RowTest
    order: Order


@dataclass(frozen=True)
class _Operand:
    kind: str
    """`number`, `text`, `flag` or `time`; a text literal may stand for a time or an id."""
    read: Callable[[Sequence[Any]], Any]
    column: str | None = None
    value: Any = None


def read_where(text: str, facts: EntityFacts, position: Mapping[str, int]) -> WhereClause:
    """Compile a clause; what the server would refuse is a Fault without a reason."""
    return _Parser(_tokens(text), facts, position).clause()


def _refused() -> Fault:
    fault = internal_fault()
    return Fault(400, fault.error_type, fault.message)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, place, text = [], 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _refused()
        kind, spelt = match.lastgroup, match[match.lastgroup]
        if kind == "word" and spelt.lower() in _KEYWORDS:
            kind, spelt = "keyword", spelt.lower()
        tokens.append((kind, spelt))
        place = match.end()
    return [*tokens, ("end", "")]


class _Parser:
    """Recursive descent over the tokens of one clause."""

    def __init__(
        self, tokens: list[tuple[str, str]], facts: EntityFacts, position: Mapping[str, int]
    ) -> None:
        self._tokens = tokens
        self._place = 0
        self._facts = facts
        self._position = position
        self._bounds: list[Bound] = []

    def clause(self) -> WhereClause:
        matches: Callable[[Sequence[Any]], Any] = lambda _: True  # noqa: E731
        if self._next not in {("end", ""), ("keyword", "by")}:
            matches = self._either(is_required=True)
        order = self._order() if self._took("by") else ()
        if self._next != ("end", ""):
            raise _refused()
        return WhereClause(RowTest(matches, (tuple(self._bounds),)), order)

    @property
    def _next(self) -> tuple[str, str]:
        return self._tokens[self._place]

    def _take(self) -> tuple[str, str]:
        token = self._next
        self._place += 1
        return token

    def _took(self, spelt: str) -> bool:
        """Take the next token where it is this keyword or sign."""
        found = self._next[0] in {"keyword", "sign"} and self._next[1] == spelt
        self._place += found
        return found

    def _order(self) -> Order:
        order = []
        while True:
            kind, name = self._take()
            if kind != "word":
                raise _refused()
            self._stored(name)
            descending = self._took("desc")
            if not descending:
                self._took("asc")
            order.append((name, descending))
            if not self._took(","):
                return tuple(order)

    def _either(self, *, is_required: bool) -> Callable[[Sequence[Any]], Any]:
        before = len(self._bounds)
        sides = [self._both(is_required=is_required)]
        while self._took("or"):
            sides.append(self._both(is_required=False))
        if len(sides) > 1:
            del self._bounds[before:]
        return sides[0] if len(sides) == 1 else lambda values: _any(s(values) for s in sides)

    def _both(self, *, is_required: bool) -> Callable[[Sequence[Any]], Any]:
        sides = [self._single(is_required=is_required)]
        while self._took("and"):
            sides.append(self._single(is_required=is_required))
        return sides[0] if len(sides) == 1 else lambda values: _all(s(values) for s in sides)

    def _single(self, *, is_required: bool) -> Callable[[Sequence[Any]], Any]:
        if self._took("not"):
            inner = self._single(is_required=False)
            return lambda values: None if (found := inner(values)) is None else not found
        if not self._took("("):
            return self._comparison(is_required=is_required)
        inner = self._either(is_required=is_required)
        if not self._took(")"):
            raise _refused()
        return inner

    def _comparison(self, *, is_required: bool) -> Callable[[Sequence[Any]], Any]:
        left = self._operand()
        if self._took("like"):
            return _like(left, self._operand())
        kind, sign = self._take()
        if kind != "sign" or sign not in _SIGNS:
            raise _refused()
        right = _fitted(self._operand(), left.kind)
        name, compare = _SIGNS[sign]
        if left.kind != right.kind:
            raise _refused()
        if is_required and left.column and right.value is not None and left.kind == "number":
            self._bounds.append(Bound(left.column, name, right.value))
        read_left, read_right = left.read, right.read

        def holds(values: Sequence[Any]) -> bool | None:
            one, other = read_left(values), read_right(values)
            return None if one is None or other is None else compare(one, other)

        return holds

    def _operand(self) -> _Operand:
        kind, spelt = self._take()
        if kind == "word":
            return self._column(spelt)
        if kind == "number":
            number = Decimal(spelt) if "." in spelt else int(spelt)
            return _Operand("number", lambda _: number, value=number)
        if kind == "text":
            text = spelt[1:-1].replace("''", "'")
            return _Operand("text", lambda _: text, value=text)
        if kind == "keyword" and spelt in {"true", "false"}:
            return _Operand("flag", lambda _: spelt == "true")
        raise _refused()

    def _column(self, name: str) -> _Operand:
        edm_type = self._stored(name)
        index = self._position[name]
        if edm_type == "Edm.DateTimeOffset":
            return _Operand("time", lambda values: _wall_clock(values[index]), name)
        if edm_type in NUMERIC_TYPES:
            return _Operand("number", operator.itemgetter(index), name)
        kind = "flag" if edm_type == "Edm.Boolean" else "text"
        return _Operand(kind, operator.itemgetter(index), name)

    def _stored(self, name: str) -> str:
        """Return the type of a column of the table; others break the server without a word."""
        column = self._facts.columns.get(name)
        if column is None or column.lookup:
            raise internal_fault()
        return column.type


def _wall_clock(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(wall_clock_text(text))


def _fitted(literal: _Operand, kind: str) -> _Operand:
    """Read a quoted date where a time is compared."""
    if kind != "time" or literal.kind != "text" or literal.column is not None:
        return literal
    try:
        moment = datetime.fromisoformat(literal.value)
    except ValueError:
        raise _refused() from None
    if moment.tzinfo is not None:
        raise _refused()
    return _Operand("time", lambda _: moment)


def _like(text: _Operand, pattern: _Operand) -> Callable[[Sequence[Any]], Any]:
    if (text.kind, pattern.kind, pattern.column) != ("text", "text", None):
        raise _refused()
    parts = (re.escape(part) for part in pattern.value.split("%"))
    expression, read = re.compile(".*".join(parts), re.DOTALL), text.read
    return lambda values: (
        None if (found := read(values)) is None else bool(expression.fullmatch(found))
    )


def _all(found: Any) -> bool | None:  # noqa: ANN401 - an iterator of three-valued truths
    truths = list(found)
    return False if False in truths else None if None in truths else True


def _any(found: Any) -> bool | None:  # noqa: ANN401
    truths = list(found)
    return True if True in truths else None if None in truths else False
