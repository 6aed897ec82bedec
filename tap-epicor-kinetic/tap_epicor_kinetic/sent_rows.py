"""What the run log says was sent of each stream and company since its last read of everything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import SettingsError
from .key_checksum import KeyChecksum

if TYPE_CHECKING:
    from pathlib import Path

_HEX = 16
_NEEDED = {"stream", "company", "status", "rows_sent", "rows_retracted", "bookmark_before"}


@dataclass
class SentRows:
    """Lines of one stream of one company.

    Attributes:
        whole: number and checksum of the keys that the last complete read of everything sent;
            None where no line carries them.
        from_bookmark: where the runs after that read began; without one, where the first line did.
        to_bookmark: how far the last of them came.
        runs: how many runs those were.
        rows: that they sent, retractions and repeats included.
        retracted: those of them that are retractions.
        has_gap: rows were sent of which no line tells, as by a run that was killed.
        has_failed: the last run that reached the stream did not complete it.
    """

    whole: KeyChecksum | None = None
    from_bookmark: str | None = None
    to_bookmark: str | None = None
    runs: int = 0
    rows: int = 0
    retracted: int = 0
    has_gap: bool = False
    has_failed: bool = False

    def followed_by(self, line: dict[str, Any]) -> SentRows:
        """With one line more; a read of everything leaves nothing of what came before."""
        is_complete = line["status"] == "complete"
        before, after = line["bookmark_before"], line.get("bookmark_after")
        if is_complete and line.get("key_checksum") is not None:
            keys = KeyChecksum(int(line["key_count"]), int(line["key_checksum"], _HEX))
            return SentRows(keys, after, after)
        is_first = self.whole is None and not self.runs
        return SentRows(
            self.whole,
            from_bookmark=before if is_first else self.from_bookmark,
            to_bookmark=after,
            runs=self.runs + 1,
            rows=self.rows + line["rows_sent"],
            retracted=self.retracted + line["rows_retracted"],
            has_gap=self.has_gap or (not is_first and before != self.to_bookmark),
            has_failed=not is_complete,
        )


def read_run_log(path: Path) -> dict[tuple[str, str], SentRows]:
    """What was sent, by stream and company.

    Raises:
        SettingsError: the file cannot be read, or is no run log.
    """
    sent: dict[tuple[str, str], SentRows] = {}
    try:
        with path.open(encoding="utf-8") as log:
            for text in log:
                _take_in(sent, text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--run-log {path} cannot be read: {error}.") from error
    if not sent:
        raise SettingsError(
            f"--run-log {path} has no line of a stream; name the file that `run_log_path` names, "
            "after a run."
        )
    return sent


def _take_in(sent: dict[tuple[str, str], SentRows], text: str) -> None:
    try:
        line = json.loads(text)
    except ValueError:  # half a line, of a disk that was full
        for each in sent.values():
            each.has_gap = True
        return
    if not isinstance(line, dict) or not line.keys() >= _NEEDED or line["status"] == "skipped":
        return
    partition = (line["stream"], line["company"])
    sent[partition] = sent.get(partition, SentRows()).followed_by(line)
