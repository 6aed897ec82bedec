"""The catalog's streams as they are staged: which table and columns, and what each holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from target_looker_stage.names import stored_name

from .facts import STREAMS
from .facts.shapes import DELETED_AT, MOMENTS, TECHNICAL, StreamFacts
from .safe_text import field_name, is_safe_name, label, spoken
from .sql import Dialect, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .catalog import CatalogStream

DAY_FRAMES = ("raw", "date", "week", "month", "quarter", "year")
TIME_FRAMES = ("raw", "time", "date", "week", "month", "quarter", "year")
KEY = "row_key"
COUNT = "count"
ROWS = "number_of_rows"
_ENDS = re.compile(r"_?(date|_dt|_at|_on)$")


class MissingError(Exception):
    """A column that a fact names is not there; says which."""


@dataclass(frozen=True)
class Column:
    """One staged column.

    Attributes:
        name: of its dimension, or of its group of dimensions.
        stored: in the warehouse.
        epicor: Epicor's own name.
        kind: what it holds.
        frames: its time frames; none where it is a plain dimension.
        is_day: a calendar day, whatever its type.
    """

    name: str
    stored: str
    epicor: str
    kind: Kind
    frames: tuple[str, ...] = ()
    is_day: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its dimensions."""
        return tuple(f"{self.name}_{frame}" for frame in self.frames) or (self.name,)

    @property
    def value(self) -> str:
        """The dimension that is the column itself."""
        return self.fields[0]

    @property
    def shown(self) -> str:
        """The dimension that people read in a list."""
        return f"{self.name}_date" if self.frames else self.name

    @property
    def is_moment(self) -> bool:
        """Whether it is shown in the reader's time zone."""
        return not self.is_day and self.epicor.casefold() in MOMENTS

    @property
    def is_technical(self) -> bool:
        """Whether it is hidden from people."""
        return self.epicor.casefold() in TECHNICAL or self.epicor.startswith("_sdc_")


@dataclass(frozen=True)
class Table:
    """One stream as it is staged.

    Attributes:
        stream: its name, which is also the view's.
        view: a name that LookML takes.
        rows: SQL of its rows, or the table where it has no rows to leave out.
        is_query: whether `rows` is a query.
        columns: by Epicor's name, without case.
        key: the columns that make a row unique.
        facts: what is known of it.
    """

    stream: str
    view: str
    rows: str
    is_query: bool
    columns: Mapping[str, Column]
    key: tuple[Column, ...]
    facts: StreamFacts
    notes: tuple[str, ...] = field(default=(), compare=False)

    def find(self, names: str) -> Column | None:
        """The first column that is there, of names with `|` between."""
        for name in names.split("|"):
            if column := self.columns.get(name.casefold()):
                return column
        return None

    def column(self, names: str) -> Column:
        """As `find`.

        Raises:
            MissingError: where there is none.
        """
        if column := self.find(names):
            return column
        wanted = " or ".join(names.split("|"))
        raise MissingError(f"{self.stream} has no column {wanted}")


def staged_table(
    stream: CatalogStream,
    schema: str,
    table: str,
    types: Mapping[str, str],
    dialect: Dialect,
) -> Table:
    """Meet catalog and warehouse.

    Args:
        stream: of the catalog.
        schema: where the table is.
        table: as the warehouse shows it.
        types: the warehouse's type by column, as it shows them.
        dialect: of the warehouse.
    """
    facts = STREAMS.get(stream.name) or StreamFacts(stream.name, spoken(stream.name))
    notes: list[str] = []
    columns = _named(_staged(stream, types, dialect, notes), facts)
    by_epicor = {column.epicor.casefold(): column for column in columns}
    key = [by_epicor.get(stream.columns.get(name, name).casefold()) for name in stream.key]
    place = f"{dialect.quoted(schema)}.{dialect.quoted(table)}"
    mark = by_epicor.get(DELETED_AT)
    if not key or None in key:
        notes.append(f"{_said(stream.name)} has no staged key: sums over joins can double")
        key = []
    return Table(
        stream=stream.name,
        view=field_name(stream.name),
        rows=place if mark is None else (
            f"SELECT * FROM {place} WHERE {dialect.quoted(mark.stored)} IS NULL"
        ),
        is_query=mark is not None,
        columns=by_epicor,
        key=tuple(column for column in key if column),
        facts=facts,
        notes=tuple(notes),
    )  # fmt: skip


def _staged(
    stream: CatalogStream, types: Mapping[str, str], dialect: Dialect, notes: list[str]
) -> list[Column]:
    """Columns that are in the catalog and in the table, in the table's order."""
    known = {stored_name(name): epicor for name, epicor in stream.columns.items()}
    known |= {name.lower(): epicor for name, epicor in stream.columns.items()}
    found = []
    for stored, column_type in types.items():
        epicor = known.get(stored.lower())
        if epicor is None:
            continue
        kind = dialect.kind(column_type)
        where = f"column {_said(stored)} of {_said(stream.name)}"
        if not is_safe_name(stored):
            notes.append(f"{where} is left out: its name could break out of SQL")
        elif kind is None:
            notes.append(f"{where} is left out: LookML shows no {_said(column_type)}")
        else:
            found.append(Column("", stored, epicor, kind))
    return found


def _named(columns: Sequence[Column], facts: StreamFacts) -> list[Column]:
    """Columns with names for LookML; plain ones first, since theirs are the warehouse's."""
    taken = {KEY, COUNT, ROWS, *_names(facts)}
    days = {name.casefold() for name in facts.days.split()}
    names: dict[str, Column] = {}
    for column in sorted(columns, key=lambda each: _frames(each, days) != ()):
        frames = _frames(column, days)
        named = _free(replace(column, frames=frames), taken)
        is_day = column.kind is Kind.DATE or column.epicor.casefold() in days
        names[column.stored] = replace(named, is_day=bool(frames) and is_day)
        taken.update(names[column.stored].fields)
    return [names[column.stored] for column in columns]


def _names(facts: StreamFacts) -> list[str]:
    return [*(each.name for each in facts.dimensions), *(each.name for each in facts.measures)]


def _frames(column: Column, days: Collection[str]) -> tuple[str, ...]:
    if column.kind is Kind.DATE:
        return DAY_FRAMES
    if column.kind in {Kind.TIME, Kind.ZONED}:
        return DAY_FRAMES if column.epicor.casefold() in days else TIME_FRAMES
    return ()


def _free(column: Column, taken: Collection[str]) -> Column:
    """The column under the first of its possible names that clashes with nothing."""
    whole = field_name(column.stored)
    for name in (_ENDS.sub("", whole) if column.frames else whole, whole):
        named = replace(column, name=name)
        if name and not any(each in taken for each in named.fields):
            return named
    return replace(column, name=field_name(column.stored, {whole}))


def _said(name: str) -> str:
    """A name in a note."""
    return label(name) or "?"
