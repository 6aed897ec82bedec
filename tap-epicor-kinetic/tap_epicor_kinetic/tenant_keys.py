"""Which keys the tenant has now, and how many: the truth that a warehouse is compared with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from .errors import HostUnreachable, PageTooHeavy, QueryRefused, ServerFault
from .extract.bookmark import Bookmark
from .extract.reader import Reader, steering_columns
from .key_form import write_keys
from .odata.payload import PageDecoder
from .odata.query import Query, compare
from .odata.timestamps import from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import TapConfig
    from .discovery import StreamDefinition
    from .extract.ahead import Ahead
    from .extract.cursor import Cursor, CursorValue
    from .extract.reader import Source
    from .key_form import Key
    from .key_values import KeyValues
    from .odata.payload import Page
    from .odata.timestamps import Timestamp

_ASKABLE = {
    "Edm.String", "Edm.Guid", "Edm.Boolean", "Edm.Decimal", "Edm.Date",
    "Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64",
}  # fmt: skip
"""Types whose literals carry the whole value; those of instants cannot carry a fraction."""
_ENOUGH = 100


@dataclass(frozen=True)
class Row:
    """What matters of one row of the tenant."""

    key: bytes
    is_closed: bool
    has_changed: bool


class TenantKeys:
    """Keys of one stream of one company, as the tenant has them now.

    Args:
        source: the stream's entity set.
        definition: of the stream.
        company: the company's code.
        config: for the mode of closed records.
        ahead: where requests run.
        bookmark: how far the last run came, as STATE has it; rows above it "changed".
        values: brings keys into the form of the other side; None leaves them as they come.
    """

    def __init__(
        self,
        source: Source,
        definition: StreamDefinition,
        company: str,
        config: TapConfig,
        ahead: Ahead,
        *,
        bookmark: int | str | None = None,
        values: KeyValues | None = None,
    ) -> None:
        self._source = source
        self._page_size = definition.page_size
        self._ahead = ahead
        self._key = tuple(definition.entity.columns[name] for name in definition.sent_key)
        wanted = definition.wanted(company, config, ())
        names = dict.fromkeys((*steering_columns(wanted), *(c.name for c in self._key)))
        self._wanted = replace(wanted, select=tuple(names))
        self._decoder = PageDecoder(definition.entity, names)
        self._values = values
        self._cursor = definition.cursor
        self._bookmark = self.read_bookmark(bookmark)
        self.can_filter = not wanted.is_child

    def rows(self) -> Iterator[list[Row]]:
        """All rows that a first sync would send, page by page; and closed ones, marked as such.

        A row that changes meanwhile may come twice. The walk has all the proofs of the tap's own.
        """
        reader = Reader(
            self._source,
            self._wanted,
            Bookmark(),
            self._page_size,
            self._ahead,
            decoder=self._decoder,
        )
        for page in reader.read():
            found = self._judge(page.page)
            yield [found[n] for n in page.rows]
            reader.sent(page)
        self.can_filter = not self._wanted.is_child or reader.bookmark.filter_proved

    def count_walked(self) -> int | None:
        """`$count` of what a walk meets: open rows, or, where no filter can be sent, all rows.

        None where the server cannot tell.
        """
        if self.can_filter:
            closed = self._wanted.closed if self._wanted.leaves_closed_out else None
            return self._count((*self._texts(), *([closed.text()] if closed else [])))
        return None if self._texts() else self._count(())

    def count_closed(self) -> int | None:
        """`$count` of the others; 0 where closed rows are loaded like any."""
        closed = self._wanted.closed
        if closed is None or not self._wanted.leaves_closed_out:
            return 0
        return self._count((*self._texts(), compare(closed.column, "eq", closed.value)))

    def count_changed(self) -> int | None:
        """How many rows, closed ones too, changed behind the bookmark; None where unknown."""
        start = self._bookmark
        if start is None or self._cursor is None:
            return None
        counted = self.count_between(start)
        if counted is None or self._cursor.is_number or self._cursor.is_day:
            return counted
        second = cast("Timestamp", start).second
        bounds = (start, from_datetime(second + timedelta(seconds=1)))
        same_second = self._ask(self._between(*bounds))
        return counted - sum(not row.has_changed for row in same_second)

    def count_between(self, after: CursorValue, until: CursorValue | None = None) -> int | None:
        """`$count` of rows whose replication key lies behind `after`, up to `until`.

        Times are asked for from the second of `after` on and before that of `until`, because that
        is what literals can say and what runs read again.
        """
        return self._count(self._between(after, until))

    def read_bookmark(self, text: int | str | None) -> CursorValue | None:
        """A bookmark of STATE or of the run log; None where there is none to compare with."""
        if self._cursor is None or text is None:
            return None
        return self._cursor.read(int(text) if self._cursor.is_number else text)

    def _between(self, after: CursorValue, until: CursorValue | None) -> tuple[str, ...]:
        cursor = cast("Cursor", self._cursor)
        lower, upper = ("gt", "le") if cursor.is_number else ("ge", "lt")
        always = [term.text() for term in self._wanted.always]
        bounds = [compare(cursor.column, lower, after)]
        bounds += [] if until is None else [compare(cursor.column, upper, until)]
        return (*always, *bounds)

    def find(self, line: bytes, key: Key) -> Row | None:
        """The row of a key, open or closed, asked for now; None where there is none."""
        columns = [column for column in self._key if column.edm_type in _ASKABLE]
        values = dict(zip((column.name for column in self._key), key, strict=True))
        try:
            conditions = [compare(column, "eq", values[column.name]) for column in columns]
        except ValueError:
            return None  # no row of the tenant can have such a key
        always = [term.text() for term in self._wanted.always]
        found = self._ask((*always, *conditions))
        return next((row for row in found if row.key == line), None)

    def _ask(self, conditions: tuple[str, ...]) -> list[Row]:
        query = replace(self._query(conditions), select=self._wanted.select, top=_ENOUGH)
        return self._judge(self._source.page(query, self._decoder))

    def _judge(self, page: Page) -> list[Row]:
        keys: list[Key] = list(zip(*(page.column(c.name) for c in self._key), strict=True))
        if self._values:
            keys = list(map(self._values, keys))
        wanted = self._wanted
        closed: set[int] = set()
        if wanted.closed and wanted.leaves_closed_out:
            closed = set(wanted.closed.failing(page.column))
        return [
            Row(line, n in closed, has_changed)
            for n, (line, has_changed) in enumerate(
                zip(write_keys(keys), self._have_changed(page), strict=True)
            )
        ]

    def _have_changed(self, page: Page) -> list[bool]:
        cursor, bookmark = self._cursor, self._bookmark
        if cursor is None or bookmark is None:
            return [False] * len(page)
        values = map(cursor.read, page.column(cursor.column.name))
        # Of a day that a bookmark names more rows may have come since.
        return [
            value is not None and _is_above(value, bookmark, or_equal=cursor.is_day)
            for value in values
        ]

    def _query(self, conditions: tuple[str, ...]) -> Query:
        return Query(conditions, parameters=self._wanted.parameters_from(None))

    def _texts(self) -> list[str]:
        return [term.text() for term in (*self._wanted.always, *self._wanted.first_only)]

    def _count(self, conditions: tuple[str, ...]) -> int | None:
        if conditions and not self.can_filter:
            return None
        with suppress(QueryRefused, PageTooHeavy, ServerFault, HostUnreachable):
            return self._source.count(self._query(conditions))
        return None


def _is_above(value: CursorValue, bound: CursorValue, *, or_equal: bool) -> bool:
    first, second = cast("Any", value), cast("Any", bound)  # of one cursor, so of one type
    return bool(first == second) if or_equal and first == second else not first <= second
