"""What a part costs and how much of it is used, worked out of the part transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .facts import STREAMS
from .facts.shapes import COMPANY
from .facts.stock import COST_COLUMNS, PART_COSTS, USED_IN_DAYS, USED_UP
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
    used = _used(transactions, dialect)
    columns = [
        Column("epicor_company", "epicor_company", COMPANY, company.kind),
        Column("part_number", "part_number", "PartNum", part.kind),
        Column("unit_cost", "unit_cost", "unit_cost", Kind.NUMBER),
    ]
    outer = ["MAX(CASE WHEN costs.newest = 1 THEN costs.unit_cost END) AS unit_cost"]
    inner = [
        f"{_at(dialect, company)} AS epicor_company",
        f"{_at(dialect, part)} AS part_number",
        f"{cost} AS unit_cost",
        f"ROW_NUMBER() OVER ({_latest(dialect, company, part, cost, newest)}) AS newest",
    ]
    if used:
        columns.append(Column("used_cost", "used_cost", "used_cost", Kind.NUMBER))
        outer.append("ABS(SUM(costs.used_cost)) AS used_cost")
        inner.append(f"{used} AS used_cost")
    return Table(
        stream=PART_COSTS,
        view=PART_COSTS,
        rows=_query(transactions.view, outer, inner),
        is_query=True,
        columns={column.epicor.casefold(): column for column in columns},
        key=tuple(columns[:2]),
        facts=STREAMS[PART_COSTS],
    )


def _latest(dialect: Dialect, company: Column, part: Column, cost: str, newest: str) -> str:
    """Costed transactions before the others, the latest first."""
    return (
        f"PARTITION BY {_at(dialect, company)}, {_at(dialect, part)} "
        f"ORDER BY CASE WHEN {cost} <> 0 THEN 0 ELSE 1 END, {newest}"
    )


def _query(view: str, outer: Sequence[str], inner: Sequence[str]) -> str:
    return (
        f"SELECT costs.epicor_company, costs.part_number, {', '.join(outer)} "
        f"FROM (SELECT {', '.join(inner)} FROM ${{{view}.SQL_TABLE_NAME}} AS moved) AS costs "
        "GROUP BY costs.epicor_company, costs.part_number"
    )


def _used(transactions: Table, dialect: Dialect) -> str:
    """The cost of one transaction that took stock for good of late, else null."""
    kind, day, amount = (transactions.find(n) for n in ("TranType", "TranDate|SysDate", "ExtCost"))
    if not (kind and day and amount):
        return ""
    types = ", ".join(f"'{each}'" for each in USED_UP)
    age = dialect.days_since(dialect.day(_at(dialect, day), day.kind))
    return (
        f"CASE WHEN {_at(dialect, kind)} IN ({types}) AND {age} <= {USED_IN_DAYS} "
        f"THEN {_at(dialect, amount)} END"
    )


def _at(dialect: Dialect, column: Column) -> str:
    return f"moved.{dialect.quoted(column.stored)}"
