"""JSON that is none, and pages whose rows or cells are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote

import msgspec
from malformed import Exchange, NotApplicableError, is_json, kind


def broken(rng: Random, body: bytes, damage: Callable[[Random, bytes, int], bytes]) -> bytes:
    """Damage until it is no JSON; whatever is still JSON might be a valid other value."""
    for _ in range(200):
        damaged = damage(rng, body, rng.randrange(max(1, len(body))))
        if not is_json(damaged):
            return damaged
    raise NotApplicableError


@kind("JSON cut off", "rows", "token", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    return broken(rng, exchange.body, lambda _, body, at: body[:at])


@kind("JSON with a byte flipped", "rows", "token", weight=4)
def _(rng: Random, exchange: Exchange) -> bytes:
    def flip(rng: Random, body: bytes, at: int) -> bytes:
        return body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :]

    return broken(rng, exchange.body, flip)


@kind("JSON with a byte inserted", "rows", "token", weight=4)
def _(rng: Random, exchange: Exchange) -> bytes:
    def insert(rng: Random, body: bytes, at: int) -> bytes:
        return body[:at] + bytes([rng.randrange(256)]) + body[at:]

    return broken(rng, exchange.body, insert)


@kind("JSON with bytes deleted", "rows", "token", weight=3)
def _(rng: Random, exchange: Exchange) -> bytes:
    return broken(
        rng, exchange.body, lambda rng, body, at: body[:at] + body[at + rng.randint(1, 9) :]
    )


@kind("JSON with a piece doubled", "rows", "token", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    def double(rng: Random, body: bytes, at: int) -> bytes:
        end = at + rng.randint(1, 80)
        return body[:end] + body[at:end] + body[end:]

    return broken(rng, exchange.body, double)


@kind("JSON nested wrongly", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    def nest(rng: Random, body: bytes, _: int) -> bytes:
        places = [n for n, byte in enumerate(body) if byte in b"[]{}"]
        at = rng.choice(places)
        return body[:at] + bytes([rng.choice(b"[]{}")]) + body[at + 1 :]

    return broken(rng, exchange.body, nest)


@kind("rubbish behind the JSON", "rows", "token")
def _(rng: Random, exchange: Exchange) -> bytes:
    behind = [b"}", b"]", b",", b"null", exchange.body, b"\0", b"<html>", b"\xff"]
    return exchange.body + rng.choice(behind)


@kind("nothing but blanks", "rows", "token", "metadata", "count")
def _(rng: Random, _: Exchange) -> bytes:
    return rng.choice([b"", b" ", b"\r\n\r\n", b" " * 5000, b"\0", b"\t\n"])


@kind("scalars instead of an object", "rows", "token", "metadata", "count")
def _(rng: Random, _: Exchange) -> bytes:
    return rng.choice([b"null", b"true", b'"value"', b"[]", b"{}", b"[{}]", b"-", b"NaN", b"0.5"])


@kind("ten thousand brackets", "rows", "token", "metadata", "count")
def _(rng: Random, _: Exchange) -> bytes:
    opening, closing = rng.choice([(b"[", b"]"), (b'{"value":', b"}"), (b'[{"a":', b"}]")])
    return opening * 10_000 + rng.choice([b"", b"1" + closing * 10_000])


@kind("a byte order mark", "rows", "token", "metadata", "count")
def _(_: Random, exchange: Exchange) -> bytes:
    return b"\xef\xbb\xbf" + exchange.body


@kind("UTF-16 instead of UTF-8", "rows", "token", "count")
def _(rng: Random, exchange: Exchange) -> bytes:
    return exchange.body.decode().encode(rng.choice(["utf-16", "utf-16-le", "utf-32"]))


@kind("another collection of members", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    page = Page(exchange.body)
    value = rng.choice(
        [None, b"null", b"{}", b"0", b'"rows"', b"true", b"[[]]", b"[null]", b"[1,2]", b'["a"]',
         b'{"value":[]}']
    )  # fmt: skip
    page.envelope.pop("value")
    if value is not None:
        page.envelope["value"] = value
    return page.raw_encode()


@kind("the member of rows twice", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    page = Page(exchange.body)
    if not page.rows:
        raise NotApplicableError
    other = rng.choice([b'"value":[]', b'"value":null', b'"value":{}', b'"value":[[]]'])
    if rng.random() < 0.5:
        return b"{" + other + b"," + exchange.body[1:]
    return exchange.body[:-1] + b"," + other + b"}"


@kind("an OData error with status 200", "rows", "metadata", "token", "count")
def _(rng: Random, _: Exchange) -> bytes:
    return rng.choice(
        [
            b'{"error":{"code":"","message":"An error has occurred."}}',
            b'{"HttpStatus":500,"ReasonPhrase":"x","ErrorMessage":"Sequence contains no elements"}',
            b'{"odata.error":{"code":"x","message":{"lang":"en","value":"no"}}}',
            b'{"error":{"code":"x","message":"half"},"value":null}',
        ]
    )


class Page:
    """A page taken apart without touching a cell's bytes."""

    def __init__(self, body: bytes) -> None:
        self.envelope = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        self.rows = msgspec.json.decode(
            self.envelope["value"], type=list[dict[str, msgspec.Raw]]
        )  # fmt: skip

    def raw_encode(self) -> bytes:
        members = [_name(name) + bytes(raw) for name, raw in self.envelope.items()]
        return b"{" + b",".join(members) + b"}"

    def encode(self, *replaced: tuple[int, bytes]) -> bytes:
        """The page again; `replaced` gives whole rows by index."""
        rows = [encode_row(row) for row in self.rows]
        for index, row in replaced:
            rows[index] = row
        self.envelope["value"] = msgspec.Raw(b"[" + b",".join(rows) + b"]")
        return self.raw_encode()


