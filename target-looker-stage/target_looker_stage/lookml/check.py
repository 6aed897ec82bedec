"""Would Looker take this model? Names are resolved; explores and tests run on the warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from target_looker_stage.errors import LoadError
from target_looker_stage.explain import cause, is_passing

from .compile import Compiler, NotCompiledError, Scope, UnresolvedError
from .parsed import Field, Found, Problem, liquid, read, references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from .sql import Dialect

_FIELDS_AT_ONCE = 250
"""PostgreSQL takes 1,664 columns, and each measure needs up to three."""
_SAMPLE_ROWS = 1000
_LONGEST_REASON = 300
_ASSERTED = re.compile(r"\s*\$\{([\w.]+)\}\s*(=|<=|>=|<|>)\s*(\d+)\s*")
_TRUE = {
    "=": lambda a, b: a == b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


@dataclass
class Report:
    """What a check found.

    Attributes:
        problems: each would stop Looker, or show something wrong.
        not_checked: what only Looker itself can judge.
        explores: how many were run.
        fields: how many fields in them.
        tests: how many hold.
    """

    problems: list[Problem] = field(default_factory=list)
    not_checked: list[Problem] = field(default_factory=list)
    explores: int = 0
    fields: int = 0
    tests: int = 0

    def add(self, file: str, name: str, text: object) -> None:
        """Note a problem once."""
        problem = Problem(file, name, str(text))
        if problem not in self.problems:
            self.problems.append(problem)


def check(
    folders: Sequence[Path],
    dialect: Dialect,
    ask: Callable[[str], Sequence[Sequence[Any]]],
) -> Report:
    """Check what stands in folders.

    Args:
        folders: of LookML; refinements apply in their order.
        dialect: of the warehouse.
        ask: runs a query there.

    Raises:
        LoadError: when the warehouse is out of reach.
    """
    found = read(folders)
    report = Report(problems=list(found.problems))
    compiler = Compiler(found, dialect)
    _check_includes(found, folders, report)
    _check_datagroups(found, ask, report)
    for name in found.explores:
        _check_explore(found, name, compiler, ask, report)
    _check_tests(found, compiler, ask, report)
    _check_dashboards(found, report)
    return report


def _check_includes(found: Found, folders: Sequence[Path], report: Report) -> None:
    """A path from the root of Looker's project begins with a slash; the folders stand in it."""
    for pattern, file in found.of("includes"):
        if str(pattern).startswith("//"):
            continue  # of an imported project
        inside = str(pattern).lstrip("/")
        if str(pattern).startswith("/"):
            roots = {folder.resolve().parent for folder in folders}
        else:
            roots = {_path(folders, file).resolve().parent}
        if not any(each for root in roots for each in root.glob(inside)):
            report.add(file, f"include {pattern}", "no file is called so")


def _path(folders: Sequence[Path], file: str) -> Path:
    return type(folders[0])(file)


def _check_datagroups(
    found: Found, ask: Callable[[str], Sequence[Sequence[Any]]], report: Report
) -> None:
    known = {body["name"] for body, _ in found.of("datagroups")}
    for body, file in found.of("datagroups"):
        if sql := body.get("sql_trigger"):
            try:
                ask(sql)
            except LoadError as error:
                report.add(file, f"datagroup {body['name']}", f"sql_trigger: {_said(error)}")
    named = [(body, file) for body, file in found.of("models")]
    named += [(body, file) for body, file in found.explores.values()]
    for body, file in named:
        if (wanted := body.get("persist_with")) and wanted not in known:
            report.add(file, body.get("name", "persist_with"), f"there is no datagroup {wanted}")


def _check_explore(
    found: Found,
    name: str,
    compiler: Compiler,
    ask: Callable[[str], Sequence[Sequence[Any]]],
    report: Report,
) -> None:
    _, file = found.explores[name]
    try:
        scope = Scope.of(found, name)
    except UnresolvedError as error:
        report.add(file, f"explore {name}", error)
        return
    if not _check_joins(scope, file, report):
        return
    shown = list(_shown(scope, found.explores[name][0], file, report))
    for alias, each in shown:
        _check_words(scope, alias, each, report)
    runnable = list(_compiled(name, shown, compiler, report))
    _run(name, file, runnable, compiler, ask, report)
    report.explores += 1
    report.fields += len(runnable)


