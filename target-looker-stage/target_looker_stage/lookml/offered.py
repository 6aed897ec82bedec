"""Which fields an explore offers, and which a list of fields and sets names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .parsed import Field
    from .scope import Scope


def offered(
    scope: Scope, body: dict[str, Any], tell: Callable[[str], None]
) -> Iterator[tuple[str, Field]]:
    """The fields that an explore offers, each with its view.

    Args:
        scope: the explore.
        body: its LookML.
        tell: takes what its lists name and there is not.
    """
    limits = {alias: join["fields"] for alias, join in scope.joins.items() if "fields" in join}
    for alias, view in scope.views.items():
        allowed = set(view.fields)
        for limit in (body.get("fields"), limits.get(alias)):
            if limit is not None:
                allowed &= _expanded(scope, alias, limit, tell)
        yield from ((alias, each) for name, each in view.fields.items() if name in allowed)


def _expanded(
    scope: Scope, alias: str, names: Sequence[str], tell: Callable[[str], None]
) -> set[str]:
    """The fields of one view that a list names: fields, sets with `*`, less those with `-`."""
    found: set[str] = set()
    for entry in names:
        path = entry.lstrip("-")
        if path == "ALL_FIELDS*":
            found |= scope.views[alias].fields.keys()
            continue
        view, _, name = path.rpartition(".")
        view = view or alias
        if view not in scope.views:
            tell(f"fields: {view} is not joined")
        elif view == alias:
            there = scope.views[alias]
            some = (
                there.sets.get(name[:-1]) if name.endswith("*")
                else [name] if name in there.fields else None
            )  # fmt: skip
            if some is None:
                tell(f"fields: there is no {path}")
            else:
                own = {each.rpartition(".")[2] for each in some}
                found = found - own if entry.startswith("-") else found | own
    return found


def members(
    scope: Scope, alias: str, names: Sequence[str], tell: Callable[[str], None]
) -> Iterator[str]:
    """The fields of a drill, its sets opened.

    Args:
        scope: the explore.
        alias: the view that has the drill.
        names: fields, and sets with `*`.
        tell: takes what there is not.
    """
    for name in names:
        view, _, last = name.rpartition(".")
        if not last.endswith("*"):
            yield name
            continue
        sets = scope.views[view or alias].sets if (view or alias) in scope.views else {}
        if last[:-1] not in sets:
            tell(f"there is no set {name}")
            continue
        for member in sets[last[:-1]]:
            yield member if "." in member or not view else f"{view}.{member}"
