"""A page of rows out of a response body, each row kept as the server's own bytes."""

from __future__ import annotations

import msgspec


class MalformedPayloadError(ValueError):
    """The body is not an OData collection: cut off, HTML, or something else."""


class Page(msgspec.Struct, frozen=True):
    """Rows as raw JSON: numbers keep every digit because nobody has read them yet."""

    value: list[msgspec.Raw]
    next_link: str | None = msgspec.field(name="@odata.nextLink", default=None)


_PAGE = msgspec.json.Decoder(Page)


def parse_page(body: bytes) -> Page:
    """Read a collection's body.

    Raises:
        MalformedPayloadError: when the body is anything else.
    """
    try:
        return _PAGE.decode(body)
    except msgspec.DecodeError as error:  # ValidationError is one, too
        raise MalformedPayloadError(str(error)) from error