def encode_row(row: dict[str, Any]) -> bytes:
    return b"{" + b",".join(_name(name) + bytes(raw) for name, raw in row.items()) + b"}"


def _name(name: str) -> bytes:
    return json.dumps(name).encode() + b":"


@dataclass
class Cell:
    """A cell of a page, to be replaced."""

    page: Page
    index: int
    column: str
    edm_type: str
    raw: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.raw = bytes(self.page.rows[self.index][self.column])

    def holding(self, raw: bytes) -> bytes:
        self.page.rows[self.index][self.column] = msgspec.Raw(raw)
        return self.page.encode()


def cells(exchange: Exchange, *types: str, null: bool = False) -> list[Cell]:
    """The cells of a page that are of these types, any type where none is named."""
    page, columns = Page(exchange.body), exchange.facts.columns
    return [
        Cell(page, index, name, columns[name].type)
        for index, row in enumerate(page.rows)
        for name, raw in row.items()
        if name in columns
        and (not types or columns[name].type in types)
        and (null or bytes(raw) != b"null")
    ]


def one_of(rng: Random, found: list[Cell]) -> Cell:
    if not found:
        raise NotApplicableError
    return rng.choice(found)


def steering(exchange: Exchange) -> set[str]:
    """Key, row version and flag: what decides which rows are read."""
    facts = exchange.facts
    own = {facts.closed} if facts.closed else set()
    stamps = {name for name in ("UpdatedOn", "SysRevID") if name in facts.columns}
    return {*facts.key, *own, *stamps}


NUMBERS = ("Edm.Int32", "Edm.Int64", "Edm.Int16", "Edm.Decimal", "Edm.Double")
INTEGERS = ("Edm.Int32", "Edm.Int64", "Edm.Int16")
_STRUCTURES = (b"[]", b"{}", b"[1]", b'{"a":1}', b"[[[]]]", b"[null]")
WRONG = {
    "Edm.String": (b"12", b"true", b"1.5", *_STRUCTURES),
    "Edm.Boolean": (b"0", b"1", b'"true"', b'"false"', b'""', b"2", *_STRUCTURES),
    "Edm.Guid": (b"12", b"true", *_STRUCTURES),
    "Edm.DateTimeOffset": (b"20250101", b"true", b'{"year":2025}', *_STRUCTURES),
    "Edm.Binary": (b"12", b"true", *_STRUCTURES),
    **dict.fromkeys(
        NUMBERS, (b'"abc"', b'""', b"true", b"false", b'"NaN"', b'"1,5"', *_STRUCTURES)
    ),
}


