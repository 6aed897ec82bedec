"""What a tenant does not take in a query: found out once, kept in STATE, asked for again later."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ASK_AGAIN = timedelta(days=30)
"""What was refused is asked for again after this time: servers get upgraded."""


class Refusals:
    """Names of what was refused.

    Args:
        noted: by name, the day when it was found out; STATE's own, changed in place.
        clock: the server's.
    """

    def __init__(self, noted: dict[str, str], clock: Callable[[], datetime]) -> None:
        self._noted = noted
        self._clock = clock

    def holds(self, name: str) -> bool:
        """Whether a thing was refused not long ago."""
        day = self._noted.get(name)
        if day is None:
            return False
        if date.fromisoformat(day) + ASK_AGAIN > self._clock().date():
            return True
        del self._noted[name]
        return False

    def note(self, name: str) -> None:
        """It was refused today."""
        self._noted[name] = self._clock().date().isoformat()
