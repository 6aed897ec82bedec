"""What each run did, one row per company and stream: the audit stream and the run log."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import SettingsError, TapError
from .json_schema import DATE_TIME, INTEGER, TEXT

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from .key_checksum import KeyChecksum

AUDIT_STREAM = "epicor_sync_runs"
AUDIT_KEY = ("run_id", "company", "stream")
AUDIT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run_id": {"type": "string"},
        "company": {"type": "string"},
        "stream": {"type": "string"},
        "started_at": DATE_TIME,
        "finished_at": DATE_TIME,
        "replication_key": TEXT,
        "bookmark_before": TEXT,
        "bookmark_after": TEXT,
        "filter": TEXT,
        "rows_sent": INTEGER,
        "rows_retracted": INTEGER,
        "pages": INTEGER,
        "requests": INTEGER,
        "retries": INTEGER,
        "bytes": INTEGER,
        "status": TEXT,
        "error": TEXT,
    },
}


@dataclass
class Outcome:
    """One row of the audit.

    Attributes:
        rows_sent: rows that were written, retractions included.
        rows_retracted: those of them that carry `_sdc_deleted_at`.
        bytes: of answers, after decompression.
        status: `complete`, `failed` or `skipped` (not reached).
        keys: of open rows that were sent, where the whole stream was read for a run log.
    """

    run_id: str
    company: str
    stream: str
    started_at: str | None = None
    finished_at: str | None = None
    replication_key: str | None = None
    bookmark_before: str | None = None
    bookmark_after: str | None = None
    filter: str | None = None
    rows_sent: int = 0
    rows_retracted: int = 0
    pages: int = 0
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    status: str = "skipped"
    error: str | None = None
    keys: KeyChecksum | None = None

    def row(self) -> dict[str, Any]:
        """For the audit stream."""
        row = asdict(self)
        del row["keys"]
        return row

    def log_line(self) -> dict[str, Any]:
        """For the run log; where everything was read, `verify` compares the open rows' keys."""
        keys = self.keys
        if keys is None or self.status != "complete":
            return self.row()
        return {**self.row(), "key_count": keys.count, "key_checksum": keys.text}


class RunLog:
    """Appends JSON lines to `run_log_path`; does nothing where that is not set."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None

    def prove_writable(self) -> None:
        """Fail before anything is read rather than after."""
        if self._path:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.open("a").close()
            except OSError as error:
                raise SettingsError(
                    f"`run_log_path` {self._path} cannot be written: {error}."
                ) from error

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add lines; they reach the disk together."""
        if not self._path:
            return
        try:
            with self._path.open("a", encoding="utf-8") as log:
                log.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        except OSError as error:
            raise TapError(f"`run_log_path` {self._path} cannot be written: {error}.") from error


def log_summary(logger: logging.Logger, outcomes: list[Outcome]) -> None:
    """One table at the end of a run."""
    header = ("stream", "company", "rows", "retracted", "requests", "retries", "status")
    lines = [header] + [
        (o.stream, o.company, f"{o.rows_sent:,}", f"{o.rows_retracted:,}", f"{o.requests:,}",
         f"{o.retries:,}", o.status)
        for o in outcomes
    ]  # fmt: skip
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if 1 < n < len(header) - 1 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        logger.info("  ".join(cells).rstrip())
