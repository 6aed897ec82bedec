"""A page of rows out of a response body, kept as the server's own bytes.

One pass over the body decodes the columns that steer a read; what is sent later is the body itself,
so that numbers keep every digit.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from .metadata import EntityType

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from .metadata import Column

_BITS = {
    "Edm.Byte": (0, 2**8 - 1),
    "Edm.SByte": (-(2**7), 2**7 - 1),
    "Edm.Int16": (-(2**15), 2**15 - 1),
    "Edm.Int32": (-(2**31), 2**31 - 1),
    "Edm.Int64": (-(2**63), 2**63 - 1),
}
_COLLECTION = b'"value"'
_MANY = 16
"""Columns to decode from which on it is cheaper to decode all that is read: a name that a decoder
does not know is compared with every name that it does."""
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
    """

    def __init__(
        self,
        body: bytes,
        rows: Sequence[Any],
        fields: Mapping[str, str],
        next_link: object = None,
        count: object = None,
    ) -> None:
        self.body = body
        self.rows = rows
        self.next_link = next_link if isinstance(next_link, str) else None
        self.count = count if isinstance(count, int) else None
        self.waited_seconds = 0.0
        """How long the answer took, from the request to its last byte."""
        self._fields = fields
        self._columns: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """One column's values in row order; `ABSENT` where a row lacks an optional column."""
        if name not in self._columns:
            self._columns[name] = list(map(attrgetter(self._fields[name]), self.rows))
        return self._columns[name]

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
    """Decodes some columns of a page in one pass over its body, which also proves that it is JSON.

    Args:
        entity: the row's type.
        steering: columns that every row must have: a missing flag must not pass for "open".
        optional: columns to decode where a row has them.
        raw: columns to keep as raw JSON, whatever their type; a row may lack them.
        moments: columns to decode as `datetime`, to see that they are times and of which zone;
            where one is written in an unusual way, the page has texts in their place.
        read: all columns that somebody reads; where it is cheaper, they are decoded, too.
    """

    def __init__(
        self,
        entity: EntityType,
        steering: Iterable[str] = (),
        optional: Iterable[str] = (),
        raw: Iterable[str] = (),
        moments: Iterable[str] = (),
        read: Iterable[str] = (),
    ) -> None:
        self._entity = entity.name
        self._has_value = any(name == "value" for name in entity.columns)
        required = {name: python_type(entity.columns[name]) for name in steering}
        sometimes = {name: python_type(entity.columns[name]) for name in (*moments, *optional)}
        texts = {
            **dict.fromkeys(raw, msgspec.Raw),
            **{name: kind | msgspec.UnsetType for name, kind in sometimes.items()},
            **required,
        }
        times = dict.fromkeys(moments, datetime | None | msgspec.UnsetType)
        self._fields = {name: f"f{n}" for n, name in enumerate({**dict.fromkeys(read), **texts})}
        decoded = {**texts, **times, **required}
        if len(texts) >= _MANY:
            rest = {name: cheapest_type(entity.columns[name]) for name in read}
            # In the order in which rows have them, each name is found at the first look.
            decoded = {name: {**rest, **decoded}[name] for name in self._fields}
        self._decode = self._decoder(decoded, required)
        self._decode_texts = self._decoder(texts, required)

    def _decoder(
        self, types: Mapping[str, Any], required: Container[str]
    ) -> Callable[[bytes], Any]:
        fields: list[Any] = []
        for name in types:
            field = self._fields[name]
            options: dict[str, Any] = {"name": name}
            if name not in required:
                options["default"] = msgspec.Raw() if types[name] is msgspec.Raw else ABSENT
            fields.append((field, types[name], msgspec.field(**options)))
        row = msgspec.defstruct("Row", fields, gc=False, kw_only=True)
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
            UnreadableRowError: when a row lacks a steering column, or has one in another type.
        """
        try:
            if not body.isascii():
                body.decode()
            try:
                answer = self._decode(body)
            except msgspec.ValidationError:  # times and decimals can be written in many ways
                answer = self._decode_texts(body)
        except msgspec.ValidationError as error:
            if "`$.value[" in str(error):
                raise UnreadableRowError(f"a row of {self._entity}: {error}") from error
            raise MalformedPayloadError(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedPayloadError(str(error)) from error
        if not answer.value and body.count(_COLLECTION) > 1 and not self._has_value:
            raise MalformedPayloadError("it holds more than one collection")
        return Page(body, answer.value, self._fields, answer.next_link, answer.count)


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


def cheapest_type(column: Column) -> Any:  # noqa: ANN401 - a type expression
    """Only proves the type; a Decimal would also accept a string."""
    return float | None if column.edm_type == "Edm.Decimal" else python_type(column)


_NOTHING = PageDecoder(EntityType("row", ()))
