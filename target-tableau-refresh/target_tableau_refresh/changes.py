"""The tap's run log: which streams changed since it was last read, and which run was complete."""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import re
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

from .clock import moment_of
from .errors import ConfigError
from .marks import Last, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .marks import Marks

_LOGGER = logging.getLogger("target-tableau-refresh")
_LONGEST_OVERLAP = timedelta(days=1)
"""Of what a run repeats, `lookback_seconds` of the tap: five minutes, unless set otherwise."""
_ASKED = re.compile(r"\b(\w+) ge (\S+)$")
_HEAD = 4096
"""Bytes by which a file is known again."""


def take_in(path: Path, marks: Marks, seen_at: str) -> None:
    """Put what the run log says since it was last read into the marks.

    Args:
        path: `run_log_path`.
        marks: are changed.
        seen_at: the time.

    Raises:
        ConfigError: the file is not there.
    """
    reading = marks.run_logs.setdefault(str(path), Reading())
    account = Account(marks, str(path), seen_at)
    for number, text in enumerate(_new_lines(path, reading), 1):
        try:
            line = json.loads(text)
        except ValueError:
            _LOGGER.warning("%s: new line %d is no JSON and is left out", path, number)
            continue
        if isinstance(line, dict):
            account.add(line)
    account.close()


class Account:
    """Lines of the tap's account of its runs, as what they mean for the marks.

    Args:
        marks: are changed.
        source: of the lines: a run log, or empty for the loader's input.
        seen_at: the time.
    """

    def __init__(self, marks: Marks, source: str, seen_at: str) -> None:
        self._marks = marks
        self._last = marks.run_logs.setdefault(source, Reading()).last
        self._source = source
        self._seen_at = seen_at
        self._rows: dict[tuple[str, str], int] = {}
        """Of each run and stream with a change."""

    def add(self, line: dict[str, Any]) -> None:
        """A line about one company's stream, or the one that ends a run."""
        run_id = str(line.get("run_id") or "")
        if stream := line.get("stream"):
            self._add_stream(run_id, str(stream), line)
        elif line.get("status") == "complete":
            self.end(run_id, str(line.get("completed_at") or self._seen_at))

    def end(self, run_id: str, completed_at: str) -> None:
        """A run is complete."""
        self.close()
        self._marks.end(run_id, completed_at, self._seen_at, self._source)

    def close(self) -> None:
        """Mark what was added so far."""
        for (run_id, stream), rows in self._rows.items():
            self._marks.change(stream, run_id, rows, self._source)
        self._rows.clear()

    def _add_stream(self, run_id: str, stream: str, line: dict[str, Any]) -> None:
        if line.get("status") == "skipped":
            return
        # Rows sent include those retracted; a line of another hand may count them apart.
        retracted = int(line.get("rows_retracted") or 0)
        sent = max(int(line.get("rows_sent") or 0), retracted)
        now = Last(line.get("bookmark_after"), line.get("filter"), sent, retracted)
        has_bookmarks = "bookmark_before" in line
        last = self._last.get(partition := f"{stream} {line.get('company')}", Last())
        before = line.get("bookmark_before")
        # Rows came before this line of which no line tells, as of a run that was killed.
        has_gap = has_bookmarks and before != last.bookmark
        has_moved = before is None or before != now.bookmark
        is_complete = line.get("status") == "complete"
        is_repeat = not has_moved and is_complete and _repeats(now, last, line)
        if has_gap or (sent and not is_repeat):
            self._rows[run_id, stream] = self._rows.get((run_id, stream), 0) + sent
        if has_bookmarks:
            now.is_known = is_complete and (has_moved or is_repeat)
            self._last[partition] = now


def _repeats(now: Last, last: Last, line: dict[str, Any]) -> bool:
    """Whether rows that were sent without moving the bookmark can only be those known already.

    Each run sends the row at its bookmark again, and what stands before it as far back as the tap
    overlaps. A row that changes gets a bookmark above; so one row is the one at the bookmark, and
    the same question with as many rows in answer has the same rows. A replay moves no bookmark
    either: it asks another question than the run that moved it, and for more than the overlap.
    """
    question, key = now.filter or "", line.get("replication_key") or ""
    asked = _ASKED.search(question)
    # The filter has Kinetic's names, the key may have the warehouse's.
    if not asked or asked[1].lower() != key.replace("_", "").lower():
        return False
    if question.count(asked[1]) > 1:
        return False
    if now.sent == 1 and not now.retracted:
        return True
    if (now.filter, now.sent, now.retracted) != (last.filter, last.sent, last.retracted):
        return False
    return last.is_known or _is_shortly_before(asked[2], now.bookmark or "")


def _is_shortly_before(text: str, bookmark: str) -> bool:
    try:
        overlap = moment_of(bookmark) - moment_of(text)
    except ValueError:  # row versions
        return False
    return timedelta(0) <= overlap <= _LONGEST_OVERLAP


def _new_lines(path: Path, reading: Reading) -> Iterator[bytes]:
    """Whole lines that were not read yet; a last one without its end is left for another time."""
    try:
        with path.open("rb") as log:
            if reading.offset and not _is_same(log, reading):
                yield from _rest_of_rotated(path, reading)
                reading.offset = 0
            yield from _lines_from(log, reading)
            log.seek(0)
            reading.head = _digest(log.read(min(_HEAD, reading.offset)))
    except FileNotFoundError as error:
        raise ConfigError(
            f"`run_log_path`: there is no file {path}: let `run_log_path` of the tap name the same "
            "file, and load once"
        ) from error
    except OSError as error:
        raise ConfigError(f"`run_log_path` {path} cannot be read: {error.strerror}") from error


def _lines_from(log: IO[bytes], reading: Reading) -> Iterator[bytes]:
    log.seek(reading.offset)
    for line in log:
        if not line.endswith(b"\n"):
            return
        reading.offset += len(line)
        yield line


def _rest_of_rotated(path: Path, reading: Reading) -> Iterator[bytes]:
    """What was added to the file before it was put aside, such as to runs.jsonl.1."""
    for aside in sorted(path.parent.glob(f"{glob.escape(path.name)}?*")):
        with aside.open("rb") as log:
            if _is_same(log, reading):
                yield from _lines_from(log, reading)
                return
    _LOGGER.warning(
        "%s is another file than the one that was read before, which is not beside it: what it "
        "said last is judged by the bookmarks of the next runs", path,
    )  # fmt: skip


def _is_same(log: IO[bytes], reading: Reading) -> bool:
    head = log.read(min(_HEAD, reading.offset))
    size = log.seek(0, os.SEEK_END)
    return size >= reading.offset and _digest(head) == reading.head


def _digest(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()
