"""Singer's side of refreshing: counts what comes, refreshes, and only then lets STATE out."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from .changes import Account
from .clock import CLOCK, stop_on_signals, text_of
from .errors import TableauError
from .marks import open_marks
from .refresh import refresh

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

    from .config import Config

_LOGGER = logging.getLogger("target-tableau-refresh")
MARKER = "last_complete_run"
"""What the tap's last STATE holds when it sent everything."""
_ACCOUNT = "epicor_sync_runs"
"""The tap's account of its run: rows in each run, but no change of data."""
_MELTANO_TEST = "meltano_test_stream"
"""What `meltano config test` sends."""
_COUNTED = frozenset({"RECORD", "BATCH", "ACTIVATE_VERSION"})
_LONGEST_SHOWN = 80


class _Message(msgspec.Struct, gc=False):
    """What is looked at of a message; the rest is passed over unread."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()


class _State(msgspec.Struct):
    marker: dict[str, Any] | None = msgspec.field(name=MARKER, default=None)


@dataclass
class Input:
    """What came on stdin.

    Attributes:
        rows: by stream; retractions are rows, and a file or a new version counts as one.
        account: the tap's own lines about its streams.
        state: the value of the last STATE, as it came.
        marker: of a complete run.
    """

    rows: Counter[str] = field(default_factory=Counter)
    account: list[dict[str, Any]] = field(default_factory=list)
    state: bytes | None = None
    marker: dict[str, Any] | None = None


def load(config: Config, lines: Iterable[bytes], out: IO[bytes]) -> None:
    """Refresh what the streams touched, if their run is complete; then write STATE.

    Args:
        config: the settings.
        lines: Singer messages.
        out: gets STATE.

    Raises:
        ConfigError, TableauError, Stopped: STATE is held back.
    """
    config.need_server()
    given = read(lines)
    stop_on_signals()
    with open_marks(config.marks_path, CLOCK, 60.0 * config.deadline_minutes) as file:
        run_id = str((given.marker or {}).get("run_id") or "without an id")
        now = text_of(CLOCK.wall())
        account = Account(file.marks, "", now)
        for line in given.account:
            account.add(line)
        account.close()
        for stream in sorted(given.rows.keys() - {line.get("stream") for line in given.account}):
            file.marks.change(stream, run_id, given.rows[stream])
        if given.marker:
            account.end(run_id, str(given.marker.get("completed_at") or now))
        file.save()
        if given.marker:
            refresh(config, file, CLOCK)
        elif given.rows:
            _LOGGER.warning(
                "the tap did not say that its run is complete (no `%s` in a STATE): nothing is "
                "refreshed, and the next complete run refreshes what this one touched", MARKER,
            )  # fmt: skip
    if given.state is not None:
        out.write(given.state + b"\n")
        out.flush()


def read(lines: Iterable[bytes]) -> Input:
    """Count messages; no row is looked at but those of the tap's account.

    Raises:
        TableauError: a line is no Singer message.
    """
    given = Input()
    decode = msgspec.json.Decoder(_Message).decode
    for number, line in enumerate(lines, 1):
        try:
            message = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if not line.strip():
                continue
            raise TableauError(
                f"line {number} of the input is no Singer message ({error}): "
                f"{line[:_LONGEST_SHOWN]!r}; run the tap again"
            ) from error
        if message.type in _COUNTED:
            if message.stream == _ACCOUNT and message.record:
                given.account.append(msgspec.json.decode(message.record))
            elif message.stream not in {_ACCOUNT, _MELTANO_TEST}:
                given.rows[message.stream] += 1
        elif message.type == "STATE":
            given.state = bytes(message.value)
            given.marker = msgspec.json.decode(message.value, type=_State).marker or given.marker
        elif message.type != "SCHEMA":
            raise TableauError(
                f"line {number} of the input is a message of unknown type {message.type!r}"
            )
    return given
