"""One run: its identity, its state, what it did, and whether it is asked to stop."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .audit import Outcome, RunLog
from .errors import Interrupted, TapError
from .extract.ahead import Ahead
from .extract.bookmark import Bookmark
from .sent_keys import SentKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .config import TapConfig
    from .output import Output

logger = logging.getLogger("tap-epicor-kinetic")

FINAL_MARKER = "last_complete_run"
_CONTEXT = "_epicor_company"
_STATE_EVERY_SECONDS = 1.0
_PROGRESS_EVERY_SECONDS = 10.0


def now() -> str:
    """UTC, whole milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Run:
    """What the streams of one run share.

    Args:
        config: the settings.
        state: the tap's STATE, changed in place.
        output: where STATE goes.
    """

    def __init__(self, config: TapConfig, state: dict[str, Any], output: Output) -> None:
        self.config = config
        self.run_id = str(uuid.uuid4())
        self.started_at = now()
        self.stop = threading.Event()
        self.ahead = Ahead(self.stop)
        self.outcomes: list[Outcome] = []
        self.log = RunLog(config.run_log_path)
        self.sent_keys = SentKeys(config.sent_keys_path, self.run_id)
        self._state = state
        self._output = output
        self._state_written_at = 0.0

    def outcome(self, stream: str, company: str) -> Outcome:
        """The audit row of a stream of a company."""
        for outcome in self.outcomes:
            if (outcome.stream, outcome.company) == (stream, company):
                return outcome
        self.outcomes.append(Outcome(self.run_id, company, stream))
        return self.outcomes[-1]

    def bookmark(self, stream: str, company: str) -> Bookmark:
        """What STATE knows of a stream of a company."""
        return Bookmark.read(self._partition(stream, company) or {})

    def keep(self, stream: str, company: str, bookmark: Bookmark, *, at_once: bool = False) -> None:
        """Put a bookmark into STATE and send it, not more often than makes sense."""
        kept = {"context": {_CONTEXT: company}, **bookmark.keep()}
        partitions = self._partitions(stream)
        partitions[:] = [p for p in partitions if not _is_of(p, company)] + [kept]
        if at_once or time.monotonic() - self._state_written_at > _STATE_EVERY_SECONDS:
            self.write_state()

    def write_state(self) -> None:
        """Send STATE as it is now."""
        self._state_written_at = time.monotonic()
        self._output.state(self._state)

    def _partition(self, stream: str, company: str) -> Mapping[str, Any] | None:
        return next((p for p in self._partitions(stream) if _is_of(p, company)), None)

    def _partitions(self, stream: str) -> list[dict[str, Any]]:
        bookmarks: dict[str, Any] = self._state.setdefault("bookmarks", {})
        partitions: list[dict[str, Any]] = bookmarks.setdefault(stream, {}).setdefault(
            "partitions", []
        )
        return partitions

    def sleep(self, seconds: float) -> None:
        """Wait, but not past a request to stop."""
        if self.stop.wait(seconds):
            raise Interrupted("stopped while waiting to ask the server again")

    def check_stop(self) -> None:
        """Raise where the run is asked to stop."""
        if self.stop.is_set():
            raise Interrupted("stopped while waiting to ask the server")

    def request_stop(self, signum: int) -> None:
        """Stop between two pages, so that the last line that was written is whole."""
        if self.stop.is_set():
            os._exit(TapError.exit_code)
        logger.warning("Stopping after this page (signal %d); once more to stop now", signum)
        self.stop.set()

    def log_end(self, status: str) -> None:
        """Write the run log: outcomes, and the line without which a run counts as cut."""
        self.log.append(outcome.log_line() for outcome in self.outcomes)
        self.log.append([{"run_id": self.run_id, "status": status, "completed_at": now()}])

    def mark_complete(self) -> None:
        """Send the last STATE of a complete run; its marker is what targets act on."""
        streams: dict[str, int] = {}
        for outcome in self.outcomes:
            streams[outcome.stream] = streams.get(outcome.stream, 0) + outcome.rows_sent
        self._state[FINAL_MARKER] = {
            "run_id": self.run_id,
            "completed_at": now(),
            "streams": streams,
        }
        self.write_state()


def _is_of(partition: Mapping[str, Any], company: str) -> bool:
    return bool(partition.get("context", {}).get(_CONTEXT) == company)


class Ticker:
    """Logs a line about the stream under way every ten seconds, also while the server is silent."""

    def __init__(
        self, what: str, rows: Callable[[], int], expected: Callable[[], int | None]
    ) -> None:
        self._what = what
        self._rows = rows
        self._expected = expected
        self._started_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(_PROGRESS_EVERY_SECONDS):
            rows, expected = self._rows(), self._expected()
            rate = rows / (time.monotonic() - self._started_at)
            share = f" of {expected:,} ({rows / expected:.0%})" if expected else ""
            logger.info("%s: %s rows%s, %s rows/s", self._what, f"{rows:,}", share, f"{rate:,.0f}")
