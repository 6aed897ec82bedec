"""The views of an explore, by the names that they have in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .parsed import Field, Found, View, references

if TYPE_CHECKING:
    from collections.abc import Collection


class UnresolvedError(Exception):
    """A name that nothing has; its text says which."""


class NotCompiledError(Exception):
    """LookML that is right, maybe, but that this compiler does not know; its text says what."""


@dataclass(frozen=True)
class Scope:
    """The views of an explore, by the names that they have in it."""

    name: str
    base: str
    views: dict[str, View]
    joins: dict[str, dict[str, Any]]
    where: str = ""

    @classmethod
    def of(cls, found: Found, name: str) -> Scope:
        """The scope of an explore.

        Raises:
            UnresolvedError: where there is no such explore, or no view that it joins.
        """
        if name not in found.explores:
            raise UnresolvedError(f"there is no explore {name}")
        body, _ = found.explores[name]
        base = str(body.get("view_name", name))
        wanted: dict[str, str] = {base: body.get("from", base)}
        joins = {each["name"]: each for each in body.get("joins", ())}
        wanted |= {alias: join.get("from", alias) for alias, join in joins.items()}
        for view in wanted.values():
            if view not in found.views:
                raise UnresolvedError(f"there is no view {view}")
        views = {alias: found.views[view] for alias, view in wanted.items()}
        return cls(name, base, views, joins, body.get("sql_always_where", ""))

    def field(self, path: str, alias: str) -> tuple[str, Field]:
        """A field, and the name of its view here.

        Raises:
            UnresolvedError: where there is none.
        """
        view, dot, name = path.rpartition(".")
        view = view if dot else alias
        if view not in self.views:
            raise UnresolvedError(f"${{{path}}}: {view} is not joined in explore {self.name}")
        if name not in self.views[view].fields:
            raise UnresolvedError(f"there is no field {view}.{name}")
        return view, self.views[view].fields[name]

    def repeats(self, views: Collection[str], alias: str) -> bool:
        """Whether a row of a view can come more than once where these views are joined."""
        steps: dict[str, list[tuple[str, bool]]] = {}
        for joined, join in self.joins.items():
            if joined in views:
                one, _, other = join.get("relationship", "many_to_one").partition("_to_")
                for path in references(join.get("sql_on", "")):
                    holder = path.rpartition(".")[0]
                    if holder != joined:
                        steps.setdefault(holder, []).append((joined, other == "many"))
                        steps.setdefault(joined, []).append((holder, one == "many"))
        reached, open_views = {alias}, [alias]
        while open_views:
            for there, is_many in steps.get(open_views.pop(), ()):
                if there not in reached:
                    if is_many:
                        return True
                    reached.add(there)
                    open_views.append(there)
        return False
