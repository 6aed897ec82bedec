"""The tenant as a test sees it: its truth, and everything that may happen to it."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.bulk import bulk_rows
from kinetic_sandbox.kinetic.business.books import Books, dice
from kinetic_sandbox.kinetic.business.day import pass_a_day
from kinetic_sandbox.kinetic.business.history import Size, write_history
from kinetic_sandbox.kinetic.catalog import STREAMS, Profile, column_of
from kinetic_sandbox.kinetic.changes import DayReport, Recorder
from kinetic_sandbox.kinetic.database import Database
from kinetic_sandbox.kinetic.edm import Column
from kinetic_sandbox.kinetic.late_commit import Held, hold
from kinetic_sandbox.kinetic.restored_copy import age

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.store import Key, Row, RowTable

_CURRENCIES = ("USD", "EUR")
_SMALLER = 0.4
"""How big every company but the first is."""


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(timezone.utc)


class Tenant:
    """A believable manufacturer under one profile; the same arguments and day give the same data.

    Args:
        profile: `real` has the change columns and flags of observed tenants, `documented` has
            `UpdatedOn`, `Inactive` and `Voided`.
        seed: chooses the data.
        scale: how much of it.
        wide: how many filler columns each table gets.
        row_versions: whether tables have `SysRevID`; the real profile always has it.
        companies: company codes; the first is the largest and keeps its books in USD.
        clock: tells the time in UTC, for stamps and for the server's `Date`.
    """

    def __init__(
        self,
        profile: str = "real",
        seed: int = 7,
        scale: float = 1.0,
        wide: int = 0,
        row_versions: bool = True,  # noqa: FBT001, FBT002
        companies: Sequence[str] = ("EPIC06", "EPIC07"),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if profile not in {"real", "documented"}:
            raise ValueError(f"profile {profile!r}: choose real or documented")
        if profile == "real" and not row_versions:
            raise ValueError("row_versions=False needs profile documented: real tables all have it")
        self.profile = Profile(profile, wide, row_versions)
        self.companies = tuple(companies)
        self.clock = clock
        self.seed = seed
        self.lock = threading.RLock()
        self.database = Database(self.profile, self.companies, seed, clock)
        self._rng = dice(seed, "touch")
        self._days = 0
        self._books = [self._write_books(number, scale) for number in range(len(self.companies))]

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that the pipeline knows."""
        return STREAMS

    def entity(self, stream: str) -> EntityFacts:
        """Return what a stream's entity set looks like."""
        return self.database.facts(stream)

    def is_closed(self, stream: str, row: Mapping[str, Any]) -> bool:
        """Whether the row's own flag says closed."""
        return self.entity(stream).is_closed(row)

    def rows(self, stream: str, company: str) -> list[dict[str, Any]]:
        """Return copies of a company's committed rows, as a perfect reader would get them."""
        with self.lock:
            table = self.database.table(stream, company)
            rows = [table.as_dict(row) for row in table.rows()]
        if stream == "companies":
            return [row for row in rows if row["Company1"] == company]
        return rows

    def day_passes(self, n: int = 1) -> DayReport:
        """Let the companies work for n days; tell what came of which row."""
        with self.lock:
            recorder = Recorder()
            self.database.recorder = recorder
            try:
                for _ in range(n):
                    self._work_a_day()
            finally:
                self.database.recorder = None
        return recorder.report()

    def insert(self, stream: str, company: str, **values: object) -> Key:
        """Insert a row; what is not given is blank. Returns the key."""
        with self.lock:
            return self.database.add(stream, company, values)

    def update(self, stream: str, company: str, key: Key, **values: object) -> None:
        """Change a row under its whole key."""
        with self.lock:
            self.database.change(stream, company, key, values)

    def delete(self, stream: str, company: str, key: Key) -> None:
        """Delete a row, silently as the tenant does."""
        with self.lock:
            self.database.delete(stream, company, [key])

    def delete_some(self, stream: str, company: str, n: int) -> list[Key]:
        """Delete n rows outright, children and sums left as they are; returns their keys."""
        with self.lock:
            table = self.database.table(stream, company)
            keys = [table.key_of(row.values) for row in self._draw(table.rows(), n)]
            self.database.delete(stream, company, keys)
            return keys

    def touch(self, stream: str, company: str, n: int) -> list[Key]:
        """Change the remark of n rows; returns their keys."""
        with self.lock:
            table = self.database.table(stream, company)
            chosen = self._draw(table.rows(), n)
            return [self._touch(table, company, row) for row in chosen]

    def close_some(self, stream: str, company: str, n: int) -> list[Key]:
        """Close n open rows, where the stream has a flag for it; returns their keys."""
        with self.lock:
            table = self.database.table(stream, company)
            facts = table.facts
            if facts.closed is None:
                return []
            index, closed = table.position[facts.closed], facts.closed_when
            open_rows = [row for row in table.rows() if row.values[index] is not closed]
            keys = [table.key_of(row.values) for row in self._draw(open_rows, n)]
            for key in keys:
                self.database.change(stream, company, key, {facts.closed: closed})
            return keys

    def hold_back(self, stream: str, company: str, n: int) -> Held:
        """Change n rows now, but let the server show them only after `commit()`."""
        with self.lock:
            table = self.database.table(stream, company)
            return hold(self.database, table, company, self._draw(table.rows(), n), self.lock)

    def add_column(
        self, stream: str, name: str, edm_type: str, value: Any = None, max_length: int = 1000  # noqa: ANN401
    ) -> None:  # fmt: skip
        """Let a column appear on a stream, in `$metadata` and in each row."""
        with self.lock:
            column = (
                column_of(f"{name}:Q")
                if edm_type == "Edm.Decimal"
                else Column(name, edm_type, max_length=_length(edm_type, max_length))
            )
            self.database.add_column(stream, column, value)

    def widen_decimal(self, stream: str, name: str, precision: int, scale: int) -> None:
        """Let `$metadata` declare more digits for a decimal column."""
        with self.lock:
            self.database.widen_decimal(stream, name, precision, scale)

    def drop_column(self, stream: str, name: str) -> None:
        """Let a column disappear from a stream, from `$metadata` and from each row."""
        with self.lock:
            self.database.drop_column(stream, name)

    def restore(self) -> None:
        """Become a restored copy: row versions restart low, time stamps lie in the past."""
        with self.lock:
            age(self.database)

    def load_bulk(self, stream: str, company: str, n: int, *, spelt: bool = True) -> None:
        """Add n cheap rows that differ in key, row version and row id only.

        With `spelt` whole rows are sent at once; without, a million takes half the memory and
        is still sent fast where `$select` names few columns.
        """
        with self.lock:
            table = self.database.table(stream, company)
            table.extend(bulk_rows(table, self.database.stamper, n, is_spelt=spelt))

    def _write_books(self, number: int, scale: float) -> Books:
        company = self.companies[number]
        books = Books(
            database=self.database,
            company=company,
            currency=_CURRENCIES[number % len(_CURRENCIES)],
            rng=dice(self.seed, company),
        )
        write_history(books, Size(scale if number == 0 else scale * _SMALLER))
        return books

    def _work_a_day(self) -> None:
        self._days += 1
        for books in self._books:
            books.rng = dice(self.seed, books.company, "day", self._days)
            pass_a_day(books)

    def _draw(self, rows: Sequence[Row], n: int) -> list[Row]:
        return self._rng.sample(rows, min(n, len(rows)))

    def _touch(self, table: RowTable, company: str, row: Row) -> Key:
        remark = table.facts.remark
        length = table.facts.columns[remark].max_length
        given = {remark: f"touched {row.revision % 100_000_000}"[:length]}
        self.database.settle(table, company, row, self.database.drafted(table, row, given))
        return table.key_of(row.values)


def _length(edm_type: str, max_length: int) -> int | None:
    return max_length if edm_type == "Edm.String" else None
