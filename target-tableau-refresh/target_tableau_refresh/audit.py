"""One JSON line for each refresh, and the same as a table."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .clock import moment_of
from .errors import TableauError
from .table import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A refresh that was asked for, or another's that was waited for.

    Attributes:
        run_id: of the load.
        rule: name of the rule; of several with one target, all.
        target: what was refreshed, for people.
        job: id in Tableau.
        mode: full, incremental or publish.
        reason: why it was due.
        queued_at, started_at, finished_at: UTC; None where nobody knows.
        outcome: refreshed, failed, cancelled, timed out, postponed, left running or too early (a
            job of others that had begun before the load ended).
        notes: Tableau's own words, without secrets.
    """

    run_id: str
    rule: str
    target: str
    job: str
    mode: str
    reason: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    outcome: str
    notes: str


class Audit:
    """Appends to a file.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entry: Entry) -> None:
        """Add a line.

        Raises:
            TableauError: the file cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
        except OSError as error:
            raise TableauError(
                f"`audit_path` {self._path} cannot be written: {error.strerror}"
            ) from error


def last_entries(path: Path, count: int) -> Iterator[str]:
    """Lines of a table of the last entries."""
    try:
        with path.open(encoding="utf-8") as file:
            entries = [Entry(**json.loads(line)) for line in deque(file, count)]
    except FileNotFoundError:
        entries = []
    yield from table(
        ("QUEUED", "RULE", "TARGET", "MODE", "SECONDS", "OUTCOME", "WHY", "NOTES"),
        [
            (each.queued_at or "", each.rule, each.target, each.mode, _seconds(each),
             each.outcome, each.reason, each.notes)
            for each in entries
        ],
    )  # fmt: skip


def _seconds(entry: Entry) -> str:
    if not (entry.started_at and entry.finished_at):
        return ""
    return f"{(moment_of(entry.finished_at) - moment_of(entry.started_at)).total_seconds():.0f}"
