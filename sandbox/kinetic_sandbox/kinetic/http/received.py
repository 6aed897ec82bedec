"""What was asked of the server and when, kept for tests to look at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class ReceivedRequest:
    """One request as it arrived, and what came of it."""

    method: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    company: str | None
    service: str | None
    entity_set: str | None
    kind: str
    started: float
    """Seconds since the server was made, as are all times."""
    in_flight: int
    """How many requests the server had in hand then, this one included."""
    status: int = 0
    """0 means that the connection was closed without an answer."""
    seat: str = ""
    """The licence seat that was taken; empty where none was free or none is needed."""
    finished: float = 0.0
    """When the answer was ready; it left afterwards."""
    body: str = ""
    """Of methods only: a login's body is nobody's business."""

    def as_dict(self) -> dict[str, Any]:
        """Return the request as plain values."""
        return asdict(self)
