"""A page of rows out of a response body, kept as the server's own bytes.

One pass over the body decodes the columns that steer a read and proves the types of the others;
what is sent later is the body itself, so that numbers keep every digit.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from .metadata import EntityType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .metadata import Column

_BITS = {
    "Edm.Byte": (0, 2**8 - 1),
    "Edm.SByte": (-(2**7), 2**7 - 1),
    "Edm.Int16": (-(2**15), 2**15 - 1),
    "Edm.Int32": (-(2**31), 2**31 - 1),
    "Edm.Int64": (-(2**63), 2**63 - 1),
}
_COLLECTION = b'"value"'
ABSENT = msgspec.UNSET
"""What a row that lacks an optional column has in its place."""


class MalformedPayloadError(ValueError):
    """The body is not an OData collection: cut off, HTML, or something else."""


class UnreadableRowError(ValueError):
    """A row lacks a column that steers the read, or holds a value of another type there."""


class _Rows(msgspec.Struct):
    value: list[msgspec.Raw]


_RAW_ROWS = msgspec.json.Decoder(_Rows)


class Page:
    """Rows of one answer.

    Attributes:
        body: the answer, valid JSON in UTF-8.
        rows: per row an object with the decoded columns; `column` is the way to them.
        next_link: the server's address of the next page, where it gives one.
        count: how many rows satisfy the query's conditions, where the server tells.
        is_typed: every checked column of every row was seen to be of its declared type.
    """

    def __init__(
        self,
        body: bytes,
        rows: Sequence[Any],
        fields: Mapping[str, str],
        next_link: object = None,
        count: object = None,
        is_typed: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        self.body = body
        self.rows = rows
        self.next_link = next_link if isinstance(next_link, str) else None
        self.count = count if isinstance(count, int) else None
        self.is_typed = is_typed
        self._fields = fields

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """One column's values in row order; `ABSENT` where a row lacks an optional column."""
        return list(map(attrgetter(self._fields[name]), self.rows))

    @cached_property
    def value(self) -> list[msgspec.Raw]:
        """The rows as raw JSON; costs a second pass over the body.

        Raises:
            UnreadableRowError: when they are not all that came.
        """
        if self.body.count(b'"value":[{') > 1:
            raise UnreadableRowError("an answer holds more than one collection")
        return _RAW_ROWS.decode(self.body).value