@kind("a cell of a wrong type", "rows", weight=6)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, *WRONG))
    return cell.holding(rng.choice(WRONG[cell.edm_type]))


@kind("a steering cell of a wrong type", "rows", weight=4)
def _(rng: Random, exchange: Exchange) -> bytes:
    names = steering(exchange)
    cell = one_of(rng, [c for c in cells(exchange, *WRONG) if c.column in names])
    return cell.holding(rng.choice(WRONG[cell.edm_type]))


@kind("a number as text", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, *NUMBERS))
    return cell.holding(b'"' + cell.raw + b'"')


@kind("a null in a key", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    key = exchange.facts.key
    return one_of(rng, [c for c in cells(exchange) if c.column in key]).holding(b"null")


@kind("a number beyond its type", "rows", weight=3)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, *NUMBERS))
    beyond = {
        "Edm.Int32": (b"2147483648", b"-2147483649", b"9223372036854775808", b"1" + b"0" * 400),
        "Edm.Int64": (b"9223372036854775808", b"-9999999999999999999", b"1" + b"0" * 400),
        "Edm.Double": (b"1e999", b"-1e999", b"1" + b"0" * 400),
        "Edm.Decimal": (b"1" + b"0" * 400, b"1e400", b"1e999999999"),
    }
    return cell.holding(rng.choice(beyond[cell.edm_type]))


@kind("a fraction in an integer", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, *INTEGERS))
    return cell.holding(cell.raw + rng.choice([b".5", b".0000001", b"e-30"]))


@kind("the same integer spelt otherwise", "rows")
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, [c for c in cells(exchange, *INTEGERS) if c.raw != b"0"])
    return cell.holding(cell.raw + rng.choice([b".0", b"e0", b".000E+0"]))


@kind("a negative zero", "rows")
def _(rng: Random, exchange: Exchange) -> bytes:
    found = [c for c in cells(exchange, *NUMBERS) if float(c.raw) == 0]
    return one_of(rng, found).holding(rng.choice([b"-0", b"-0.0", b"0e5"]))


@kind("a number that JSON does not have", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, *NUMBERS))
    none = [b"NaN", b"Infinity", b"-Infinity", b"nan", b"01", b"+1", b".5", b"5.", b"0x1f", b"1e",
            b"1_000", b"--1", b"-", b"1.2.3", "\u0661".encode(), b"00", b"-01", b"1e+"]  # fmt: skip
    return cell.holding(rng.choice(none))


@kind("ten thousand brackets in a cell", "rows")
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange))
    return cell.holding(b"[" * 10_000 + b"]" * 10_000)


@kind("text that is not Unicode", "rows", weight=4)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, "Edm.String"))
    bad = [rb"\ud800", rb"\udc00\ud800", b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf5\x80\x80\x80",
           b"\xc0\x80", b"\xe2\x82", rb"\udfff"]  # fmt: skip
    return cell.holding(_spoil(rng, cell.raw, rng.choice(bad)))


@kind("text with a bare control character or escape", "rows", weight=3)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, "Edm.String"))
    bad = [b"\0", b"\n", b"\x1f", rb"\x41", rb"\u12g", rb"\u00zz", rb"\'", b"\t", b"\r", b"\\ "]
    return cell.holding(_spoil(rng, cell.raw, rng.choice(bad)))


def _spoil(rng: Random, raw: bytes, bad: bytes) -> bytes:
    at = rng.choice([1, len(raw) - 1])
    return raw[:at] + bad + raw[at:]


@kind("a date that is none", "rows", weight=4)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, "Edm.DateTimeOffset"))
    none = ["2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "0000-01-01T00:00:00Z",
            "2025-01-01T24:30:00Z", "2025-01-01T00:61:00Z", "2025-01-01T00:00:00+99:99",
            "2025-01-01T00:00:00+24:00", "yesterday", "2025", "01/02/2025", "/Date(1735689600000)/",
            "2025-01-01T00:00:00ZZ", "Z", "2025-01-01T00:00:00.Z", "nullZ", "12025-01-01T00:00:00Z",
            "2025-1-1T0:0:0Z", "2025-01-01T00:00:00 GMT",
            "\u0662\u0660\u0662\u0665-01-01T00:00:00Z", "-2025-01-01T00:00:00Z",
            "2025-01-01T00:00:00.\u0661Z", "2025-W01-1", "null"]  # fmt: skip
    return cell.holding(f'"{rng.choice(none)}"'.encode())


