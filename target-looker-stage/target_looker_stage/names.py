"""Names of tables and columns that mean the same in every warehouse."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 63
"""Bytes; PostgreSQL cuts what is longer, the others take more."""
_DIGEST = 8
_UNSAFE = re.compile(r"[^a-z0-9_]")


def stored_name(name: str) -> str:
    """A stream's or a column's name in the warehouse.

    Lower case, of ASCII letters, digits and underscores, at most 63 bytes.
    """
    safe = _UNSAFE.sub("_", name.lower())
    if not safe or safe[0].isdigit():
        safe = f"_{safe}"
    if len(safe) <= _LONGEST:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{safe[: _LONGEST - _DIGEST - 1]}_{digest}"


def stored_names(what: str, names: Iterable[str]) -> dict[str, str]:
    """Names in the warehouse, by the names that the tap gives.

    Args:
        what: they are names of, such as "columns of vendors".
        names: as the tap gives them.

    Raises:
        LoadError: when two meet in one, naming both.
    """
    given: dict[str, str] = {}
    for name in names:
        other = given.setdefault(stored_name(name), name)
        if other != name:
            raise LoadError(
                f"{what}: {other} and {name} are both {stored_name(name)} in the warehouse; "
                "deselect or rename one of them in the tap"
            )
    return {name: stored for stored, name in given.items()}
