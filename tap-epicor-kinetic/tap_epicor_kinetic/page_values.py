"""What is in a page, as Python values by column."""

from __future__ import annotations

import logging
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import ServerFault
from .extract.cells import LONGEST
from .extract.splice import are_guids, are_plain_utc, utc_text
from .odata.payload import ABSENT, PageDecoder, UnreadableRowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .odata.metadata import EntityType
    from .odata.payload import Page

logger = logging.getLogger("tap-epicor-kinetic")

_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class PageValues:
    """Reads whole pages; values are what the tap would send, in Python's types.

    Args:
        entity: the row's type.
        emitted: the columns to give.
        names: column to given name.
        left_out: columns that rows may have and that are not given.
        steering: columns that the read needs; decoded in the same pass.
    """

    def __init__(
        self,
        entity: EntityType,
        emitted: Sequence[str],
        names: Mapping[str, str],
        left_out: Iterable[str],
        steering: Sequence[str],
    ) -> None:
        self.decoder = PageDecoder(entity, steering, emitted)
        self._emitted = {
            name: (names[name], _READERS.get(entity.columns[name].edm_type)) for name in emitted
        }
        self._known = {*entity.columns, *left_out}
        self._seen: set[str] = set()
        self._told: set[str] = set()

    def columns(self, page: Page, kept: Sequence[int], where: str) -> dict[str, list[Any]]:
        """The values of some rows, by given name.

        Args:
            page: decoded by this reader's `decoder`.
            kept: the rows, by index.
            where: for messages.

        Raises:
            ServerFault: when a cell holds no value of its type.
        """
        self._tell_of_unknown(page, where)
        columns: dict[str, list[Any]] = {}
        for name, (given, read) in self._emitted.items():
            values = page.column(name)
            if ABSENT in values:
                self._check_absence(name, values, where)
                values = [None] * len(values)
            else:
                self._seen.add(name)
            if len(kept) < len(page):
                values = [values[index] for index in kept]
            try:
                columns[given] = values if read is None else read(values)
            except ValueError as error:
                raise ServerFault(
                    f"{where}: column {name} holds what is no value of its type ({error}). Mend "
                    "the row in Kinetic, or leave the column out with `select`."
                ) from error
        return columns

    def _check_absence(self, name: str, values: Sequence[Any], where: str) -> None:
        """Servers leave some columns out, but then of every row."""
        if name in self._seen or values.count(ABSENT) < len(values):
            raise ServerFault(
                f"{where}: a row lacks {name}, which other rows have, so the answer cannot be "
                "trusted. Run again; if it stays, ask for the server's log."
            )

    def _tell_of_unknown(self, page: Page, where: str) -> None:
        try:
            rows = page.value
        except UnreadableRowError as error:
            raise ServerFault(f"{where}: {error}. Run again.") from error
        for row in rows[:1] + rows[-1:]:
            cells = _cells(row).keys()
            found = {name for name in cells - self._known - self._told if "@" not in name}
            if found:
                self._told |= found
                logger.warning(
                    "%s: rows hold columns that $metadata does not declare; they are left out: %s",
                    where,
                    ", ".join(sorted(found)),
                )


def _times(values: list[Any]) -> list[Any]:
    if are_plain_utc(values):
        return values
    return [None if value is None else _time(value) for value in values]


_time = lru_cache(maxsize=4096)(utc_text)


def _ids(values: list[Any]) -> list[Any]:
    """Unset ids may arrive as empty texts."""
    ids = [value or None for value in values]
    if not are_guids(ids):
        raise ValueError("no GUID")
    return ids


def _decimals(values: list[Any]) -> list[Any]:
    """Some services send decimals as text, which could say NaN."""
    numbers = [value for value in values if value is not None]
    if not all(map(Decimal.is_finite, numbers)):
        raise ValueError("not a finite number")
    if max(map(abs, map(Decimal.adjusted, numbers)), default=0) > LONGEST:
        raise ValueError("no number that a warehouse holds")
    return values


_READERS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "Edm.DateTimeOffset": _times,
    "Edm.Guid": _ids,
    "Edm.Decimal": _decimals,
}
