"""What a part costs and how much of it is used, worked out of the part transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .facts import STREAMS
from .facts.shapes import COMPANY
from .facts.stock import COST_COLUMNS, PART_COSTS, PART_USAGE, USED_IN_DAYS, USED_UP
from .sql import Dialect, Kind
from .tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence


def part_costs(transactions: Table, dialect: Dialect) -> Table:
    """One row for each company and part.

    Args:
        transactions: the part transactions as they are staged.
        dialect: of the warehouse.

    Raises:
        MissingError: where a column is missing without which there is no cost.
    """
    company, part = transactions.column(COMPANY), transactions.column("PartNum")
    costs = [found for name in COST_COLUMNS.split() if (found := transactions.find(name))]
    if not costs:
        transactions.column(COST_COLUMNS.replace(" ", "|"))
    when = [transactions.column("SysDate|TranDate")]
    when += [found for name in ("SysTime", "TranNum") if (found := transactions.find(name))]
    cost = " + ".join(f"COALESCE({_at(dialect, each)}, 0)" for each in costs)
    newest = ", ".join(f"{_at(dialect, each)} DESC" for each in when)
    key = (
        Column("epicor_company", "epicor_company", COMPANY, company.kind),
        Column("part_number", "part_number", "PartNum", part.kind),
    )
    # Costed transactions before the others, the latest first.
    latest = (
        f"PARTITION BY {_at(dialect, company)}, {_at(dialect, part)} "
        f"ORDER BY CASE WHEN {cost} <> 0 THEN 0 ELSE 1 END, {newest}"
    )
    inner = (
        f"SELECT {_at(dialect, company)} AS epicor_company, {_at(dialect, part)} AS part_number, "
        f"{cost} AS unit_cost, ROW_NUMBER() OVER ({latest}) AS newest {_moved(transactions)}"
    )
    return _table(
        PART_COSTS, key, Column("unit_cost", "unit_cost", "unit_cost", Kind.NUMBER),
        f"SELECT costs.epicor_company, costs.part_number, costs.unit_cost FROM ({inner}) AS costs "
        "WHERE costs.newest = 1",
    )  # fmt: skip


def part_usage(transactions: Table, dialect: Dialect) -> Table:
    """One row for each company, part and warehouse that stock was taken from for good of late.

    Args:
        transactions: the part transactions as they are staged.
        dialect: of the warehouse.

    Raises:
        MissingError: where a column is missing without which there is no telling.
    """
    company, part, warehouse, kind, day, amount = (
        transactions.column(names)
        for names in (
            COMPANY, "PartNum", "WarehouseCode", "TranType", "TranDate|SysDate", "ExtCost",
        )
    )  # fmt: skip
    key = (
        Column("epicor_company", "epicor_company", COMPANY, company.kind),
        Column("part_number", "part_number", "PartNum", part.kind),
        Column("warehouse", "warehouse", "WarehouseCode", warehouse.kind),
    )
    by = [_at(dialect, each) for each in (company, part, warehouse)]
    shown = ", ".join(f"{sql} AS {column.stored}" for sql, column in zip(by, key, strict=True))
    types = ", ".join(f"'{each}'" for each in USED_UP)
    age = dialect.days_since(dialect.day(_at(dialect, day), day.kind))
    return _table(
        PART_USAGE, key, Column("used_cost", "used_cost", "used_cost", Kind.NUMBER),
        f"SELECT {shown}, ABS(SUM({_at(dialect, amount)})) AS used_cost {_moved(transactions)} "
        f"WHERE {_at(dialect, kind)} IN ({types}) AND {age} <= {USED_IN_DAYS} "
        f"GROUP BY {', '.join(by)}",
    )  # fmt: skip


def _table(stream: str, key: Sequence[Column], amount: Column, rows: str) -> Table:
    return Table(
        stream=stream,
        view=stream,
        rows=rows,
        is_query=True,
        columns={column.epicor.casefold(): column for column in (*key, amount)},
        key=tuple(key),
        facts=STREAMS[stream],
    )


def _moved(transactions: Table) -> str:
    return f"FROM ${{{transactions.view}.SQL_TABLE_NAME}} AS moved"


def _at(dialect: Dialect, column: Column) -> str:
    return f"moved.{dialect.quoted(column.stored)}"