def _compiled(
    name: str, shown: Sequence[tuple[str, Field]], compiler: Compiler, report: Report
) -> Iterator[tuple[str, Field]]:
    """The fields that can be asked for."""
    for alias, each in shown:
        path = f"{alias}.{each.name}"
        try:
            compiler.select(name, [path])
        except UnresolvedError as error:
            report.add(each.file, f"{each.view}.{each.name}", error)
        except NotCompiledError as error:
            problem = Problem(each.file, f"{each.view}.{each.name}", str(error))
            if problem not in report.not_checked:
                report.not_checked.append(problem)
        else:
            yield path, each


def _check_joins(scope: Scope, file: str, report: Report) -> bool:
    before = len(report.problems)
    there = {scope.base}
    for alias, join in scope.joins.items():
        there.add(alias)
        where = f"explore {scope.name}, join {alias}"
        for path in references(join.get("sql_on", "")):
            view = path.rpartition(".")[0]
            if view not in there:
                report.add(file, where, f"${{{path}}}: {view} is not joined before")
                continue
            try:
                scope.field(path, alias)
            except UnresolvedError as error:
                report.add(file, where, error)
        if not scope.views[alias].keys:
            report.add(
                scope.views[alias].file, alias, "has no primary_key, so sums over joins double"
            )
    if scope.joins and not scope.views[scope.base].keys:
        base = scope.views[scope.base]
        report.add(base.file, base.name, "has no primary_key, so sums over joins double")
    for each in scope.views.values():
        if len(each.keys) > 1:
            report.add(each.file, each.name, "has more than one primary_key")
    return len(report.problems) == before


def _shown(
    scope: Scope, body: dict[str, Any], file: str, report: Report
) -> Iterator[tuple[str, Field]]:
    """The fields that an explore offers."""
    limits = {alias: join["fields"] for alias, join in scope.joins.items() if "fields" in join}
    for alias, view in scope.views.items():
        allowed = set(view.fields)
        for limit in (body.get("fields"), limits.get(alias)):
            if limit is not None:
                allowed &= _expanded(scope, alias, limit, file, report)
        yield from ((alias, each) for name, each in view.fields.items() if name in allowed)


