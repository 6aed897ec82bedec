"""Faults on command: what befalls calls on their way in or out."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

KINDS = {
    "status": "answer with `status`, and with `retry_after` where it is given",
    "html": "answer with a gateway's page and `status`",
    "cut": "close the connection without an answer; nothing is done",
    "lost": "do what was asked, then close the connection without an answer",
    "half": "do what was asked, then close the connection in the middle of the answer",
    "slow": "wait for `seconds`, then answer",
    "redirect": "answer 302 to `location`",
    "expire": "end every token first",
}


@dataclass
class Fault:
    """One fault, for the next `times` calls that match.

    Attributes:
        kind: one of `KINDS`.
        where: part of "METHOD /path"; empty is every call.
        times: how often; None is until it is taken away.
        after: how many matching calls pass first.
    """

    kind: str
    where: str = ""
    times: int | None = 1
    after: int = 0
    status: int = 503
    retry_after: str | int | None = None
    seconds: float = 0
    location: str = ""
    message: str = "A fault on command."
    code: str = ""
    """Of Tableau's errors; six digits, of which the first three are the status."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no fault; known are {', '.join(KINDS)}")


class Faults:
    """Those that are set, in their order."""

    def __init__(self) -> None:
        self._set: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Set one."""
        with self._lock:
            self._set.append(fault)

    def clear(self) -> None:
        """Take all away."""
        with self._lock:
            self._set.clear()

    def active(self) -> list[dict[str, Any]]:
        """What is still to come."""
        return [asdict(each) for each in list(self._set)]

    def next(self, method: str, path: str) -> Fault | None:
        """The one that befalls this call."""
        with self._lock:
            for fault in self._set:
                if fault.where not in f"{method} {path}":
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._set.remove(fault)
                return fault
        return None
