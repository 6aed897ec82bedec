"""What was asked of the server, kept for tests to look at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class ReceivedRequest:
    """One request as it arrived, and the status it was answered with; 0 means no answer."""

    method: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int
    company: str | None
    service: str | None
    entity_set: str | None
    kind: str

    def as_dict(self) -> dict[str, Any]:
        """Return the request as plain values."""
        return asdict(self)
