"""Warehouses of one's own for the Looker stage, each with its own client, and Singer messages."""

from __future__ import annotations

import io
import json
from contextlib import closing, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import psycopg
from community import postgres
from psycopg.rows import dict_row
from target_looker_stage.target import LookerStageTarget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = "epicor_stage"
TEXT = {"type": ["string", "null"]}
WHOLE = {"type": ["integer", "null"]}
MOMENT = {**TEXT, "format": "date-time"}
GONE = "2026-11-21T12:00:00Z"
Row = dict[str, Any]


def amount(precision: int = 18, scale: int = 3) -> dict[str, Any]:
    """The schema of a decimal."""
    return {**TEXT, "format": "x-singer.decimal", "precision": precision, "scale": scale}


class Place(Protocol):
    """A database of a test's own."""

    url: str

    def query(self, sql: str) -> list[Row]:
        """What a statement returns, through the database's own client."""


@dataclass
class PostgreSQL:
    """A database of a server."""

    url: str

    def query(self, sql: str) -> list[Row]:
        """Through psycopg."""
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute("SET timezone = 'UTC'")
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


@dataclass
class DuckDB:
    """A file."""

    file: Path

    @property
    def url(self) -> str:
        """As SQLAlchemy takes it."""
        return f"duckdb:///{self.file}"

    def query(self, sql: str) -> list[Row]:
        """Through DuckDB's client."""
        with closing(duckdb.connect(str(self.file))) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found: list[Row] = connection.execute(sql).fetch_arrow_table().to_pylist()
            return found


@contextmanager
def postgres_places() -> Iterator[Any]:
    """Gives a function that makes a database."""
    with postgres() as server:
        made = 0

        def make() -> PostgreSQL:
            nonlocal made
            made += 1
            name = f"stage_{made}"
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return PostgreSQL(server.url.removesuffix(server.name) + name)

        yield make


@dataclass
class Stage:
    """The loader, in this process, and what it loaded."""

    place: Place
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the loader."""
        return {"sqlalchemy_url": self.place.url, **self.settings}

    def load(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Load messages; the STATEs that came out, also of a load that fails."""
        out, target = io.StringIO(), LookerStageTarget(config=self.config)
        self.states: list[dict[str, Any]] = []
        try:
            with redirect_stdout(out):
                try:
                    target.listen(io.BytesIO(lines(*messages)))  # type: ignore[arg-type]
                finally:
                    with suppress(Exception):
                        target.behind.finish()
                    target.warehouse.close()
        finally:
            self.states = [json.loads(line) for line in out.getvalue().splitlines()]
        return self.states

    def rows(self, table: str) -> list[Row]:
        """All rows of a table."""
        return self.place.query(f"SELECT * FROM {SCHEMA}.{table}")

    def by_key(self, table: str) -> dict[Any, Row]:
        """Rows by their column `k`; each is there once."""
        rows = self.rows(table)
        found = {row["k"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    def audit(self, run_id: str) -> dict[str, Row]:
        """Rows of the audit by stream."""
        return {row["stream"]: row for row in self.rows("_sync_audit") if row["run_id"] == run_id}


def schema(stream: str, *, keys: tuple[str, ...] = ("K",), **more: Any) -> dict[str, Any]:
    """A SCHEMA message with K, Amount, what more is said, and the columns of a retraction."""
    properties = {
        "K": WHOLE, "Amount": amount(), **more, "_epicor_run_id": TEXT, "_sdc_deleted_at": MOMENT,
    }  # fmt: skip
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties},
            "key_properties": list(keys)}  # fmt: skip


def record(stream: str, key: Any, **more: Any) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": {"K": key, **more}}


def state(value: Any) -> dict[str, Any]:
    """A STATE message of a run that is not at its end."""
    return {"type": "STATE", "value": {"seen": value}}


def end(run_id: str, **bookmarks: Any) -> dict[str, Any]:
    """The STATE message that ends a complete run."""
    marker = {"run_id": run_id, "completed_at": GONE, "streams": {}}
    return {"type": "STATE", "value": {"bookmarks": bookmarks, "last_complete_run": marker}}


def lines(*messages: dict[str, Any]) -> bytes:
    """As a tap writes them."""
    return "".join(json.dumps(message) + "\n" for message in messages).encode()
