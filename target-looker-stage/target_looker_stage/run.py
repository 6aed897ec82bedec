"""What one run has loaded so far, and where that is written down."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from kinetic_batches.sink import DELETED_AT

from .audit import Loaded

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy.engine import Connection

    from .audit import SyncAudit

MARKER = "last_complete_run"
"""What the tap's last STATE holds when it sent everything."""
RUN_ID = "_epicor_run_id"
ACCOUNT = "epicor_sync_runs"
"""The tap's account of its run: rows in each run, but no change of data that Looker shows."""


class Run:
    """Counts rows by stream.

    Args:
        audit: where the run is accounted for.
        wants_looker: whether Looker is to be told.
    """

    def __init__(self, audit: SyncAudit, *, wants_looker: bool) -> None:
        self.is_complete = False
        self._audit = audit
        self._wants_looker = wants_looker
        self._id = ""
        self._loads: dict[str, Loaded] = {}
        self._began: dict[str, datetime] = {}

    @property
    def has_loaded(self) -> bool:
        """Whether any rows came."""
        return bool(self._loads)

    def announce(self, connection: Connection, stream: str, rows: pa.Table) -> None:
        """Note a batch within its transaction."""
        if stream == ACCOUNT:
            return
        self._id = self._id or _run_id_of(rows)
        began = self._began.setdefault(stream, datetime.now(timezone.utc))
        loaded = _with(self._loads.get(stream) or Loaded(began), rows)
        self._audit.announce(connection, self._id, stream, loaded, wants_looker=self._wants_looker)

    def count(self, stream: str, rows: pa.Table) -> None:
        """A batch is in its table, and so the run goes on."""
        self.is_complete = False
        if stream != ACCOUNT:
            so_far = self._loads.get(stream) or Loaded(self._began[stream])
            self._loads[stream] = _with(so_far, rows)

    def see(self, state: dict[str, Any]) -> None:
        """What is loaded is everything before this STATE; account for a run that it ends."""
        marker = state.get(MARKER)
        self.is_complete = bool(marker)
        bookmarks = state.get("bookmarks", {})
        for stream, loaded in self._loads.items():
            loaded.bookmark = bookmark_text(bookmarks.get(stream))
        if marker:
            self._id = self._id or str(marker.get("run_id") or uuid.uuid4())
            self.account()

    def account(self) -> None:
        """Write down what was loaded."""
        self._audit.write(
            self._id, self._loads, complete=self.is_complete, wants_looker=self._wants_looker
        )


def _with(loaded: Loaded, rows: pa.Table) -> Loaded:
    deleted = 0
    if DELETED_AT in rows.schema.names:
        deleted = rows.num_rows - rows[DELETED_AT].null_count
    upserted = loaded.upserted + rows.num_rows - deleted
    return Loaded(loaded.started_at, upserted, loaded.deleted + deleted, loaded.bookmark)


def _run_id_of(rows: pa.Table) -> str:
    """The tap's, which every row carries; a new one for rows of another tap."""
    found = pc.drop_null(rows[RUN_ID]) if RUN_ID in rows.schema.names else []
    return str(found[0]) if len(found) else str(uuid.uuid4())


def bookmark_text(bookmark: dict[str, Any] | None) -> str | None:
    """How far a stream was read: the replication key's value, or one for each company."""
    if not bookmark:
        return None
    found = {
        "/".join(map(str, part.get("context", {}).values())): part.get("replication_key_value")
        for part in bookmark.get("partitions", ())
    }
    value = found or bookmark.get("replication_key_value")
    return None if value is None else json.dumps(value, separators=(",", ":"))
