"""One company's books: its rows by name, its counters, its dice, and today's date."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.spelling import TENANT_ZONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinetic_sandbox.kinetic.database import Database
    from kinetic_sandbox.kinetic.store import Key

CENT = Decimal("0.01")

FIRST_NUMBERS = {"PONum": 4000, "HeadNum": 900, "JournalNum": 100, "TranNum": 50_000, "Ref": 10_000}
# Doc amounts are in the vendor's currency: one unit of the company's money buys so much of it.
RATES = {("USD", "EUR"): Decimal("0.92"), ("EUR", "USD"): Decimal("1.08")}


@dataclass
class Books:
    """What business verbs need to know about one company."""

    database: Database
    company: str
    currency: str
    rng: random.Random
    counters: dict[str, int] = field(default_factory=lambda: dict(FIRST_NUMBERS))
    at: datetime | None = None
    """When changes are stamped while history is written; None means by the clock."""

    @property
    def now(self) -> datetime:
        """The moment at which changes are stamped."""
        return self.at or self.database.stamper.clock()

    @property
    def today(self) -> date:
        """The business date, in the tenant's zone."""
        return self.now.astimezone(TENANT_ZONE).date()

    def happens(self, share: float) -> bool:
        """Roll the dice: true in this share of the cases."""
        return self.rng.random() < share

    def number(self, counter: str) -> int:
        """Draw the next document number."""
        self.counters[counter] += 1
        return self.counters[counter]

    def add(self, stream: str, more: Mapping[str, object] | None = None, **values: object) -> Key:
        """Insert a row."""
        return self.database.add(stream, self.company, {**values, **(more or {})}, at=self.at)

    def change(self, stream: str, key: Key, **values: object) -> None:
        """Change a row."""
        self.database.change(stream, self.company, key, values, at=self.at)

    def close(self, stream: str, key: Key, **values: object) -> None:
        """Set the closed flag of a row, if the profile has one, and other values with it."""
        self._flag(stream, key, closed=True, values=values)

    def reopen(self, stream: str, key: Key, **values: object) -> None:
        """Take the closed flag of a row back."""
        self._flag(stream, key, closed=False, values=values)

    def delete(self, stream: str, key: Key) -> None:
        """Delete a row."""
        self.database.delete(stream, self.company, [key])

    def row(self, stream: str, key: Key) -> dict[str, Any]:
        """Return a copy of a row by column name."""
        found = self.database.find(stream, self.company, key)
        return self.database.table(stream, self.company).as_dict(found)

    def matching(self, stream: str, **equal: object) -> list[dict[str, Any]]:
        """Return copies of the rows with these values, in the order they were entered."""
        table = self.database.table(stream, self.company)
        wanted = [(table.position[name], value) for name, value in equal.items()]
        return [
            table.as_dict(row)
            for row in table.by_key.values()
            if all(row.values[index] == value for index, value in wanted)
        ]

    def open_rows(self, stream: str) -> list[dict[str, Any]]:
        """Return the rows that are not closed; a null flag counts as open."""
        facts = self.database.facts(stream)
        return [row for row in self.matching(stream) if not facts.is_closed(row)]

    def closed_rows(self, stream: str) -> list[dict[str, Any]]:
        """Return the rows that are closed."""
        facts = self.database.facts(stream)
        if facts.closed is None:
            return []
        return self.matching(stream, **{facts.closed: facts.closed_when})

    def key(self, stream: str, row: dict[str, Any]) -> Key:
        """Return the key within a row."""
        return tuple(row[name] for name in self.database.facts(stream).key)

    def some(self, rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        """Draw up to so many of these rows."""
        return self.rng.sample(rows, min(count, len(rows)))

    def foreign(self, amount: Decimal, currency: str) -> Decimal:
        """Return an amount of the company's money in another currency."""
        return cents(amount * self.rate(currency))

    def rate(self, currency: str) -> Decimal:
        """Return how much of that currency one unit of the company's money buys."""
        return RATES.get((self.currency, currency), Decimal(1))

    def turn_to(self, day: date) -> None:
        """Stamp what follows at some working hour of that day, never later than now."""
        clock = self.database.stamper.clock()
        hour = timedelta(hours=8, seconds=self.rng.randrange(32_000), milliseconds=87)
        self.at = min(datetime.combine(day, time(), TENANT_ZONE) + hour, clock)

    def _flag(self, stream: str, key: Key, *, closed: bool, values: dict[str, object]) -> None:
        facts = self.database.facts(stream)
        if facts.closed is not None:
            values[facts.closed] = closed is facts.closed_when
        if values:
            self.change(stream, key, **values)


def cents(amount: Decimal) -> Decimal:
    """Round to the cent, halves away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def dice(*what: object) -> random.Random:
    """Return a source of chance that depends on nothing but these names."""
    return random.Random("/".join(map(str, what)))  # noqa: S311 - believable, not secret
