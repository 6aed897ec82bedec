"""The shapes of the facts, and the names of columns that every stream has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "companies.CurrencyCode"
"""Amounts in the company's own currency."""
SEVERAL = "several"
"""Shown in place of a currency where a sum runs over more than one."""

COMPANY = "_epicor_company"
SOURCE_URL = "_epicor_source_url"
SYNCED_AT = "_epicor_synced_at"
DELETED_AT = "_sdc_deleted_at"
AUDIT_TABLE = "_sync_audit"

TECHNICAL = frozenset(
    name.casefold()
    for name in (
        "Company", "SysRevID", "SysRowID", "UD_SysRevID", "BitFlag", "RowMod", "RowIdent",
        "_epicor_instance", "_epicor_source_id", SOURCE_URL, "_epicor_run_id", DELETED_AT,
    )
)  # fmt: skip
"""Staged for joins and lineage; hidden from people."""

MOMENTS = frozenset(
    name.casefold()
    for name in (
        SYNCED_AT, "CreatedOn", "ChangedOn", "UpdatedOn", "started_at", "finished_at",
    )
)  # fmt: skip
"""Real moments: shown in the reader's time zone. Other time stamps could be days; none is moved."""


@dataclass(frozen=True)
class Money:
    """Columns of amounts, and what has to be one for a sum of them to mean something.

    Args:
        columns: names, with blanks between.
        of: the column of the currency first, then what people have to filter or split by; a
            `stream.Column` is of a joined view.
        digits: behind the point.
    """

    columns: str
    of: tuple[str, ...]
    digits: int = 2


@dataclass(frozen=True)
class Relation:
    """Many rows of a stream belong to one of another.

    Args:
        to: the other stream.
        on: pairs of own and other column.
        also: columns of both that are compared where both have them.
    """

    to: str
    on: Mapping[str, str]
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dimension:
    """A dimension that is worked out."""

    name: str
    label: str
    sql: str
    type: str = "string"
    is_hidden: bool = False
    order_by: str = ""
    description: str = ""


@dataclass(frozen=True)
class Measure:
    """What people ask for.

    Args:
        name: unique in its view.
        label: for people.
        type: sum, average, min, max, count, count_distinct; `number` works on other measures.
        sql: of one row; for `number` of other measures.
        where: flags that have to be yes, or `dimension=value`.
        format: a value_format_name; amounts of money have their own.
        description: what exactly is summed.
    """

    name: str
    label: str
    type: str
    sql: str = ""
    where: tuple[str, ...] = ()
    format: str = ""
    description: str = ""


@dataclass(frozen=True)
class StreamFacts:
    """One stream.

    Args:
        stream: its name.
        label: of many rows.
        document: the column that people know a row by; it carries the link to the record.
        detail: columns that a drill shows.
        days: columns that are calendar days.
        money: its amounts.
        closed: the flag of rows that count no more, where `closed_records: include` keeps them.
        under: the streams whose closed rows close its own.
        relations: to what its rows belong.
        dimensions: that are worked out.
        measures: the first are the ones that drills show.
        finer: the stream whose measures stand in for its own where a drill goes below its rows.
    """

    stream: str
    label: str
    document: str = ""
    detail: str = ""
    days: str = ""
    money: tuple[Money, ...] = ()
    closed: str = ""
    under: str = ""
    relations: tuple[Relation, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    measures: tuple[Measure, ...] = ()
    finer: str = ""


@dataclass(frozen=True)
class Branch:
    """What an explore joins.

    Args:
        stream: that is joined.
        to: the streams that it may hang on; the first that has the relation is taken.
        is_many: whether it is the joined stream that has many rows for one.
        has_measures: whether its measures are offered; those of many rows always are.
    """

    stream: str
    to: str
    is_many: bool = False
    has_measures: bool = False


@dataclass(frozen=True)
class ExploreFacts:
    """One explore.

    Args:
        name: of the explore.
        base: its stream.
        label: for people.
        description: for people.
        branches: what is joined, in order.
        segments_of: the stream whose SegValue columns the tenant's segments are joined on.
    """

    name: str
    base: str
    label: str
    description: str
    branches: tuple[Branch, ...]
    segments_of: str = ""
