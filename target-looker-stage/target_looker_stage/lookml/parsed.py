"""LookML as it stands in files: views, explores and the rest; refinements are merged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lkml
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Lookml = dict[str, Any]
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_LIQUID = re.compile(r"\{\{\s*([\w.]+?)\.(?:_value|_rendered_value|_link)\s*\}\}")
_LISTS = ("dimensions", "dimension_groups", "measures", "filters", "parameters", "joins", "sets")
DEFAULT_FRAMES = ("raw", "time", "date", "week", "month", "quarter", "year")


@dataclass(frozen=True)
class Problem:
    """Something that Looker would stumble over.

    Attributes:
        file: where.
        field: which view, explore or field; empty for the whole file.
        text: what is wrong with it.
    """

    file: str
    field: str
    text: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.file}: {f'{self.field}: ' if self.field else ''}{self.text}"


@dataclass(frozen=True)
class Field:
    """A dimension or a measure; each time frame of a group is a field of its own."""

    view: str
    name: str
    is_measure: bool
    body: Lookml
    file: str
    frame: str = ""

    @property
    def type(self) -> str:
        """Of LookML."""
        return str(self.body.get("type", "string"))

    @property
    def sql(self) -> str:
        """Its SQL; a dimension without is the column of its name."""
        default = "" if self.is_measure else f"${{TABLE}}.{self.body['name']}"
        return str(self.body.get("sql", default))


@dataclass(frozen=True)
class View:
    """A view with its refinements."""

    name: str
    file: str
    body: Lookml
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def sets(self) -> dict[str, list[str]]:
        """Fields by set."""
        return {each["name"]: each["fields"] for each in self.body.get("sets", ())}

    @property
    def keys(self) -> list[Field]:
        """Its primary keys; there should be one."""
        return [each for each in self.fields.values() if each.body.get("primary_key") == "yes"]


@dataclass(frozen=True)
class Found:
    """What stands in the files.

    Attributes:
        views: by name.
        explores: by name, with the file.
        others: models, datagroups, tests and includes, as (kind, body, file).
        dashboards: with their files.
        problems: what cannot be read.
    """

    views: dict[str, View] = field(default_factory=dict)
    explores: dict[str, tuple[Lookml, str]] = field(default_factory=dict)
    others: list[tuple[str, Any, str]] = field(default_factory=list)
    dashboards: list[tuple[Lookml, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[tuple[Any, str]]:
        """What there is of a kind, with files."""
        return ((body, file) for each, body, file in self.others if each == kind)


def read(folders: Sequence[Path]) -> Found:
    """Everything in the folders; refinements apply in their order, then what is extended."""
    found = Found()
    refinements: list[tuple[str, Lookml, str]] = []
    for folder in folders:
        for path in sorted(folder.rglob("*.lkml")):
            _take(found, refinements, path)
        for path in sorted(folder.rglob("*.dashboard.lookml")):
            _take_dashboard(found, path)
    for kind, body, file in refinements:
        _refine(found, kind, body, file)
    _extend({name: (view.body, view.file) for name, view in found.views.items()})
    _extend(found.explores)
    for view in found.views.values():
        view.fields.update(_fields(view))
    return found


def references(text: str) -> list[str]:
    """What stands between `${` and `}`."""
    return _REFERENCE.findall(text)


def liquid(text: str) -> list[str]:
    """The fields of which Liquid shows the value or takes the link."""
    return _LIQUID.findall(text)


def _take(found: Found, refinements: list[tuple[str, Lookml, str]], path: Path) -> None:
    file = str(path)
    try:
        content: Lookml = lkml.load(path.read_text(encoding="utf-8"))
    except Exception as error:  # noqa: BLE001 - lkml raises IndexError where a `;;` is missing
        text = str(error) if isinstance(error, SyntaxError) else "a `;;` or a bracket is missing"
        found.problems.append(Problem(file, "", f"is no LookML: {text}"))
        return
    for kind, there in (("view", found.views), ("explore", found.explores)):
        for body in content.get(f"{kind}s", ()):
            name = body["name"]
            if name.startswith("+"):
                refinements.append((kind, body, file))
            elif name in there:
                found.problems.append(Problem(file, name, f"is {kind} of another file already"))
            elif kind == "view":
                found.views[name] = View(name, file, body)
            else:
                found.explores[name] = (body, file)
    for kind in ("includes", "datagroups", "tests"):
        found.others.extend((kind, each, file) for each in content.get(kind, ()))
    if "connection" in content:
        found.others.append(("models", content, file))


def _take_dashboard(found: Found, path: Path) -> None:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        found.dashboards.extend((dict(each), str(path)) for each in content)
    except (yaml.YAMLError, TypeError, ValueError):
        found.problems.append(Problem(str(path), "", "is no LookML dashboard"))


def _refine(found: Found, kind: str, body: Lookml, file: str) -> None:
    name = body["name"].removeprefix("+")
    base = found.views.get(name) if kind == "view" else found.explores.get(name)
    if base is None:
        found.problems.append(Problem(file, body["name"], f"refines no {kind} that there is"))
    elif isinstance(base, View):
        _merge(base.body, body, file)
    else:
        _merge(base[0], body, file)


def _extend(there: dict[str, tuple[Lookml, str]]) -> None:
    whole = {name: _inherited(name, there, ()) for name in there}
    for name, (body, _) in there.items():
        body.update(whole[name])


def _inherited(name: str, there: dict[str, tuple[Lookml, str]], heirs: tuple[str, ...]) -> Lookml:
    """A view or explore with what it extends."""
    body, file = there[name]
    made: Lookml = {}
    for names in body.get("extends__all", ()):
        for each in names:
            if each in there and each not in heirs:
                _merge(made, _inherited(each, there, (*heirs, name)), there[each][1])
    _merge(made, body, file)
    return made


def _merge(base: Lookml, refinement: Lookml, file: str) -> None:
    for key, value in refinement.items():
        if key == "name":
            continue
        if key not in _LISTS:
            base[key] = value
            continue
        members = {each["name"]: each for each in base.get(key, ())}
        for each in value:
            before = members.get(each["name"], {})
            members[each["name"]] = {**before, **each, "_file": each.get("_file", file)}
        base[key] = list(members.values())


def _fields(view: View) -> dict[str, Field]:
    found = {}
    for kind in ("dimensions", "measures"):
        for body in view.body.get(kind, ()):
            is_measure = kind == "measures"
            file = body.get("_file", view.file)
            found[body["name"]] = Field(view.name, body["name"], is_measure, body, file)
    for body in view.body.get("dimension_groups", ()):
        for frame in body.get("timeframes", DEFAULT_FRAMES):
            name = f"{body['name']}_{frame}"
            found[name] = Field(view.name, name, False, body, body.get("_file", view.file), frame)
    return found
