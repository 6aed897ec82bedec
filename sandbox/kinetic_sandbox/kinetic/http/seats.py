"""Which licence seat a request takes, and what happens when none is free."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.faults import licence_exhausted, licence_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kinetic_sandbox.kinetic.http.vices import Vices

# The same on every installation.
LICENCES = {
    "00000003-b615-4300-957b-34956697f040": "default",
    "00000003-9439-4b30-a6f4-6d2fd4b9fd0f": "web_service",
    "00000003-231b-4e2b-9b47-13f87ea9a0a3": "web_service_shared",
    "00000003-b8eb-40c4-8897-248cb30c5d47": "data_collection",
}
_FALLS_BACK_ON = {"web_service": "web_service_shared"}


@dataclass
class Seats:
    """Seats that are taken for as long as a request is worked on; `stopping` ends the waits."""

    vices: Vices
    stopping: threading.Event
    _taken: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def taken(self, headers: Mapping[str, str]) -> Iterator[str]:
        """Take a seat for a request with these headers; none left is the server's 400."""
        seat = self._take(claimed_licence(headers))
        try:
            if seat == "web_service_shared":
                self.stopping.wait(self.vices.get("shared_seat_delay") or 0)
            yield seat
        finally:
            with self._lock:
                self._taken[seat] -= 1

    def _take(self, claimed: str) -> str:
        seat: str | None = claimed
        with self._lock:
            while seat is not None:
                seats = self.vices.get(f"{seat}_seats")
                if seats is None or self._taken[seat] < seats:
                    self._taken[seat] += 1
                    return seat
                seat = _FALLS_BACK_ON.get(seat)
        raise licence_exhausted()


def claimed_licence(headers: Mapping[str, str]) -> str:
    """Read the `License` header; without one a call takes a named user's seat."""
    text = headers.get("license")
    if text is None:
        return "default"
    try:
        return LICENCES[json.loads(text)["ClaimedLicense"].lower()]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise licence_unknown(text) from None
