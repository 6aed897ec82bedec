"""A folder of extracts of one's own, read back with Tableau's engine."""

from __future__ import annotations

import atexit
import io
import json
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import LINEAGE, differences, expected_rows
from harness import plain as by_value
from stages import lines
from target_tableau_refresh.publish.target import PublishTarget

if TYPE_CHECKING:
    from harness import Key
    from kinetic_sandbox.kinetic import Tenant

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


def assert_equal(
    extracts: Extracts, tenant: Tenant, *, but: set[tuple[str, Key]] = frozenset()
) -> None:
    """Every open row of every stream and company, no more and no less, value by value, typed.

    Args:
        extracts: what the loader wrote.
        tenant: the truth.
        but: (stream, key) of rows that the tenant deleted outright, which stay until a key sweep.
    """
    for stream in tenant.streams:
        facts = tenant.entity(stream)
        types = {name: column.type for name, column in facts.columns.items()}
        expected = {
            (company, *key): {name: typed(value, types[name]) for name, value in row.items()}
            for company in tenant.companies
            for key, row in expected_rows(tenant, stream, company).items()
        }
        counted: Counter[Key] = Counter()
        loaded = {}
        for row in extracts.rows(stream):
            assert row["_sdc_deleted_at"] is None
            assert row.keys() >= LINEAGE
            key = tuple(by_value(row[name]) for name in facts.key)
            address = (row["_epicor_company"], *key)
            if (stream, key) in but and address not in expected:
                continue
            counted[address] += 1
            loaded[address] = {
                name: as_read(value, types[name]) for name, value in row.items() if name in types
            }
        assert not [address for address, times in counted.items() if times > 1], stream
        expected = {
            (address[0], *(typed(k, types[name]) for name, k in zip(facts.key, address[1:],
             strict=True))): row for address, row in expected.items()
        }  # fmt: skip
        assert loaded.keys() == expected.keys(), stream
        for address, row in expected.items():
            wrong = differences(loaded[address], row)
            assert not wrong, (stream, address, wrong)


def typed(value: Any, edm_type: str) -> Any:
    """A value of the tenant as an extract has to have it."""
    if value is not None and edm_type == "Edm.DateTimeOffset":
        return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=timezone.utc)
    return by_value(value)


def as_read(value: Any, edm_type: str) -> Any:
    """A value of the engine; a float in place of a decimal is told."""
    if value is not None and edm_type == "Edm.Decimal":
        assert isinstance(value, Decimal)
    return by_value(value)
