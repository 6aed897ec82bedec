"""The tap's run log: which streams changed since it was last read, and which run was complete."""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
from typing import IO, TYPE_CHECKING, Any

from .errors import ConfigError
from .marks import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .marks import Marks

_LOGGER = logging.getLogger("target-tableau-refresh")
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
    source = str(path)
    reading = marks.run_logs.setdefault(source, Reading())
    runs = _Runs(marks, reading, source, seen_at)
    for number, text in enumerate(_new_lines(path, reading), 1):
        try:
            line = json.loads(text)
        except ValueError:
            _LOGGER.warning("%s: new line %d is no JSON and is left out", path, number)
            continue
        if isinstance(line, dict):
            runs.add(line)
    runs.close()


class _Runs:
    def __init__(self, marks: Marks, reading: Reading, source: str, seen_at: str) -> None:
        self._marks = marks
        self._bookmarks = reading.bookmarks
        self._source = source
        self._seen_at = seen_at
        self._rows: dict[tuple[str, str], int] = {}
        """Of each run and stream with a change."""

    def add(self, line: dict[str, Any]) -> None:
        run_id = str(line.get("run_id") or "")
        if stream := line.get("stream"):
            self._add_stream(run_id, str(stream), line)
        elif line.get("status") == "complete":
            self.close()
            completed_at = str(line.get("completed_at") or self._seen_at)
            self._marks.end(run_id, completed_at, self._seen_at, self._source)

    def _add_stream(self, run_id: str, stream: str, line: dict[str, Any]) -> None:
        if line.get("status") == "skipped":
            return
        # Rows sent include those retracted; a line of another hand may count them apart.
        rows = max(int(line.get("rows_sent") or 0), int(line.get("rows_retracted") or 0))
        has_gap = self._has_gap(f"{stream} {line.get('company')}", line)
        if rows or has_gap:
            self._rows[run_id, stream] = self._rows.get((run_id, stream), 0) + rows

    def _has_gap(self, partition: str, line: dict[str, Any]) -> bool:
        """Whether rows came before this line of which no line tells, as of a run that was killed.

        The bookmark then begins elsewhere than where the last line left it.
        """
        if "bookmark_before" not in line:
            return False
        known = self._bookmarks.get(partition)
        self._bookmarks[partition] = line.get("bookmark_after")
        return bool(line["bookmark_before"] != known)

    def close(self) -> None:
        """Mark what was read so far."""
        for (run_id, stream), rows in self._rows.items():
            self._marks.change(stream, run_id, rows, self._source)
        self._rows.clear()


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
