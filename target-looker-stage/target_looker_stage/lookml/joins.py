"""Which explores there are and what each joins, as far as the staged columns carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .facts import EXPLORES
from .facts.shapes import COMPANY, Branch, ExploreFacts
from .tables import MissingError, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .segments import Segment
    from .unique import Uniqueness


@dataclass(frozen=True)
class Join:
    """One joined view.

    Attributes:
        view: its name in the explore.
        table: what is joined.
        sql_on: the condition; the company is part of it.
        relationship: as LookML has it.
        has_measures: whether its measures are offered.
        label: where people are to see another than the view's own.
    """

    view: str
    table: Table
    sql_on: str
    relationship: str
    has_measures: bool = False
    label: str = ""


@dataclass(frozen=True)
class Explore:
    """One explore; `is_hidden` ones are there for tests and suggestions, and show no measures."""

    name: str
    base: Table
    label: str
    description: str
    joins: tuple[Join, ...]
    is_hidden: bool = False

    @property
    def with_measures(self) -> tuple[Table, ...]:
        """The tables whose measures are offered."""
        return (self.base, *(join.table for join in self.joins if join.has_measures))


def planned(
    tables: Mapping[str, Table],
    segments: Sequence[Segment],
    uniqueness: Uniqueness,
    notes: list[str],
) -> tuple[Explore, ...]:
    """Every explore: the known ones, then one of its own for each view that is in none.

    Args:
        tables: by stream.
        segments: of the chart of accounts.
        uniqueness: tells what can be joined without repeating rows.
        notes: takes what had to be left out.
    """
    known = [
        _known(facts, tables, segments, uniqueness, notes)
        for facts in EXPLORES
        if facts.base in tables
    ]
    notes += [
        f"explore {facts.name} is left out: {facts.base} is not staged"
        for facts in EXPLORES
        if facts.base not in tables
    ]
    joined = {join.table.stream for explore in known for join in explore.joins}
    bases = {explore.base.stream for explore in known}
    taken = {explore.name for explore in known}
    alone = []
    for stream, table in sorted(tables.items()):
        if stream not in bases:
            name = table.view if table.view not in taken else f"{table.view}_rows"
            label = table.facts.label
            joins = tuple(_company(table, tables))
            alone.append(Explore(name, table, label, "", joins, is_hidden=stream in joined))
    return (*known, *alone)


def reach(explores: Sequence[Explore]) -> dict[str, set[str]]:
    """By stream, the views that are there wherever its measures are offered."""
    found: dict[str, set[str]] = {}
    for explore in explores:
        views = {explore.base.view, *(join.view for join in explore.joins)}
        for table in explore.with_measures if not explore.is_hidden else ():
            found[table.stream] = found.get(table.stream, views) & views
    return found


def _known(
    facts: ExploreFacts,
    tables: Mapping[str, Table],
    segments: Sequence[Segment],
    uniqueness: Uniqueness,
    notes: list[str],
) -> Explore:
    base = tables[facts.base]
    there = {facts.base: base}
    joins = list(_company(base, tables))
    for branch in facts.branches:
        try:
            join = _joined(branch, there, tables, uniqueness)
        except MissingError as error:
            notes.append(f"explore {facts.name} does not join {branch.stream}: {error}")
        else:
            joins.append(join)
            there[branch.stream] = join.table
    if facts.segments_of:
        values = tables.get("gl_segment_values")
        if not segments:
            why = "is empty" if "gl_segments" in tables else "is not staged"
            notes.append(f"explore {facts.name} names no GL segments: gl_segments {why}")
        elif values is None or facts.segments_of not in there:
            notes.append(
                f"explore {facts.name} names no GL segments: gl_segment_values or "
                f"{facts.segments_of} is not joined"
            )
        else:
            joins += _segments(there[facts.segments_of], values, segments, notes)
    return Explore(facts.name, base, facts.label, facts.description, tuple(joins))


def _company(base: Table, tables: Mapping[str, Table]) -> Iterator[Join]:
    """Its company, for the currency of its amounts."""
    companies = tables.get("companies")
    if companies and base is not companies and COMPANY in base.columns:
        yield Join(
            companies.view, companies, _on(base, companies, companies.view, {}), "many_to_one"
        )


def _joined(
    branch: Branch,
    there: Mapping[str, Table],
    tables: Mapping[str, Table],
    uniqueness: Uniqueness,
) -> Join:
    """What a branch joins, to the first that it can hang on.

    Raises:
        MissingError: where it can hang on none.
    """
    if branch.stream not in tables:
        raise MissingError(f"{branch.stream} is not staged")
    table = tables[branch.stream]
    reason = f"{' and '.join(branch.to.split())} is not there"
    for name in branch.to.split():
        if name not in there:
            continue
        child, parent = (table, there[name]) if branch.is_many else (there[name], table)
        relation = next(each for each in child.facts.relations if each.to == parent.stream)
        try:
            on = {**relation.on}
            on |= {each: each for each in relation.also if child.find(each) and parent.find(each)}
            pairs = {
                child.column(own).value: parent.column(other).value for own, other in on.items()
            }
            sql_on = _on(child, parent, parent.view, pairs)
            # What is one today may be several tomorrow: only a key promises that it stays one.
            own_side = "one" if uniqueness.is_by_key(parent, on.values()) else "many"
        except MissingError as error:
            reason = str(error)
            continue
        sides = (own_side, "many") if branch.is_many else ("many", own_side)
        return Join(
            table.view, table, sql_on, f"{sides[0]}_to_{sides[1]}",
            branch.is_many or branch.has_measures,
        )  # fmt: skip
    raise MissingError(reason)


def _segments(
    holder: Table, values: Table, segments: Sequence[Segment], notes: list[str]
) -> Iterator[Join]:
    for segment in segments:
        try:
            pairs = {
                holder.column("COACode").value: values.column("COACode").value,
                holder.column(segment.column).value: values.column("SegmentCode").value,
            }
            number = values.column("SegmentNbr").value
        except MissingError as error:
            notes.append(f"GL segment {segment.name} is joined nowhere: {error}")
            continue
        sql_on = _on(holder, values, segment.view, pairs)
        yield Join(
            segment.view, values, f"{sql_on} AND ${{{segment.view}.{number}}} = {segment.number}",
            "many_to_one", label=segment.name,
        )  # fmt: skip


def _on(child: Table, parent: Table, parent_view: str, pairs: Mapping[str, str]) -> str:
    both = {child.column(COMPANY).value: parent.column(COMPANY).value, **pairs}
    return " AND ".join(
        f"${{{child.view}.{own}}} = ${{{parent_view}.{other}}}" for own, other in both.items()
    )
