"""Literals of a `$filter`: which type each form has, and which forms break the server."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from odata_query import ast

from kinetic_sandbox.kinetic.faults import internal_fault, odata_fault
from kinetic_sandbox.kinetic.spelling import instant

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+")
_INT32 = 2**31


def _days_as_difference(text: str) -> int:
    """Read a bare date as the server does: a subtraction of three numbers."""
    year, month, day = map(int, text.split("-"))
    return year - month - day


def _moment(text: str) -> datetime:
    if _LOCAL.fullmatch(text):
        raise odata_fault(f"Syntax error: '{text}' is not a DateTimeOffset literal.")
    if not _WHOLE_SECONDS.fullmatch(text):
        # Fractions and offsets stand in the server's own payloads, and still break its filter.
        raise internal_fault()
    try:
        return instant(text)
    except ValueError:
        raise odata_fault(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.") from None


# Integers are typed by their size; every other literal by its form.
_LITERALS: dict[type, tuple[str, Callable[[str], Any]]] = {
    ast.Float: ("Edm.Decimal", Decimal),
    ast.Boolean: ("Edm.Boolean", lambda text: text == "true"),
    ast.String: ("Edm.String", str),
    ast.GUID: ("Edm.Guid", str),
    ast.DateTime: ("Edm.DateTimeOffset", _moment),
    ast.Date: ("Edm.Int32", _days_as_difference),
}


def read_literal(node: ast._Literal) -> tuple[str, Any]:
    """Return a literal's type and value; what the server would refuse is a Fault."""
    if isinstance(node, ast.Null):
        return "Null", None
    if isinstance(node, ast.Integer):
        number = int(node.val)
        return ("Edm.Int32" if -_INT32 <= number < _INT32 else "Edm.Int64"), number
    if type(node) not in _LITERALS:
        raise odata_fault("Syntax error: this literal is not supported.")
    edm_type, read = _LITERALS[type(node)]
    return edm_type, read(vars(node)["val"])
