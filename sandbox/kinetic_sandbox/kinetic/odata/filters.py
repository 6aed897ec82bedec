"""A `$filter` as a test on rows: names and types checked first, then compiled to closures."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odata_query import ast

from kinetic_sandbox.kinetic.edm import NUMERIC_TYPES
from kinetic_sandbox.kinetic.faults import odata_fault, unknown_property
from kinetic_sandbox.kinetic.odata.grammar import parse_filter
from kinetic_sandbox.kinetic.odata.literals import read_literal
from kinetic_sandbox.kinetic.spelling import instant
from kinetic_sandbox.kinetic.store import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kinetic_sandbox.kinetic.edm import EntityFacts

_COMPARISONS: dict[type, tuple[str, str, Any]] = {
    ast.Eq: ("eq", "Equal", operator.eq),
    ast.NotEq: ("ne", "NotEqual", operator.ne),
    ast.Gt: ("gt", "GreaterThan", operator.gt),
    ast.GtE: ("ge", "GreaterThanOrEqual", operator.ge),
    ast.Lt: ("lt", "LessThan", operator.lt),
    ast.LtE: ("le", "LessThanOrEqual", operator.le),
}
_MIRRORED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq"}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
Ways = tuple[tuple[Bound, ...], ...]
ANYWHERE: Ways = ((),)
_MOST_WAYS = 256
"""Beyond, rows are tested one by one."""


@dataclass(frozen=True)
class Term:
    """A typed piece of an expression; `column` is set for a bare property."""

    type: str
    read: Callable[[Sequence[Any]], Any]
    column: str | None = None
    value: Any = None
    ways: Ways = ANYWHERE


@dataclass(frozen=True)
class RowTest:
    """A compiled filter, and bounds: any matching row satisfies all of one way at least."""

    matches: Callable[[Sequence[Any]], Any]
    ways: Ways = ANYWHERE


def compile_filter(text: str, facts: EntityFacts, position: Mapping[str, int]) -> RowTest:
    """Compile a filter against an entity type; what the server would refuse is a Fault."""
    compiler = _Compiler(facts, position)
    term = compiler.term(parse_filter(text))
    if term.type != "Edm.Boolean":
        raise odata_fault("The $filter expression must evaluate to a single boolean value.")
    return RowTest(term.read, term.ways)


class _Compiler:
    def __init__(self, facts: EntityFacts, position: Mapping[str, int]) -> None:
        self._facts = facts
        self._position = position

    def term(self, node: ast._Node) -> Term:
        """Compile a node."""
        if isinstance(node, ast.Identifier):
            return self._property(node.name)
        if isinstance(node, ast._Literal):  # noqa: SLF001 - the library's only name for them
            edm_type, value = read_literal(node)
            return Term(edm_type, lambda _: value, value=value)
        if isinstance(node, ast.Compare) and type(node.comparator) in _COMPARISONS:
            return self._comparison(node)
        if isinstance(node, ast.BoolOp):
            return self._logic(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._negation(node)
        if isinstance(node, ast.Call) and node.func.name in _TEXT_TESTS:
            return self._text_test(node)
        raise odata_fault("Syntax error: this $filter expression is not supported.")

    def _property(self, name: str) -> Term:
        column = self._facts.columns.get(name)
        if column is None:
            raise unknown_property(name, self._facts.type_name)
        if column.lookup:
            message = f"The property '{name}' cannot be used in the $filter query option."
            raise odata_fault(message)
        index = self._position[name]
        if column.type == "Edm.DateTimeOffset":

            def read(values: Sequence[Any]) -> Any:  # noqa: ANN401
                text = values[index]
                return None if text is None else instant(text)

            return Term(column.type, read, name)
        return Term(column.type, operator.itemgetter(index), name)

    def _comparison(self, node: ast.Compare) -> Term:
        name, kind, compare = _COMPARISONS[type(node.comparator)]
        left, right = self.term(node.left), self.term(node.right)
        _check_types(left, right, kind)
        read = _comparer(left.read, right.read, compare, name)
        return Term("Edm.Boolean", read, ways=_bounded(left, name, right))

    def _logic(self, node: ast.BoolOp) -> Term:
        is_and = isinstance(node.op, ast.And)
        left, right = (self.term(side) for side in (node.left, node.right))
        for side in (left, right):
            _check_boolean(side, "And" if is_and else "Or")
        if is_and:
            return Term("Edm.Boolean", _both(left, right), ways=_crossed(left.ways, right.ways))
        return Term("Edm.Boolean", _either(left, right), ways=_limited(left.ways + right.ways))

    def _negation(self, node: ast.UnaryOp) -> Term:
        inner = self.term(node.operand)
        _check_boolean(inner, "Not")
        read = inner.read

        def negated(values: Sequence[Any]) -> bool | None:
            found = read(values)
            return None if found is None else not found

        return Term("Edm.Boolean", negated)

    def _text_test(self, node: ast.Call) -> Term:
        text, part = (self.term(argument) for argument in node.args)
        if (text.type, part.type) != ("Edm.String", "Edm.String"):
            name = node.func.name
            message = f"No function signature for the function with name '{name}' matches"
            raise odata_fault(f"{message} the specified arguments.")
        test, read_text, read_part = _TEXT_TESTS[node.func.name], text.read, part.read

        def holds(values: Sequence[Any]) -> bool | None:
            found = read_text(values)
            return None if found is None else test(found, read_part(values))

        return Term("Edm.Boolean", holds)


def _bounded(left: Term, name: str, right: Term) -> Ways:
    if left.column is None:
        left, right, name = right, left, _MIRRORED.get(name, name)
    if left.column is None or right.value is None or name not in _MIRRORED:
        return ANYWHERE
    return ((Bound(left.column, name, right.value),),)


def _crossed(left: Ways, right: Ways) -> Ways:
    if len(left) * len(right) > _MOST_WAYS:
        return min(left, right, key=len)
    return tuple(one + other for one in left for other in right)


def _limited(ways: Ways) -> Ways:
    return ways if len(ways) <= _MOST_WAYS else ANYWHERE


def _comparer(
    left: Callable[[Sequence[Any]], Any],
    right: Callable[[Sequence[Any]], Any],
    compare: Callable[[Any, Any], Any],
    name: str,
) -> Callable[[Sequence[Any]], bool]:
    if name in {"eq", "ne"}:
        # Null is a value here: `null ne true` is true.
        return lambda values: bool(compare(left(values), right(values)))

    def holds(values: Sequence[Any]) -> bool:
        one, other = left(values), right(values)
        return one is not None and other is not None and bool(compare(one, other))

    return holds


def _both(left: Term, right: Term) -> Callable[[Sequence[Any]], bool | None]:
    def holds(values: Sequence[Any]) -> bool | None:
        one = left.read(values)
        if one is False:
            return False
        other = right.read(values)
        return other if one or other is False else None

    return holds


def _either(left: Term, right: Term) -> Callable[[Sequence[Any]], bool | None]:
    def holds(values: Sequence[Any]) -> bool | None:
        one = left.read(values)
        if one:
            return True
        other = right.read(values)
        return other if other or one is False else None

    return holds


def _check_types(left: Term, right: Term, kind: str) -> None:
    types = {left.type, right.type} - {"Null"}
    if len(types) <= 1 or types <= NUMERIC_TYPES:
        return
    message = "A binary operator with incompatible types was detected. Found operand types"
    raise odata_fault(f"{message} '{left.type}' and '{right.type}' for operator kind '{kind}'")


def _check_boolean(term: Term, kind: str) -> None:
    if term.type not in {"Edm.Boolean", "Null"}:
        message = "A unary or binary operator with an incompatible type was detected. Found"
        raise odata_fault(f"{message} operand type '{term.type}' for operator kind '{kind}'")
