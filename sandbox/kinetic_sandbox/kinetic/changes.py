"""What happened to which rows while a day passed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.store import Key

Listing = dict[str, list[tuple[str, "Key"]]]


@dataclass(frozen=True)
class DayReport:
    """Rows by stream as (company, key); each touched row stands in exactly one listing."""

    changed: Listing = field(default_factory=dict)
    closed: Listing = field(default_factory=dict)
    reopened: Listing = field(default_factory=dict)
    added: Listing = field(default_factory=dict)
    deleted: Listing = field(default_factory=dict)


@dataclass
class Recorder:
    """Remembers how each touched row stood before: absent, open or closed."""

    before: dict[tuple[str, str, Key], str] = field(default_factory=dict)
    after: dict[tuple[str, str, Key], str] = field(default_factory=dict)

    def note(self, stream: str, company: str, key: Key, before: str, after: str) -> None:
        """Note one step of one row's life."""
        self.before.setdefault((stream, company, key), before)
        self.after[stream, company, key] = after

    def report(self) -> DayReport:
        """Sort the touched rows by what came of them."""
        report = DayReport()
        for address, before in self.before.items():
            stream, company, key = address
            listing = _listing(report, before, self.after[address])
            if listing is not None:
                listing.setdefault(stream, []).append((company, key))
        return report


def _listing(report: DayReport, before: str, after: str) -> Listing | None:
    if before == "absent":
        return None if after == "absent" else report.added
    return {
        ("open", "closed"): report.closed,
        ("closed", "open"): report.reopened,
        ("open", "absent"): report.deleted,
        ("closed", "absent"): report.deleted,
    }.get((before, after), report.changed)
