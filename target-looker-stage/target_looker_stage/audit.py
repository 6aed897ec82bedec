"""The table `_sync_audit`: what each run loaded, and whether Looker knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from kinetic_batches.columns import MOMENT

from .table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from .warehouse import Warehouse

AUDIT = "_sync_audit"
RUN = "*"
"""Stands for the run itself where a row has a stream's name."""
_KEYS = ("run_id", "stream")
_AT_ONCE = 50
"""Rows that a statement names: Databricks takes 255 parameters."""
_COLUMNS = pa.schema(
    {
        "run_id": pa.string(),
        "stream": pa.string(),
        "rows_upserted": pa.int64(),
        "rows_deleted": pa.int64(),
        "bookmark": pa.string(),
        "started_at": MOMENT,
        "completed_at": MOMENT,
        "status": pa.string(),
        "looker_status": pa.string(),
        "looker_told_at": MOMENT,
    }
)


@dataclass
class Loaded:
    """What a run loaded of one stream.

    Attributes:
        started_at: when its first batch was loaded.
        upserted: rows that were inserted or updated, the same row once for each batch.
        deleted: rows that were marked or deleted.
        bookmark: of STATE, as text.
    """

    started_at: datetime
    upserted: int = 0
    deleted: int = 0
    bookmark: str | None = None


class Pending(NamedTuple):
    """A stream of a run of which Looker does not know yet.

    Attributes:
        status: `complete` or `cut`, of the run; one that is cut may still be loading.
        rows: that it had loaded of the stream when this was asked.
    """

    run_id: str
    stream: str
    status: str
    rows: int


class Entry(NamedTuple):
    """A row of the table."""

    run_id: str
    stream: str
    rows_upserted: int
    rows_deleted: int
    bookmark: str | None
    started_at: datetime
    completed_at: datetime | None
    status: str
    looker_status: str
    looker_told_at: datetime | None


class SyncAudit:
    """Reads and writes the table.

    Args:
        warehouse: where it is.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._table = Table(warehouse.dialect, AUDIT, _COLUMNS, _KEYS)

    def announce(
        self,
        connection: Connection,
        run_id: str,
        stream: str,
        loaded: Loaded,
        *,
        wants_looker: bool,
    ) -> None:
        """Note a stream's batch in the batch's own transaction.

        So a run that is killed has left word that the stream's rows are not those that Looker saw,
        also where Looker was told of earlier batches meanwhile.

        Args:
            connection: the batch's.
            run_id: the tap's.
            stream: the batch's.
            loaded: with this batch.
            wants_looker: whether Looker is to be told.
        """
        row = _row(run_id, stream, loaded, None, wants_looker=wants_looker)
        self._write(connection, [row], _COLUMNS)

    def write(
        self, run_id: str, loads: Mapping[str, Loaded], *, complete: bool, wants_looker: bool
    ) -> None:
        """Account for a run.

        Args:
            run_id: the tap's.
            loads: by stream; only streams that had rows.
            complete: whether the tap said that it sent everything.
            wants_looker: whether Looker is to be told.
        """
        at = datetime.now(timezone.utc) if complete else None
        rows = [
            _row(run_id, stream, loaded, at, wants_looker=wants_looker)
            for stream, loaded in loads.items()
        ]
        if complete:
            began = min((each.started_at for each in loads.values()), default=at)
            whole = Loaded(
                began or datetime.now(timezone.utc),
                sum(each.upserted for each in loads.values()),
                sum(each.deleted for each in loads.values()),
            )
            rows.append(_row(run_id, RUN, whole, at, wants_looker=wants_looker))
        if rows:
            self._warehouse.make_schema()
            self._warehouse.attempt(lambda c: self._account(c, run_id, rows, at))

    def pending(self) -> list[Pending]:
        """What Looker has not been told of, oldest first; of runs that were cut as well."""
        if not self._is_there():
            return []
        found = self._warehouse.execute(
            f"SELECT run_id, stream, status, rows_upserted + rows_deleted FROM {self._name} "
            "WHERE looker_status = 'pending' ORDER BY started_at, stream"
        )
        return [Pending(str(run), str(stream), str(s), int(rows)) for run, stream, s, rows in found]

    def told(self, pending: Iterable[Pending]) -> None:
        """Looker knows of these; what was loaded of them since then goes on waiting."""
        everything = list(pending)
        for first in range(0, len(everything), _AT_ONCE):
            part = everything[first : first + _AT_ONCE]
            self._warehouse.attempt(partial(self._note_told, part))

    def last(self) -> list[Entry]:
        """The rows of the last complete run, that of the run itself first; none before it."""
        if not self._is_there():
            return []
        found = self._warehouse.execute(
            f"SELECT {', '.join(Entry._fields)} FROM {self._name} WHERE run_id = ("
            f"SELECT max(run_id) FROM {self._name} WHERE stream = '{RUN}' AND completed_at = ("
            f"SELECT max(completed_at) FROM {self._name} WHERE stream = '{RUN}')) "
            "ORDER BY stream"
        )
        return [Entry(*row) for row in found]

    @property
    def _name(self) -> str:
        return self._warehouse.dialect.qualified(AUDIT)

    def _is_there(self) -> bool:
        return bool(self._warehouse.columns(AUDIT))

    def _account(
        self,
        connection: Connection,
        run_id: str,
        rows: Sequence[Mapping[str, Any]],
        completed_at: datetime | None,
    ) -> None:
        """A complete run moves the trigger for rows of cut ones before it as well."""
        self._write(connection, rows, _COLUMNS)
        if completed_at is None:
            return
        query = f"SELECT run_id, stream FROM {self._name} WHERE completed_at IS NULL"
        cut = [
            {"run_id": run, "stream": stream, "completed_at": completed_at}
            for run, stream in self._warehouse.dialect.rows(connection, query, {})
            if run != run_id
        ]
        if cut:
            schema = pa.schema([_COLUMNS.field(name) for name in cut[0]])
            self._write(connection, cut, schema)

    def _note_told(self, pending: Sequence[Pending], connection: Connection) -> None:
        dialect = self._warehouse.dialect
        values: dict[str, Any] = {"at": datetime.now(timezone.utc).isoformat()}
        same = []
        for n, each in enumerate(pending):
            same.append(
                f"(run_id = :run{n} AND stream = :stream{n} AND "
                f"rows_upserted + rows_deleted = :rows{n})"
            )
            values |= {f"run{n}": each.run_id, f"stream{n}": each.stream, f"rows{n}": each.rows}
        statement = (
            f"UPDATE {self._name} SET looker_status = 'told', "
            f"looker_told_at = CAST(:at AS {dialect.type(MOMENT)}) WHERE {' OR '.join(same)}"
        )
        dialect.rows(connection, statement, values)

    def _write(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]], schema: pa.Schema
    ) -> None:
        fitted = self._table.fit(connection)
        types = pa.schema([fitted.field(name) for name in schema.names])
        self._table.write(connection, pa.Table.from_pylist(list(rows), schema).cast(types))


def _row(
    run_id: str, stream: str, loaded: Loaded, completed_at: datetime | None, *, wants_looker: bool
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "stream": stream,
        "rows_upserted": loaded.upserted,
        "rows_deleted": loaded.deleted,
        "bookmark": loaded.bookmark,
        "started_at": loaded.started_at,
        "completed_at": completed_at,
        "status": "complete" if completed_at else "cut",
        "looker_status": "pending" if wants_looker else "not asked",
        "looker_told_at": None,
    }
