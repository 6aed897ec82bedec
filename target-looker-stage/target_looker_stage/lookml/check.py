"""Would Looker take this model? Names are resolved; explores and tests run on the warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_looker_stage.errors import LoadError

from .compile import Compiler
from .offered import members, offered
from .parsed import Field, Found, Problem, liquid, read, references
from .scope import NotCompiledError, Scope, UnresolvedError
from .trial import Trial, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .sql import Dialect

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
    trial = Trial(Compiler(found, dialect), ask)
    _check_includes(found, folders, report)
    _check_datagroups(found, ask, report)
    for name in found.explores:
        _check_explore(found, name, trial, report)
    _check_tests(found, trial, report)
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
            roots = {Path(file).resolve().parent}
        if not any(each for root in roots for each in root.glob(inside)):
            report.add(file, f"include {pattern}", "no file is called so")


def _check_datagroups(
    found: Found, ask: Callable[[str], Sequence[Sequence[Any]]], report: Report
) -> None:
    known = {body["name"] for body, _ in found.of("datagroups")}
    for body, file in found.of("datagroups"):
        if sql := body.get("sql_trigger"):
            try:
                ask(sql)
            except LoadError as error:
                report.add(file, f"datagroup {body['name']}", f"sql_trigger: {reason(error)}")
    named = [(body, file) for body, file in found.of("models")]
    named += [(body, file) for body, file in found.explores.values()]
    for body, file in named:
        if (wanted := body.get("persist_with")) and wanted not in known:
            report.add(file, body.get("name", "persist_with"), f"there is no datagroup {wanted}")


def _check_explore(found: Found, name: str, trial: Trial, report: Report) -> None:
    _, file = found.explores[name]
    try:
        scope = Scope.of(found, name)
    except UnresolvedError as error:
        report.add(file, f"explore {name}", error)
        return
    if not _check_joins(scope, file, report):
        return

    def tell(text: str) -> None:
        report.add(file, f"explore {name}", text)

    shown = list(offered(scope, found.explores[name][0], tell))
    for alias, each in shown:
        _check_words(scope, alias, each, report)
    runnable = list(_compiled(name, shown, trial.compiler, report))
    for refused, why in trial.refusals(name, runnable):
        if refused is None:
            report.add(file, f"explore {name}", why)
        else:
            report.add(refused.file, f"{refused.view}.{refused.name}", why)
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


def _check_words(scope: Scope, alias: str, each: Field, report: Report) -> None:
    """What a field names outside its SQL: drills, the sets that they use, Liquid, its order."""
    where = f"{each.view}.{each.name}"

    def tell(text: str) -> None:
        report.add(each.file, where, text)

    paths = list(members(scope, alias, each.body.get("drill_fields", ()), tell))
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


def _check_tests(found: Found, trial: Trial, report: Report) -> None:
    for body, file in found.of("tests"):
        where = f"test {body['name']}"
        source = body["explore_source"]
        try:
            base = Scope.of(found, source["name"]).base
            fields = [each.get("field", each["name"]) for each in source.get("columns", ())]
            paths = [each if "." in each else f"{base}.{each}" for each in fields]
            sql = trial.compiler.select(source["name"], paths)
            for sort in source.get("sorts", ()):
                for path, way in sort.items():
                    number = paths.index(path if "." in path else f"{base}.{path}") + 1
                    sql += f" ORDER BY {number} {'DESC' if way == 'desc' else 'ASC'}"
            rows = trial.ask(f"{sql} LIMIT {int(source.get('limit', 500))}")
        except (UnresolvedError, NotCompiledError) as error:
            report.add(file, where, error)
            continue
        except LoadError as error:
            report.add(file, where, reason(error))
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