class PageDecoder:
    """Decodes some columns of a page and proves the types of others.

    Args:
        entity: the row's type.
        steering: columns that every row must have: a missing flag must not pass for "open".
        optional: columns to decode where a row has them.
        checked: columns whose values must be of their declared types where a row has them; a page
            that breaks this is decoded all the same, and says so in `is_typed`.
        raw: columns to keep as raw JSON; a row may lack them.
    """

    def __init__(
        self,
        entity: EntityType,
        steering: Iterable[str] = (),
        optional: Iterable[str] = (),
        checked: Iterable[str] = (),
        raw: Iterable[str] = (),
    ) -> None:
        self._entity = entity.name
        self._has_value = any(name == "value" for name in entity.columns)
        types = {name: python_type(entity.columns[name]) for name in steering}
        decoded = {
            name: python_type(entity.columns[name]) | msgspec.UnsetType
            for name in optional
            if name not in types
        }
        proved = {
            name: _cheapest_type(entity.columns[name]) | msgspec.UnsetType
            for name in checked
            if name not in types and name not in decoded
        }
        kept = {name: msgspec.Raw for name in raw if name not in {**types, **decoded, **proved}}
        every = (*types, *decoded, *proved, *kept)
        self._fields = {name: f"f{n}" for n, name in enumerate(every)}
        self._steering, self._optional, self._raw = types, {**decoded, **proved}, kept
        self._strict: Callable[[bytes], Any] | None = None
        self._lenient = self._decoder(types, decoded, {})
        self.shape: frozenset[str] = frozenset()
        """The columns that all rows have to have, because the first ones had them."""

    def _decoder(
        self, types: Mapping[str, Any], optional: Mapping[str, Any], raw: Mapping[str, Any]
    ) -> Callable[[bytes], Any]:
        fields: list[Any] = [
            (self._fields[name], kind, msgspec.field(name=name)) for name, kind in types.items()
        ]
        fields += [
            (self._fields[name], kind, msgspec.field(name=name, default=default))
            for group, default in ((optional, ABSENT), (raw, msgspec.Raw()))
            for name, kind in group.items()
        ]
        row = msgspec.defstruct("Row", fields, gc=False)
        answer = msgspec.defstruct(
            "Answer",
            [
                ("value", list[row]),  # type: ignore[valid-type]
                ("next_link", Any, msgspec.field(name="@odata.nextLink", default=None)),
                ("count", Any, msgspec.field(name="@odata.count", default=None)),
            ],
        )
        return msgspec.json.Decoder(answer).decode

    def __call__(self, body: bytes) -> Page:
        """Decode a body.

        Raises:
            MalformedPayloadError: when it is no OData collection at all.
            UnreadableRowError: when a row lacks a steering column, or has it in another type.
        """
        try:
            if not body.isascii():
                body.decode()
            try:
                return self._page(body, self._strictly(body), is_typed=True)
            except msgspec.ValidationError:
                return self._page(body, self._lenient(body), is_typed=False)
        except msgspec.ValidationError as error:
            if "`$.value[" in str(error):
                raise UnreadableRowError(f"a row of {self._entity}: {error}") from error
            raise MalformedPayloadError(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedPayloadError(str(error)) from error

    def _strictly(self, body: bytes) -> Any:  # noqa: ANN401
        """Rows of a set have the same columns; servers leave some out, but then of every row."""
        if self._strict is None:
            ends = list(ends_of(body))
            if not ends:
                return self._decoder(self._steering, self._optional, self._raw)(body)
            self.shape = frozenset().union(*ends).intersection(self._optional)
            present = {name: self._optional[name] for name in self.shape}
            others = {n: kind for n, kind in self._optional.items() if n not in present}
            self._strict = self._decoder({**self._steering, **present}, others, self._raw)
        return self._strict(body)

    def _page(self, body: bytes, answer: Any, *, is_typed: bool) -> Page:  # noqa: ANN401
        if not answer.value and body.count(_COLLECTION) > 1 and not self._has_value:
            raise MalformedPayloadError("it holds more than one collection")
        return Page(body, answer.value, self._fields, answer.next_link, answer.count, is_typed)


_OPENING = b'"value":[{'
_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def ends_of(body: bytes) -> Iterator[frozenset[str]]:
    """The columns of a page's first and last row; a name that no column has where unreadable."""
    opening = body.find(_OPENING) + len(_OPENING) - 1
    closing = body.rfind(b"}", 0, max(body.rfind(b"}"), 0))
    if opening < len(_OPENING) or closing < opening:
        return
    ends = [(opening, body.find(b"}", opening)), (body.rfind(b"{", 0, closing), closing)]
    for start, end in ends:
        try:
            yield frozenset(_cells(body[start : end + 1]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield frozenset({""})


def parse_page(body: bytes, decoder: PageDecoder | None = None) -> Page:
    """Read a collection's body; without a decoder no column is decoded.

    Raises:
        MalformedPayloadError: when it is no OData collection at all.
        UnreadableRowError: when a row cannot be read.
    """
    return (decoder or _NOTHING)(body)


def python_type(column: Column) -> Any:  # noqa: ANN401 - a type expression
    """The type that a cell of a column has in Python, for msgspec."""
    edm_type = column.edm_type
    if edm_type in _BITS:
        low, high = _BITS[edm_type]
        return Annotated[int, msgspec.Meta(ge=low, le=high)] | None
    if edm_type == "Edm.Decimal":
        return Decimal | None
    if edm_type in {"Edm.Double", "Edm.Single"}:
        return float | None
    return bool | None if edm_type == "Edm.Boolean" else str | None


def _cheapest_type(column: Column) -> Any:  # noqa: ANN401 - a type expression
    """Only proves the type; a Decimal would also accept a string."""
    return float | None if column.edm_type == "Edm.Decimal" else python_type(column)


_NOTHING = PageDecoder(EntityType("row", ()))
