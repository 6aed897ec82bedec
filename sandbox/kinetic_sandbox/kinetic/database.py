"""All tables of the tenant, and the only way in which a row is written."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.catalog import TABLES, TWINS, Profile, entity_facts
from kinetic_sandbox.kinetic.spelling import spelt
from kinetic_sandbox.kinetic.stamps import Stamper, row_id, ud_row_version
from kinetic_sandbox.kinetic.store import Key, Row, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from kinetic_sandbox.kinetic.changes import Recorder
    from kinetic_sandbox.kinetic.edm import Column, EntityFacts

# Kinetic sends blanks for what was never filled in; only dates and binaries are null.
_BLANKS: dict[str, Any] = {
    "Edm.String": "",
    "Edm.Boolean": False,
    "Edm.Int32": 0,
    "Edm.Int64": 0,
    "Edm.Decimal": Decimal(0),
    "Edm.Double": 0.0,
}

_STAMPS = frozenset({"SysRowID", "SysRevID", "UD_SysRevID"})


class Database:
    """Tables by stream and company."""

    def __init__(
        self, profile: Profile, companies: tuple[str, ...], seed: int, clock: Callable[[], datetime]
    ) -> None:
        self.companies = companies
        self.stamper = Stamper(clock)
        self.recorder: Recorder | None = None
        self._rng = random.Random(f"{seed}/row ids")  # noqa: S311 - believable, not secret
        self._dropped: dict[str, set[str]] = {}
        self._tables: dict[tuple[str, str], RowTable] = {}
        for note in TABLES:
            facts = entity_facts(note, profile)
            # One table for all: the company service shows every company under each path.
            shared = RowTable(facts)
            for company in companies:
                own = shared if note.stream == "companies" else RowTable(facts)
                self._tables[note.stream, company] = own

    def table(self, stream: str, company: str) -> RowTable:
        """Return one table; unknown names are a ValueError."""
        try:
            return self._tables[stream, company]
        except KeyError:
            raise ValueError(f"no table {stream!r} in company {company!r}") from None

    def facts(self, stream: str) -> EntityFacts:
        """Return what a stream looks like now, added columns included."""
        return self.table(stream, self.companies[0]).facts

    def sets(self) -> Iterator[tuple[str, EntityFacts]]:
        """Return every served entity set with the stream that fills it."""
        for note in TABLES:
            yield note.stream, self.facts(note.stream)
        for twin in TWINS:
            yield twin.stream, twin.facts(self.facts(twin.stream))

    def tables(self) -> Iterator[RowTable]:
        """Return each table once."""
        yield from {id(table): table for table in self._tables.values()}.values()

    def add(
        self,
        stream: str,
        company: str,
        given: Mapping[str, Any],
        *,
        at: datetime | None = None,
        closed: bool = False,
    ) -> Key:
        """Insert a row; blanks, flag, stamps and row id are filled in."""
        table = self.table(stream, company)
        facts = table.facts
        given = self._without_dropped(facts.stream, given)
        _refuse_unknown(facts, given)
        values = {name: _BLANKS.get(column.type) for name, column in facts.columns.items()}
        if "Company" in facts.columns:
            values["Company"] = company
        if facts.closed is not None:
            values[facts.closed] = closed is facts.closed_when
        values.update({name: spelt(value, facts) for name, value in given.items()})
        values["SysRowID"] = given.get("SysRowID", row_id(self._rng))
        revision = self.stamper.stamp(facts, values, at=at)
        if "UD_SysRevID" in facts.columns:
            values["UD_SysRevID"] = ud_row_version(revision)
        row = Row(list(values.values()), revision)
        table.insert(row)
        key = table.key_of(row.values)
        self._note(table, company, key, "absent", _standing(table, row))
        return key

    def drafted(
        self, table: RowTable, row: Row, given: Mapping[str, Any], at: datetime | None = None
    ) -> Row:
        """Return what the row would be after this change, stamps taken now."""
        facts = table.facts
        given = self._without_dropped(facts.stream, given)
        _refuse_unknown(facts, given)
        for name in facts.key:
            if name in given and given[name] != row.values[table.position[name]]:
                raise ValueError(f"{facts.stream}: key column {name} cannot change")
        values = table.as_dict(row)
        values.update({name: spelt(value, facts) for name, value in given.items()})
        revision = self.stamper.stamp(facts, values, at=at)
        return Row(list(values.values()), revision)

    def change(
        self,
        stream: str,
        company: str,
        key: Key,
        given: Mapping[str, Any],
        *,
        at: datetime | None = None,
    ) -> None:
        """Change a row under its key."""
        table = self.table(stream, company)
        row = self.find(stream, company, key)
        self.settle(table, company, row, self.drafted(table, row, given, at))

    def settle(self, table: RowTable, company: str, row: Row, draft: Row) -> None:
        """Let a drafted row take the place of the stored one."""
        before = _standing(table, row)
        table.rewrite(row, draft.values, draft.revision)
        self._note(table, company, table.key_of(row.values), before, _standing(table, row))

    def blank_changes(self, stream: str, company: str, key: Key) -> None:
        """Leave a row without change dates, as if untouched since an old conversion."""
        table = self.table(stream, company)
        row = self.find(stream, company, key)
        values = list(row.values)
        for change in table.facts.changes:
            values[table.position[change.name]] = None if change.how in {"day", "moment"} else 0
            if change.how == "user":
                values[table.position[change.name]] = ""
        table.rewrite(row, values, row.revision)

    def delete(self, stream: str, company: str, keys: Iterable[Key]) -> None:
        """Delete rows; nothing in the tenant will tell of it."""
        table = self.table(stream, company)
        rows = [self.find(stream, company, key) for key in keys]
        for row in rows:
            key = table.key_of(row.values)
            self._note(table, company, key, _standing(table, row), "absent")
        table.remove(rows)

    def drop_column(self, stream: str, name: str) -> None:
        """Take a column away; whoever still fills it in fills in nothing."""
        facts = self.facts(stream)
        _refuse_unknown(facts, {name: None})
        stamped = {change.name for change in facts.changes} | _STAMPS
        if name in {*facts.key, facts.closed, facts.remark, *stamped}:
            raise ValueError(f"{stream} cannot do without {name}: the tenant itself writes it")
        self._dropped.setdefault(stream, set()).add(name)
        for table in {id(each): each for each in self._of(stream)}.values():
            table.drop_column(name)

    def add_column(self, stream: str, column: Column, value: object) -> None:
        """Let a column appear, with one value in all rows."""
        self._dropped.get(stream, set()).discard(column.name)
        for table in {id(each): each for each in self._of(stream)}.values():
            table.add_column(column, value)

    def widen_decimal(self, stream: str, name: str, precision: int, scale: int) -> None:
        """Let a column be declared with more digits; rows keep their values."""
        column = replace(self.facts(stream).columns[name], precision=precision, scale=scale)
        for table in {id(each): each for each in self._of(stream)}.values():
            table.facts = table.facts.with_column(column)

    def find(self, stream: str, company: str, key: Key) -> Row:
        """Return the row under a key; a missing one is a KeyError that names it."""
        row = self.table(stream, company).by_key.get(tuple(key))
        if row is None:
            raise KeyError(f"{stream} of {company} has no row {tuple(key)!r}")
        return row

    def _of(self, stream: str) -> Iterator[RowTable]:
        return (self.table(stream, company) for company in self.companies)

    def _without_dropped(self, stream: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        gone = self._dropped.get(stream, ())
        return {name: value for name, value in given.items() if name not in gone}

    def _note(self, table: RowTable, company: str, key: Key, before: str, after: str) -> None:
        if self.recorder is not None:
            self.recorder.note(table.facts.stream, company, key, before, after)


def _standing(table: RowTable, row: Row) -> str:
    facts = table.facts
    if facts.closed is None:
        return "open"
    is_closed = row.values[table.position[facts.closed]] is facts.closed_when
    return "closed" if is_closed else "open"


def _refuse_unknown(facts: EntityFacts, given: Mapping[str, Any]) -> None:
    unknown = [name for name in given if name not in facts.columns]
    if unknown:
        raise ValueError(f"{facts.stream} has no column {', '.join(unknown)}")
