"""Rows of a Kinetic tenant for Python programs, without Singer: pages of rows, Arrow batches.

    tenant = Kinetic("https://host/instance", username="reader", password="...", api_key="...")
    vendors = tenant.stream("EPIC06", "vendors")
    for page in vendors.pages():
        load(page.rows())

Pages are read as the tap reads them: the same retries, the same budget of requests, the same
proofs that no row was skipped. Errors are those of `tap_epicor_kinetic.errors`, told in one
message without a secret in it; a read that cannot be proved to be complete ends in one.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from jsonschema import Draft202012Validator
from typing_extensions import Self, Unpack

from .business_objects import BUSINESS_OBJECTS
from .config import Baq, OwnObject, StreamOptions, with_defaults
from .discovery import discover
from .errors import Interrupted, SettingsError, WalkError
from .extract.ahead import Ahead
from .extract.bookmark import Bookmark
from .extract.reader import Reader, steering_columns
from .kinetic.get_rows import Siblings
from .odata.payload import PageDecoder
from .odata.query import Query
from .page_values import PageValues
from .selection import select
from .settings import SETTINGS
from .tenant import connect
from .unit import source_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    import pyarrow as pa

    from .config import TapConfig
    from .discovery import StreamDefinition
    from .extract.reader import ReadPage, Source
    from .odata.metadata import Column, EntityType
    from .odata.payload import Page

logger = logging.getLogger("tap-epicor-kinetic")

State = dict[str, Any]
"""What a later read of the same rows needs to know; JSON. Empty before the first read."""

_WHOLE = {"Edm.Int16", "Edm.Int32", "Edm.Int64"}
_ANY_COMPANY = "*"


class Options(TypedDict, total=False):
    """What can be said of a set of rows; the same words as in the setting `stream_options`.

    Attributes:
        select: columns to give; keys and the replication key are always among them. Without it
            all columns, but for those of the setting `sensitive_columns`.
        filter: an OData condition, in the source's column names.
        page_size: rows to ask for per request.
        primary_keys: the columns that tell rows apart, where `$metadata` names none or others.
        replication_key: the column that tells what changed.
        closed_when: the flag that marks a row closed, `Inactive` or `not Active`.
        read_method: `GetRows` for services whose entity sets end in errors.
        table: the table that `GetRows` reads; streams of the tap know theirs.
    """

    select: Sequence[str]
    filter: str
    page_size: int
    primary_keys: Sequence[str]
    replication_key: str
    closed_when: str
    read_method: str
    table: str


class Kinetic:
    """A tenant. Sends nothing until rows are asked for; may be used from several threads.

    Args:
        api_url: root of the instance, `https://host/instance`.
        settings: the tap's settings, by name.

    Raises:
        SettingsError: names the setting that is missing, malformed or unknown.
    """

    def __init__(self, api_url: str, **settings: Any) -> None:  # noqa: ANN401 - settings differ
        given = {"companies": [_ANY_COMPANY], **settings, "api_url": api_url}
        self._config = _judged(given)
        self._connection = _Connection(self._config)
        self._metadata: dict[tuple[str, str], dict[str, EntityType]] = {}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """A tenant by the content of the tap's `config.json`.

        Raises:
            SettingsError: names the setting that is missing, malformed or unknown.
        """
        if "api_url" not in settings:
            raise SettingsError("`api_url` is not set; write https://host/instance.")
        return cls(**settings)

    def __repr__(self) -> str:
        return f"Kinetic({self._config.api_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all reads: nothing more is asked for, and nobody waits to ask again."""
        self._connection.stop.set()

    def stream(self, company: str, name: str, **options: Unpack[Options]) -> RowSet:
        """One of the tap's streams, `vendors`, or one that the settings name.

        Closed records are left out unless the settings say `closed_records: include`.

        Raises:
            TapError: when the tenant does not have it or does not show it.
        """
        known = [each.name for each in (*BUSINESS_OBJECTS, *self._config.own_streams)]
        if name not in known:
            raise SettingsError(f"There is no stream {name}; there are {', '.join(known)}.")
        return self._row_set(company, self._config, name, options)

    def entity_set(
        self, company: str, service: str, entity_set: str, **options: Unpack[Options]
    ) -> RowSet:
        """Any entity set of any service: `Erp.BO.VendorSvc`, `Vendors`; all rows, closed or not.

        Raises:
            TapError: when the tenant does not have it or does not show it.
        """
        name = f"{service}/{entity_set}"
        own = OwnObject(name, service, entity_set, StreamOptions(service, entity_set))
        config = replace(self._config, business_objects=(own,), baqs=())
        return self._row_set(company, config, name, options)

    def baq(
        self,
        company: str,
        query_id: str,
        *,
        parameters: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> RowSet:
        """A BAQ; `primary_keys` has to name the columns that tell its rows apart.

        Raises:
            TapError: when the tenant does not have it or does not show it.
        """
        keys = tuple(options.get("primary_keys") or ())
        if not keys:
            raise SettingsError(f"BAQ {query_id} needs `primary_keys`: a BAQ's rows have no key.")
        name, given = f"BAQ {query_id}", tuple((parameters or {}).items())
        baq = Baq(query_id, keys, name, given, options.get("replication_key"))
        config = replace(self._config, business_objects=(), baqs=(baq,))
        return self._row_set(company, config, name, options)

    def _row_set(self, company: str, config: TapConfig, name: str, options: Options) -> RowSet:
        given = _stream_options(name, options)
        before = config.stream_options.get(name, StreamOptions())
        merged = replace(before, **{k: v for k, v in vars(given).items() if v is not None})
        config = replace(config, stream_options={name: merged})
        (definition,) = discover(config, lambda service: self._entities(company, service), {name})
        return RowSet(self._connection, company, config, definition)

    def _entities(self, company: str, service: str) -> dict[str, EntityType]:
        """A service's `$metadata`, asked for once."""
        key = (company, service)
        if key not in self._metadata:
            self._metadata[key] = self._connection.client.metadata(company, service)
        return self._metadata[key]


@dataclass(frozen=True)
class Range:
    """Rows whose `column` is above `after`, up to and including `until`; may be pickled.

    Attributes:
        column: a whole number that is unique in the set; empty for all rows.
        after: None for no bound.
        until: None for no bound.
        plan: what the reading of it goes by; for `RowSet` only.
    """

    column: str = ""
    after: int | None = None
    until: int | None = None
    plan: State = field(default_factory=dict, repr=False)


class RowSet:
    """Rows of one company. Made by `Kinetic`.

    Attributes:
        name: the stream, `service/entity_set`, or the BAQ.
        company: the company's code.
        columns: as `$metadata` declares them, by the names that rows have them under.
        key: the columns that tell the rows of this company apart.
        replication_key: the column that tells what changed; None where each read is whole.
    """

    def __init__(
        self,
        connection: _Connection,
        company: str,
        config: TapConfig,
        definition: StreamDefinition,
    ) -> None:
        chosen = select(definition, None)
        assert chosen is not None  # noqa: S101 - only a catalog deselects
        self.name = definition.name
        self.company = company
        names, entity = definition.names, definition.entity
        self.columns: dict[str, Column] = {names[c]: entity.columns[c] for c in chosen.columns}
        self.key = tuple(name for name in definition.primary_keys if name in self.columns)
        self.replication_key = definition.replication_key_name
        self._connection = connection
        self._page_size = definition.page_size
        self._definition = definition
        asked_for = dict.fromkeys((*chosen.columns, *definition.steering_columns()))
        is_whole_row = {*entity.columns, *definition.left_out} == asked_for.keys()
        self._wanted = definition.wanted(company, config, () if is_whole_row else (*asked_for,))
        self._values = PageValues(
            entity, chosen.columns, names, definition.left_out, steering_columns(self._wanted)
        )

    def __repr__(self) -> str:
        return f"RowSet({self.name!r}, {self.company!r})"

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of `batches`, known before the first row.

        Whole numbers are int64, decimals decimal128 by the declared precision and scale (38 and 9
        where none is declared), times timestamp[us, UTC], days date32, ids and text string.
        """
        from .arrow import schema_of  # noqa: PLC0415 - pyarrow is an extra

        return schema_of(self.columns)

    def pages(
        self, *, within: Range | None = None, state: State | None = None
    ) -> Iterator[RowPage]:
        """Read page by page; the next page is on its way while one is looked at.

        Args:
            within: one of `ranges`; None for all rows.
            state: an empty dict reads everything, and the dict as that read left it reads what has
                changed since, closed rows included (`RowPage.closed`). It is changed in place: a
                page counts as handled when the next one is asked for. Keep one for each set.

        Raises:
            TapError: when rows could not be read, or could have been missed.
        """
        if within is not None and state is not None:
            raise ValueError("a read within a range has no state: give one of the two")
        bookmark = Bookmark.read(within.plan if within else state or {})
        reader = self._reader(bookmark, self._page_size)
        try:
            for page in reader.read():
                if within is not None and within.column:
                    _check_bounds(self, page, within)
                rows, closed = page.rows, page.closed
                if state is None:
                    rows, closed = [n for n in rows if n not in closed], ()
                yield RowPage(self, self._values, page.page, rows, closed)
                reader.sent(page)
                _keep(bookmark, state)
            reader.finish()
            _keep(bookmark, state)
        except KeyboardInterrupt:
            self._connection.interrupt()  # the interpreter would wait for the retries to end
            raise

    def batches(self, *, within: Range | None = None) -> Iterator[pa.RecordBatch]:
        """Read as Arrow, one batch per page, all of `schema`; needs the extra `arrow`.

        Args:
            within: one of `ranges`; None for all rows.

        Raises:
            TapError: when rows could not be read, or could have been missed.
        """
        return (page.batch() for page in self.pages(within=within))

    def ranges(self, n: int, *, state: State | None = None) -> list[Range]:
        """Cut the set into up to `n` ranges of keys of even width, to be read side by side.

        Asks for the lowest and the highest key. Even width is not an even number of rows: ask for
        some more ranges than there are readers. The last one has no upper bound.

        Args:
            n: how many at most.
            state: an empty dict; afterwards `pages(state=state)` reads what has changed since now.
                Rows that change while ranges are read may be in none of them.

        Returns:
            One range of all rows, with a warning, where there is no unique whole number to cut by.
        """
        bookmark = Bookmark()
        reader = self._reader(bookmark, page_size=1)
        keys = self._lowest_keys(reader)
        self._hand_over(reader, state)
        whole = Range()
        if keys is None:
            logger.warning(
                "%s: no unique whole number to cut by that the tenant compares; one range", self
            )
            return [whole]
        walk = bookmark.walk
        column = self._wanted.walk_columns[0].name
        highest = self._highest(column) if n > 1 and len(keys) > 1 else None
        if walk is None or highest is None or highest <= keys[0]:
            return [whole]
        plan = {"filter_proved": bookmark.filter_proved}
        cuts = _cuts(keys[0], highest, n)
        ranges = []
        for after, until in zip((None, *cuts), (*cuts, None), strict=True):
            begin = None if after is None else [after]
            kept = replace(walk, ranges=[[begin, until]], is_part=True).keep()
            ranges.append(Range(column, after, until, {**plan, "walk": kept}))
        return ranges

    def _lowest_keys(self, reader: Reader) -> list[int] | None:
        """The first two keys, read one by one; None where rows cannot be read by such a key."""
        columns = self._wanted.walk_columns
        if [c.edm_type in _WHOLE for c in columns] != [True]:
            next(reader.read(), None)
            return None
        keys: list[int] = []
        for page in reader.read():
            if page.walked.key_range is None or reader.bookmark.refused:
                return None
            keys += page.page.column(columns[0].name)
            reader.sent(page)
            if len(keys) > 1:
                break
        return keys

    def _hand_over(self, reader: Reader, state: State | None) -> None:
        """As after a read of everything that began now."""
        mark, cursor = reader.progress.mark, self._wanted.cursor
        if state is None or mark is None:
            return
        bookmark = Bookmark.read(reader.bookmark.keep())
        seen = self._highest(cursor.column.name) if cursor else None
        seen = cursor.read(seen) if cursor else None
        bookmark.finish(cursor, seen, mark, mark.taken_at, self._wanted.lookback_seconds)
        _keep(bookmark, state)

    def _reader(self, bookmark: Bookmark, page_size: int) -> Reader:
        if self._connection.stop.is_set():
            raise Interrupted(f"{self}: its tenant was closed; make a new one.")
        return Reader(
            self._source(),
            self._wanted,
            bookmark,
            page_size,
            self._connection.ahead,
            decoder=self._values.decoder,
        )

    def _source(self) -> Source:
        return self._connection.source(self._definition, self.company)

    def _highest(self, column: str) -> Any:  # noqa: ANN401 - a cell
        """A column's highest value among the rows that a read could give."""
        wanted = self._wanted
        query = Query(
            tuple(term.text() for term in wanted.always),
            order_by=(f"{column} desc",),
            select=(column,),
            top=1,
            parameters=wanted.parameters,
        )
        page = self._source().page(query, PageDecoder(wanted.entity, (column,)))
        return page.column(column)[0] if len(page) else None


class RowPage:
    """A page of rows.

    Attributes:
        raw: the server's answer as it came, JSON; may hold rows that this page leaves out.
        closed: which of the rows have closed, by index: to be taken out of where they were loaded.
            Empty in a read without state, which leaves such rows out.
    """

    def __init__(
        self,
        rows: RowSet,
        values: PageValues,
        page: Page,
        kept: Sequence[int],
        closed: Container[int],
    ) -> None:
        self.raw = page.body
        self.closed = frozenset(n for n, index in enumerate(kept) if index in closed)
        self._of, self._values, self._page, self._kept = rows, values, page, kept

    def __len__(self) -> int:
        return len(self._kept)

    def columns(self) -> dict[str, list[Any]]:
        """The values by column, in row order.

        Whole numbers are int, decimals Decimal with every digit, floating-point numbers float,
        flags bool; times are text in UTC with `Z`, as the tap sends them; the rest is text.
        A column that the server leaves out of all rows is None.

        Raises:
            ServerFault: when a value is none of its column's type.
        """
        return self._values.columns(self._page, self._kept, repr(self._of))

    def rows(self) -> list[dict[str, Any]]:
        """The rows, each by column; values as in `columns`."""
        columns = self.columns()
        names = tuple(columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def batch(self) -> pa.RecordBatch:
        """The rows as Arrow, of the set's `schema`; needs the extra `arrow`.

        Raises:
            ServerFault: when a value does not fit its column's type.
        """
        from .arrow import batch_of  # noqa: PLC0415 - pyarrow is an extra

        return batch_of(self._of.schema, self.columns(), repr(self._of))


class _Connection:
    """What the row sets of a tenant share."""

    def __init__(self, config: TapConfig) -> None:
        self._config = config
        self._siblings = Siblings()
        self._open()

    def _open(self) -> None:
        stop = threading.Event()

        def sleep(seconds: float) -> None:
            if stop.wait(seconds):
                raise Interrupted("closed while waiting to ask the server again")

        def check() -> None:
            if stop.is_set():
                raise Interrupted("closed while waiting to ask the server")

        self.stop = stop
        self.client = connect(self._config, sleep=sleep, is_stopped=check)
        self.ahead = Ahead(stop)

    def interrupt(self) -> None:
        """End what is under way, retries included; later reads are welcome."""
        self.stop.set()
        self._open()

    def source(self, definition: StreamDefinition, company: str) -> Source:
        return source_of(self.client, self._siblings, definition, company)


def _judged(given: Mapping[str, Any]) -> TapConfig:
    """The settings; text of JSON Schema is taken only where it cannot quote a secret."""
    schema = {**SETTINGS, "additionalProperties": False}
    told = []
    for error in Draft202012Validator(schema).iter_errors(dict(given)):
        setting = str(error.absolute_path[0]) if error.absolute_path else ""
        if SETTINGS["properties"].get(setting, {}).get("secret"):
            told.append(f"`{setting}` has the wrong type, it has to be text")
        else:
            told.append(f"`{setting}`: {error.message}" if setting else error.message)
    if told:
        known = ", ".join(sorted(SETTINGS["properties"]))
        raise SettingsError(f"{'; '.join(told)}. Settings are: {known}.")
    return with_defaults(given)


def _stream_options(name: str, options: Options) -> StreamOptions:
    """The options, judged as `stream_options` would be."""
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
    unknown = plain.keys() - Options.__annotations__.keys()
    if unknown:
        possible = ", ".join(Options.__annotations__)
        raise SettingsError(f"{name}: {', '.join(unknown)} is no option; there are {possible}.")
    schema = SETTINGS["properties"]["stream_options"]["additionalProperties"]
    for error in Draft202012Validator(schema).iter_errors(plain):
        option = ".".join(map(str, error.absolute_path))
        raise SettingsError(f"{name}: `{option}`: {error.message}.")
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    return StreamOptions(**given)


def _cuts(lowest: int, highest: int, n: int) -> list[int]:
    """Keys at which one range ends and the next begins, at most `n - 1`, all below the highest."""
    cuts = (lowest + (highest - lowest) * part // n for part in range(1, n))
    return list(dict.fromkeys(cuts))


def _check_bounds(rows: RowSet, page: ReadPage, within: Range) -> None:
    """A range that was planned for another filter or by another column would give other rows."""
    keys = page.page.column(within.column)
    lowest, highest = keys[page.rows[0]], keys[page.rows[-1]]
    is_inside = (within.after is None or lowest > within.after) and (
        within.until is None or highest <= within.until
    )
    if page.walked.key_range is None or not is_inside:
        raise WalkError(
            f"{rows}: rows from {lowest} to {highest} came for {within}. It was planned for other "
            "settings or options, or the tenant no longer takes the comparison; plan ranges anew."
        )


def _keep(bookmark: Bookmark, state: State | None) -> None:
    if state is not None:
        state.clear()
        state.update(bookmark.keep())
