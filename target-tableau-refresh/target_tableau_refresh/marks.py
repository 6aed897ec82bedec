"""The file of marks: what changed and is not refreshed yet, and how far run logs were read."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from typing import IO, TYPE_CHECKING

import msgspec

from .errors import ConfigError, TableauError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .clock import Clock

_LOGGER = logging.getLogger("target-tableau-refresh")
_LOCK_PAUSE = 1.0


class Change(msgspec.Struct):
    """The last run that brought rows of a stream.

    Attributes:
        number: of the event; later ones have higher numbers.
        rows: that were sent, retractions included; 0 where rows came of which no line tells.
        source: the run log; empty for the loader's own input.
        is_cut: whether the run did not end, and none that did came after it.
    """

    number: int
    run_id: str
    rows: int
    source: str = ""
    is_cut: bool = True


class Load(msgspec.Struct):
    """The last complete run.

    Attributes:
        completed_at: as the tap says.
        seen_at: when it was met here; the loader had ended by then.
    """

    number: int
    run_id: str
    completed_at: str
    seen_at: str


class Begun(msgspec.Struct):
    """A job that was started or adopted, and whose end nobody has seen.

    Attributes:
        covers: number of the last event before its start; 0 where another began it.
    """

    job_id: str
    at: str
    covers: int = 0


class RuleMark(msgspec.Struct):
    """What is known of a rule.

    Attributes:
        covers: number of the last event that its last refresh contains.
        refreshed_at: when that refresh was asked for.
        outcome: of the last attempt.
        outcome_at: when that was known.
    """

    covers: int = 0
    refreshed_at: str = ""
    outcome: str = ""
    outcome_at: str = ""
    begun: Begun | None = None


class Last(msgspec.Struct):
    """What the last line of a stream and company said.

    Attributes:
        bookmark: where it ended.
        filter: what was asked for.
        sent: rows, retractions included.
        retracted: of them.
        is_known: whether its rows are those of a line that moved the bookmark.
    """

    bookmark: str | None = None
    filter: str | None = None
    sent: int = 0
    retracted: int = 0
    is_known: bool = False


class Reading(msgspec.Struct):
    """How far a run log was read.

    Attributes:
        offset: in bytes.
        head: digest of the file's beginning, by which it is known again.
        last: by stream and company.
    """

    offset: int = 0
    head: str = ""
    last: dict[str, Last] = msgspec.field(default_factory=dict)


class Marks(msgspec.Struct):
    """Everything that outlives a run.

    Attributes:
        number: of the last event.
        changed: by stream.
        rules: by name.
        run_logs: by path.
    """

    version: int = 1
    number: int = 0
    complete: Load | None = None
    changed: dict[str, Change] = msgspec.field(default_factory=dict)
    rules: dict[str, RuleMark] = msgspec.field(default_factory=dict)
    run_logs: dict[str, Reading] = msgspec.field(default_factory=dict)

    def rule(self, name: str) -> RuleMark:
        """What is known of a rule."""
        return self.rules.setdefault(name, RuleMark())

    def change(self, stream: str, run_id: str, rows: int, source: str = "") -> None:
        """Rows of a stream came; whether with a complete run is seen later."""
        self.number += 1
        self.changed[stream] = Change(self.number, run_id, rows, source)

    def end(self, run_id: str, completed_at: str, seen_at: str, source: str = "") -> None:
        """A run is complete, and with it those before it that were cut."""
        self.number += 1
        self.complete = Load(self.number, run_id, completed_at, seen_at)
        for change in self.changed.values():
            if change.source == source:
                change.is_cut = False


def read_marks(path: Path) -> Marks:
    """The marks as they are now, without a lock: they are replaced as a whole.

    Raises:
        ConfigError: the file is no file of marks.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marks)
    except FileNotFoundError:
        return Marks()
    except OSError as error:
        raise ConfigError(f"`marks_path` {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"`marks_path` {path} is no file of marks ({error}): name another file, or remove it, "
            "after which every rule whose streams are in the run log is refreshed once"
        ) from error


class MarksFile:
    """The marks, for one process at a time.

    Attributes:
        marks: to be changed, and saved.
    """

    def __init__(self, path: Path, marks: Marks) -> None:
        self.marks = marks
        self._path = path

    def save(self) -> None:
        """Replace the file.

        Raises:
            TableauError: it cannot be written.
        """
        content = msgspec.json.format(msgspec.json.encode(self.marks), indent=1)
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise TableauError(
                f"`marks_path` {self._path} cannot be written: {error.strerror}; without it a "
                "refresh that fails would be forgotten"
            ) from error


@contextlib.contextmanager
def open_marks(path: Path, clock: Clock, patience_seconds: float) -> Iterator[MarksFile]:
    """The marks, once no other process has them.

    Args:
        path: of the file; a file `.lock` stands beside it.
        clock: for the wait.
        patience_seconds: how long another process is waited for.

    Raises:
        ConfigError: the folder cannot be written.
        TableauError: another process has had them all the time.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise ConfigError(f"`marks_path` {path} cannot be written: {error.strerror}") from error
    with lock:
        _hold(lock, path, clock, clock.now() + patience_seconds)
        yield MarksFile(path, read_marks(path))


def _hold(lock: IO[str], path: Path, clock: Clock, until: float) -> None:
    is_told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if clock.now() >= until:
                raise TableauError(
                    f"another run has held `marks_path` {path} for longer than `deadline_minutes`: "
                    "let it end, or end it, and run again"
                ) from error
        else:
            return
        if not is_told:
            _LOGGER.info("waiting for another run that holds %s", path)
            is_told = True
        clock.pause(_LOCK_PAUSE)
