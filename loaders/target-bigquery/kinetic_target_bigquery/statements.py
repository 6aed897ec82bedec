"""The statements that bring a stage into its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def merge(table: str, stage: str, names: Sequence[str], keys: Sequence[str], order: str) -> str:
    """The last row of each key, in place of the one that is there, wherever that is stored.

    Args:
        table: project, dataset and table.
        stage: likewise.
        names: of all columns.
        keys: of those that make the key.
        order: the column that says which row came last.
    """
    quoted = [f"`{name}`" for name in names]
    listed = ", ".join(quoted)
    key = [f"`{name}`" for name in keys]
    return (
        f"MERGE `{table}` AS t USING ("
        f"SELECT * FROM `{stage}` WHERE TRUE QUALIFY ROW_NUMBER() OVER ("
        f"PARTITION BY {', '.join(key)} ORDER BY `{order}` DESC) = 1) AS s "
        f"ON {' AND '.join(f't.{name} = s.{name}' for name in key)} "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = s.{name}' for name in quoted)} "
        f"WHEN NOT MATCHED THEN INSERT ({listed}) "
        f"VALUES ({', '.join(f's.{name}' for name in quoted)})"
    )


def append(table: str, stage: str, names: Sequence[str]) -> str:
    """All rows, behind those that are there."""
    listed = ", ".join(f"`{name}`" for name in names)
    return f"INSERT INTO `{table}` ({listed}) SELECT {listed} FROM `{stage}`"