@kind("a replication key that is no date", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, [c for c in cells(exchange) if c.column == "UpdatedOn"])
    none = [b'"2025-13-01T00:00:00Z"', b'"9999-99-99T00:00:00Z"', b'"0000-00-00T00:00:00"', b'"x"']
    return cell.holding(rng.choice(none))


@kind("a GUID that is none", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange, "Edm.Guid"))
    none = [b'"not-a-guid"', cell.raw[:-3] + b'"', cell.raw[:-2] + b'g"', b'"EPIC06"', b'"0"',
            b'" "',
            cell.raw[:-1] + b'00"', b'"' + b"-" * 36 + b'"']  # fmt: skip
    return cell.holding(rng.choice(none))


@kind("a row version that is none", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, [c for c in cells(exchange) if c.column == "SysRevID"])
    none = [
        cell.raw + b".5",
        b'"' + cell.raw + b'"',
        b'"0x10"',
        b"[]",
        b"true",
        cell.raw + b"0" * 20,
    ]
    return cell.holding(rng.choice(none))


@kind("a row without a steering column", "rows", weight=3)
def _(rng: Random, exchange: Exchange) -> bytes:
    names = steering(exchange)
    cell = one_of(rng, [c for c in cells(exchange, null=True) if c.column in names])
    del cell.page.rows[cell.index][cell.column]
    return cell.page.encode()


@kind("a row without a column", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    cell = one_of(rng, cells(exchange))
    del cell.page.rows[cell.index][cell.column]
    return cell.page.encode()


@kind("a row that is no object", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    page = Page(exchange.body)
    if not page.rows:
        raise NotApplicableError
    none = [b"null", b"1", b'"row"', b"[]", b"true", b"{}", b'[{"a":1}]']
    return page.encode((rng.randrange(len(page.rows)), rng.choice(none)))


@kind("a row twice", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    page = Page(exchange.body)
    if not page.rows:
        raise NotApplicableError
    row = rng.choice(page.rows)
    page.rows.insert(rng.randint(0, len(page.rows)), row)
    return page.encode()


@kind("rows out of order", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    page = Page(exchange.body)
    if len(page.rows) < 2:
        raise NotApplicableError
    before = list(page.rows)
    while page.rows == before:
        rng.shuffle(page.rows)
    return page.encode()


@kind("the page before once more", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    page = Page(exchange.body)
    before = Page(exchange.previous or b'{"value":[]}')
    if not before.rows or not _follows(exchange, before.rows[-1]):
        raise NotApplicableError
    page.rows = before.rows + (page.rows if rng.random() < 0.5 else [])
    return page.encode()


def _follows(exchange: Exchange, last: dict[str, Any]) -> bool:
    """Whether this page was asked for behind that row: any other page could pass for this one."""
    query = unquote(exchange.path)
    keys = ["SysRevID"] if "SysRevID gt" in query else exchange.facts.key
    literals = [str(msgspec.json.decode(last[name])) for name in keys if name in last]
    return "$skip=" in query or (" gt " in query and literals != [] and literals[-1] in query)


@kind("a next link that leads nowhere", "rows", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    link = rng.choice(
        [json.dumps(exchange.trap + "/steal"), json.dumps(exchange.path), "1", "{}", "[]", "true",
         '""', '"\\u0000"', "null", '"file:///etc/passwd"', '"//"', '"http://["', '"?$skip=-1"']
    )  # fmt: skip
    return exchange.body[:-1] + b',"@odata.nextLink":' + link.encode() + b"}"


@kind("a count in the page that is none", "rows")
def _(rng: Random, exchange: Exchange) -> bytes:
    none = [b'"many"', b"-5", b"1e99", b"null", b"[]", b"{}", b"1.5", b"9" * 400]
    return b'{"@odata.count":' + rng.choice(none) + b"," + exchange.body[1:]