def _expanded(
    scope: Scope, alias: str, names: Sequence[str], file: str, report: Report
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
            report.add(file, f"explore {scope.name}", f"fields: {view} is not joined")
        elif view == alias:
            there = scope.views[alias]
            some = (
                there.sets.get(name[:-1]) if name.endswith("*")
                else [name] if name in there.fields else None
            )  # fmt: skip
            if some is None:
                report.add(file, f"explore {scope.name}", f"fields: there is no {path}")
            else:
                own = {each.rpartition(".")[2] for each in some}
                found = found - own if entry.startswith("-") else found | own
    return found


def _check_words(scope: Scope, alias: str, each: Field, report: Report) -> None:
    """What a field names outside its SQL: drills, the sets that they use, Liquid, its order."""
    where = f"{each.view}.{each.name}"
    paths = [*_members(scope, alias, each.body.get("drill_fields", ()), where, each.file, report)]
    paths += liquid(str(each.body.get("html", "")))
    for link in each.body.get("links", ()):
        paths += liquid(link["url"])
    if order := each.body.get("order_by_field"):
        paths.append(order)
    for path in paths:
        try:
            scope.field(path, alias)
        except UnresolvedError as error:
            report.add(each.file, where, error)


def _members(
    scope: Scope, alias: str, names: Sequence[str], where: str, file: str, report: Report
) -> Iterator[str]:
    for name in names:
        view, _, last = name.rpartition(".")
        if not last.endswith("*"):
            yield name
            continue
        sets = scope.views[view or alias].sets if (view or alias) in scope.views else {}
        if last[:-1] not in sets:
            report.add(file, where, f"there is no set {name}")
            continue
        for member in sets[last[:-1]]:
            yield member if "." in member or not view else f"{view}.{member}"


def _run(
    name: str,
    file: str,
    runnable: Sequence[tuple[str, Field]],
    compiler: Compiler,
    ask: Callable[[str], Sequence[Sequence[Any]]],
    report: Report,
) -> None:
    """All fields, in as few queries as the warehouses take; a query that fails, field by field."""
    for start in range(0, len(runnable), _FIELDS_AT_ONCE):
        some = runnable[start : start + _FIELDS_AT_ONCE]
        try:
            _ask(compiler, name, [path for path, _ in some], ask)
        except LoadError as whole:
            if whole.__cause__ is not None and is_passing(whole.__cause__):
                raise  # the connection is gone, so no field is to blame
            before = len(report.problems)
            for path, each in some:
                try:
                    _ask(compiler, name, [path], ask)
                except LoadError as error:
                    report.add(each.file, f"{each.view}.{each.name}", _said(error))
            if len(report.problems) == before:
                report.add(file, f"explore {name}", _said(whole))


def _said(error: LoadError) -> str:
    """What the warehouse says of a statement, without the remedy for loads."""
    if not isinstance(error.__cause__, DBAPIError):
        return str(error)
    return " ".join(str(cause(error.__cause__)).split())[:_LONGEST_REASON]


def _ask(
    compiler: Compiler,
    explore: str,
    paths: Sequence[str],
    ask: Callable[[str], Sequence[Sequence[Any]]],
) -> None:
    ask(compiler.select(explore, paths, limit=1, sample_rows=_SAMPLE_ROWS))


def _check_tests(
    found: Found,
    compiler: Compiler,
    ask: Callable[[str], Sequence[Sequence[Any]]],
    report: Report,
) -> None:
    for body, file in found.of("tests"):
        where = f"test {body['name']}"
        source = body["explore_source"]
        try:
            base = Scope.of(found, source["name"]).base
            fields = [each.get("field", each["name"]) for each in source.get("columns", ())]
            paths = [each if "." in each else f"{base}.{each}" for each in fields]
            sql = compiler.select(source["name"], paths)
            for sort in source.get("sorts", ()):
                for path, way in sort.items():
                    number = paths.index(path if "." in path else f"{base}.{path}") + 1
                    sql += f" ORDER BY {number} {'DESC' if way == 'desc' else 'ASC'}"
            rows = ask(f"{sql} LIMIT {int(source.get('limit', 500))}")
        except (UnresolvedError, NotCompiledError) as error:
            report.add(file, where, error)
            continue
        except LoadError as error:
            report.add(file, where, _said(error))
            continue
        except ValueError:
            report.add(file, where, "sorts by a column that it does not have")
            continue
        report.tests += _holds(body, paths, rows, file, report)


def _holds(
    body: dict[str, Any],
    paths: Sequence[str],
    rows: Sequence[Sequence[Any]],
    file: str,
    report: Report,
) -> bool:
    for asserted in body.get("asserts", ()):
        where = f"test {body['name']}"
        said = _ASSERTED.fullmatch(asserted["expression"])
        if said is None or said[1] not in paths:
            report.not_checked.append(Problem(file, where, f"asserts {asserted['expression']}"))
            continue
        column = paths.index(said[1])
        for row in rows:
            if not _TRUE[said[2]](row[column], int(said[3])):
                report.add(file, where, f"{said[0].strip()} does not hold: it is {row[column]}")
                return False
    return True


def _check_dashboards(found: Found, report: Report) -> None:
    for body, file in found.dashboards:
        for element in body.get("elements", ()):
            where = f"dashboard {body.get('dashboard')}, {element.get('title')}"
            if "explore" not in element:
                continue
            try:
                scope = Scope.of(found, element["explore"])
                paths = [*element.get("fields", ()), *element.get("listen", {}).values()]
                paths += [str(each).split()[0] for each in element.get("sorts", ())]
                for path in paths:
                    scope.field(path, scope.base)
            except UnresolvedError as error:
                report.add(file, where, error)
