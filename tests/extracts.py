"""A folder of extracts of one's own, read back with Tableau's engine."""

from __future__ import annotations

import atexit
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from stages import lines
from target_tableau_refresh.publish.target import PublishTarget

Row = dict[str, Any]


def needed_engine() -> Any:
    """Tableau's engine; skips loudly where there is none."""
    return pytest.importorskip(
        "tableauhyperapi", reason="NOT TESTED: extracts; Tableau has no engine for this machine"
    )


@cache
def engine() -> Any:
    """The engine that reads, one for all tests."""
    hyper = needed_engine()
    silent = hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    process = hyper.HyperProcess(silent, parameters={"log_config": ""})
    atexit.register(process.close)
    return process


def opened(file: Path) -> Any:
    """A connection of the engine to a file."""
    return needed_engine().Connection(engine().endpoint, str(file))


def rows_of(file: Path, table: str = "Extract") -> list[Row]:
    """All rows of a file's table, as Python has such values."""
    query = f'SELECT * FROM "Extract"."{table}"'
    with opened(file) as connection, connection.execute_query(query) as result:
        names = [column.name.unescaped for column in result.schema.columns]
        return [dict(zip(names, map(plain, row), strict=True)) for row in result]


def types_of(file: Path) -> dict[str, str]:
    """Types of the columns."""
    hyper = needed_engine()
    with opened(file) as connection:
        table = connection.catalog.get_table_definition(hyper.TableName("Extract", "Extract"))
        return {column.name.unescaped: str(column.type) for column in table.columns}


def plain(value: Any) -> Any:
    """The engine has classes of its own for what is a date."""
    hyper = needed_engine()
    if isinstance(value, hyper.Timestamp):
        at = datetime(value.year, value.month, value.day, value.hour, value.minute, value.second,
                      value.microsecond)  # fmt: skip
        assert value.tzinfo in {None, timezone.utc}
        return at.replace(tzinfo=value.tzinfo)
    return date(value.year, value.month, value.day) if isinstance(value, hyper.Date) else value


@dataclass
class Extracts:
    """The loader, in this process, and what it wrote."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    batch_rows: int = 50_000

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the loader."""
        return {"mode": "publish", "publish_folder": str(self.folder), **self.settings}

    def load(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Load messages; the STATEs that came out, also of a load that fails."""
        out, target = io.StringIO(), PublishTarget(config=self.config)
        target.batch_size_rows = self.batch_rows
        self.states: list[dict[str, Any]] = []
        try:
            with redirect_stdout(out):
                try:
                    target.listen(io.BytesIO(lines(*messages)))  # type: ignore[arg-type]
                finally:
                    target.close()
        finally:
            self.states = [json.loads(line) for line in out.getvalue().splitlines()]
        return self.states

    def file(self, stream: str) -> Path:
        """A stream's extract."""
        return self.folder / f"{stream}.hyper"

    def rows(self, stream: str) -> list[Row]:
        """All rows of an extract."""
        return rows_of(self.file(stream))

    def by_key(self, stream: str) -> dict[Any, Row]:
        """Rows by their column `K`; each is there once."""
        rows = self.rows(stream)
        found = {row["K"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    @property
    def left(self) -> set[str]:
        """What lies in the folder beside the extracts."""
        return {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.suffix != ".hyper" or path.parent != self.folder
        }
