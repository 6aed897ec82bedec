"""The key sweep of one stream of one company: finds rows that were deleted outright, retracts them.

A retraction is sent again by each run until STATE shows that the target had it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from .extract.bookmark import Bookmark
from .extract.reader import Reader, steering_columns
from .extract.rows import RowWriter
from .extract.splice import utc_text
from .key_memory import KeyMemory
from .odata.payload import PageDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Self

    from .config import TapConfig
    from .discovery import StreamDefinition
    from .extract.ahead import Ahead
    from .extract.reader import Source
    from .extract.rows import Lineage
    from .key_form import Key
    from .odata.payload import Page

logger = logging.getLogger("tap-epicor-kinetic")

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True)
class Retractions:
    """Records of rows that are gone, and their keys as they are sent."""

    lines: list[bytes]
    keys: list[Key]


class KeySweep:
    """Remembers what was sent, and finds what the tenant has no longer; used by `with`.

    Args:
        config: the settings.
        definition: of the stream.
        company: the company's code.
        lineage: for the retractions.
        confirmed: the last generation of retractions that the target is known to have.
    """

    def __init__(
        self,
        config: TapConfig,
        definition: StreamDefinition,
        company: str,
        lineage: Lineage,
        confirmed: int,
    ) -> None:
        self._config = config
        self._definition = definition
        self._company = company
        # As sent, and what the row's address is made of.
        self._key = tuple(dict.fromkeys((*definition.entity.key, *definition.sent_key)))
        self._confirmed = confirmed
        self._memory = KeyMemory(
            config.sweep_path or "", config.api_url, definition.name, company, self._key
        )
        self._writer = RowWriter(
            definition.name,
            definition.entity,
            self._key,
            lineage,
            names=definition.names,
            decimals_as_text=config.decimal_format == "singer_decimal",
        )

    def __enter__(self) -> Self:
        self._memory.confirm(self._confirmed)
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.close()

    @property
    def generation(self) -> int:
        """What STATE has to say once the retractions of this run were sent."""
        return max(self._memory.last_generation, self._confirmed)

    def remember(self, page: Page, rows: Iterable[int]) -> None:
        """Note rows that are about to be sent: what is sent and not noted could not be missed."""
        keys = self._keys(page)
        self._memory.add([keys[n] for n in rows])

    def unconfirmed(self, gone: str, synced_at: str) -> Iterator[Retractions]:
        """Retractions of earlier runs that the target may not have."""
        for keys in self._memory.unconfirmed():
            yield self._retractions(keys, gone, synced_at)

    @property
    def is_due(self) -> bool:
        """Whether `sweep_every_hours` have passed since the last sweep began."""
        last = self._memory.last_swept_at
        period = timedelta(hours=self._config.sweep_every_hours)
        return last is None or datetime.now(timezone.utc) - last >= period

    def sweep(
        self, source: Source, known: Bookmark, ahead: Ahead, gone: str, synced_at: str
    ) -> Iterator[Retractions]:
        """Read all keys that the tenant has; retractions of the others.

        Raises:
            TapError: when too much would vanish at once.
        """
        memory, definition = self._memory, self._definition
        wanted = replace(
            definition.wanted(self._company, self._config, ()),
            cursor=None, closed=None, first_only=(), bookmark_parameter=None,
            is_child=definition.facts.is_child and source.kind == definition.facts.source,
        )  # fmt: skip
        names = tuple(dict.fromkeys((*steering_columns(wanted), *self._key)))
        reader = Reader(
            source,
            replace(wanted, select=names),
            Bookmark(filter_proved=known.filter_proved, refused=known.refused),
            definition.page_size,
            ahead,
            decoder=PageDecoder(definition.entity, names),
        )
        memory.begin_sweep()
        met = 0
        for page in reader.read():
            keys = self._keys(page.page)
            memory.saw([keys[n] for n in page.rows])
            met += len(page.rows)
            reader.sent(page)
        vanished = 0
        limit = self._config.sweep_limit_percent
        for keys in memory.finish_sweep(self.generation + 1, limit):
            vanished += len(keys)
            yield self._retractions(keys, gone, synced_at)
        logger.info("%s of company %s: swept %d keys, %d are gone", definition.name,
                    self._company, met, vanished)  # fmt: skip

    def _keys(self, page: Page) -> list[Key]:
        """The rows' keys, times as they are sent: servers may write one instant in many ways."""
        columns: list[Sequence[Any]] = []
        for name in self._key:
            values: Sequence[Any] = page.column(name)
            if self._definition.entity.columns[name].edm_type == "Edm.DateTimeOffset":
                values = [None if value is None else utc_text(value) for value in values]
            columns.append(values)
        return list(zip(*columns, strict=True))

    def _retractions(self, keys: Sequence[Key], gone: str, synced_at: str) -> Retractions:
        sent = [self._key.index(name) for name in self._definition.sent_key]
        as_sent = [tuple(key[n] for n in sent) for key in keys]
        return Retractions(self._lines(keys, gone, synced_at), as_sent)

    def _lines(self, keys: Sequence[Key], gone: str, synced_at: str) -> list[bytes]:
        rows = [dict(zip(self._key, key, strict=True)) for key in keys]
        page = self._writer.decoder(_encode({"value": rows}))
        every = range(len(keys))
        return list(self._writer.lines(page, every, every, gone, synced_at))
