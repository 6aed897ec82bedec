"""Which forms of `$filter` a service does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odata_query import ast

from kinetic_sandbox.kinetic.faults import internal_fault, not_allowed, odata_fault
from kinetic_sandbox.kinetic.odata.grammar import parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kinetic_sandbox.kinetic.edm import EntityFacts

_BOUNDS: dict[type, str] = {
    ast.Gt: "GreaterThan",
    ast.GtE: "GreaterThanOrEqual",
    ast.Lt: "LessThan",
    ast.LtE: "LessThanOrEqual",
}


def refuse_forms(text: str, facts: EntityFacts, is_refused: Callable[[str], bool]) -> None:
    """Raise the Fault of the first form in a filter that `is_refused` knows by its vice."""
    for node in _nodes(parse_filter(text)):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and is_refused("refuse_or"):
            raise not_allowed("Logical operator 'Or'")
        if isinstance(node, ast.Compare) and type(node.comparator) in _BOUNDS:
            _refuse_bound(node, facts, is_refused)


def _refuse_bound(node: ast.Compare, facts: EntityFacts, is_refused: Callable[[str], bool]) -> None:
    kind = _BOUNDS[type(node.comparator)]
    names = [side.name for side in (node.left, node.right) if isinstance(side, ast.Identifier)]
    types = {facts.columns[name].type for name in names if name in facts.columns}
    if "SysRevID" in names and is_refused("fail_row_version_bounds"):
        raise internal_fault()
    if "SysRevID" in names and is_refused("refuse_row_version_bounds"):
        raise not_allowed(f"Logical operator '{kind}'")
    for edm_type, vice in (
        ("Edm.String", "refuse_text_bounds"),
        ("Edm.Guid", "refuse_guid_bounds"),
    ):
        if edm_type in types and is_refused(vice):
            message = "A binary operator with incompatible types was detected. Found operand types"
            raise odata_fault(f"{message} '{edm_type}' and '{edm_type}' for operator kind '{kind}'")


def _nodes(node: ast._Node) -> Iterator[ast._Node]:
    yield node
    for part in vars(node).values():
        for each in part if isinstance(part, list) else [part]:
            if isinstance(each, ast._Node):  # noqa: SLF001 - the library's only name for them
                yield from _nodes(each)
