"""Where a stream's rows stand, and how BigQuery divides and sorts them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kinetic_target_bigquery.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.cloud.bigquery import SchemaField

SETTING: dict[str, Any] = {
    "type": "object",
    "default": {},
    "description": (
        "By stream: `table`, its name; `partition_by`, a column with a business date; "
        "`partition_granularity`; `cluster_by`, up to four columns."
    ),
}
_MOST_CLUSTERED = 4
_KNOWN = {"table": str, "partition_by": str, "partition_granularity": str, "cluster_by": list}
_GRAINS = {"DATE": ("day", "month", "year"), "TIMESTAMP": ("hour", "day", "month", "year")}
_SORTABLE = {"BIGNUMERIC", "BOOLEAN", "DATE", "INTEGER", "NUMERIC", "STRING", "TIMESTAMP"}
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@dataclass(frozen=True)
class Layout:
    """A table as it has to be; names of columns are those in BigQuery.

    Attributes:
        table: its name; None where the stream's own is meant.
        partition_by: column; None where the table is not partitioned.
        grain: hour, day, month or year.
        cluster_by: columns, the first one first.
        asked_for: what the settings ask of this stream by name; the rest are defaults, which a
            table that is there need not have.
    """

    table: str | None = None
    partition_by: str | None = None
    grain: str | None = None
    cluster_by: tuple[str, ...] = ()
    asked_for: frozenset[str] = frozenset()

    @property
    def partitions(self) -> str:
        """In words."""
        return words(self.partition_by, self.grain)


def words(column: str | None, grain: str | None) -> str:
    """How a table is partitioned, in words."""
    return f"partitioned by {grain} of {column}" if column else "not partitioned"


def read_layouts(given: object) -> dict[str, Layout]:
    """The setting `tables`, judged as far as it can be without a stream's columns.

    Raises:
        GuardError: when something in it is unknown or of the wrong kind.
    """
    if not isinstance(given, dict):
        raise GuardError("`tables` has to be an object: a stream's name, and what holds for it")
    layouts = {stream: _read(stream, options) for stream, options in given.items()}
    named: dict[str, str] = {}
    for stream, layout in layouts.items():
        other = named.setdefault((layout.table or stream).lower(), stream)
        if other != stream:
            raise GuardError(
                f"`tables` sends {other} and {stream} into one table, {layout.table}; their rows "
                "could not be told from each other"
            )
    return layouts


def _read(stream: str, options: object) -> Layout:
    where = f"`tables.{stream}`"
    if not isinstance(options, dict):
        raise GuardError(f"{where} has to be an object with any of {', '.join(_KNOWN)}")
    for name, value in options.items():
        if name not in _KNOWN:
            raise GuardError(f"{where} has no option {name}; it knows {', '.join(_KNOWN)}")
        if not isinstance(value, _KNOWN[name]):
            kind = "an array of columns" if name == "cluster_by" else "text"
            raise GuardError(f"`tables.{stream}.{name}` has to be {kind}")
    table, grain = options.get("table"), options.get("partition_granularity")
    if table is not None and not _TABLE.fullmatch(table):
        raise GuardError(
            f"`tables.{stream}.table` is {table}; a table's name has letters, digits and "
            "underscores, without project or dataset"
        )
    if grain is not None and grain not in _GRAINS["TIMESTAMP"]:
        raise GuardError(
            f"`tables.{stream}.partition_granularity` is {grain}; it can be "
            f"{', '.join(_GRAINS['TIMESTAMP'])}"
        )
    columns = options.get("cluster_by", [])
    if len(columns) > _MOST_CLUSTERED or not all(isinstance(each, str) for each in columns):
        raise GuardError(f"`tables.{stream}.cluster_by` takes up to four names of columns")
    return Layout(
        table, options.get("partition_by"), grain, tuple(columns), frozenset(options)
    )  # fmt: skip


def settle(
    layout: Layout,
    stream: str,
    columns: Sequence[SchemaField],
    names: Mapping[str, str],
    default: Layout,
) -> Layout:
    """A stream's layout, judged by its columns, with defaults where it says nothing.

    Args:
        layout: what `tables` says of the stream.
        stream: its name, for messages.
        columns: in BigQuery.
        names: what each property is called there; either name can be meant.
        default: for all streams.

    Raises:
        GuardError: when a column is not there, or is of a type that does not serve.
    """
    types = {column.name: column.field_type for column in columns}
    meant = {**{name: name for name in types}, **names}
    column, grain = default.partition_by, layout.grain or default.grain
    if layout.partition_by is not None:
        column = _column(layout.partition_by, f"`tables.{stream}.partition_by`", meant, types)
        grain = layout.grain or "month"  # a day each would use up BigQuery's partitions in years
        if types[column] not in _GRAINS:
            dates = [name for name, kind in types.items() if kind in _GRAINS]
            raise GuardError(
                f"`tables.{stream}.partition_by` is {layout.partition_by}, of type "
                f"{types[column]}; BigQuery divides by DATE and TIMESTAMP: {', '.join(dates)}"
            )
        if grain not in _GRAINS[types[column]]:
            raise GuardError(
                f"`tables.{stream}.partition_granularity` is {grain}, and "
                f"{layout.partition_by} is a DATE; it can be {', '.join(_GRAINS['DATE'])}"
            )
    if "cluster_by" in layout.asked_for:
        where = f"`tables.{stream}.cluster_by`"
        sorted_by = tuple(_column(name, where, meant, types) for name in layout.cluster_by)
        for name in sorted_by:
            if types[name] not in _SORTABLE:
                raise GuardError(
                    f"{where} names {name}, of type {types[name]}, by which BigQuery cannot sort"
                )
    else:
        sorted_by = tuple(name for name in default.cluster_by if types[name] in _SORTABLE)
    return replace(
        layout, partition_by=column if grain else None, grain=grain, cluster_by=sorted_by
    )


def _column(name: str, where: str, meant: Mapping[str, str], types: Mapping[str, str]) -> str:
    if name not in meant:
        alike = [each for each in meant if each.lower() == name.lower()] or list(types)
        raise GuardError(f"{where} names {name}, which the stream does not have: {_few(alike)}")
    return meant[name]


def _few(names: Sequence[str], most: int = 12) -> str:
    """As many names as a sentence bears."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
