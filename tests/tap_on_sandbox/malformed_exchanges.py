"""Answers of somebody else, headers, lengths, compression and lines that are none."""

from __future__ import annotations

import gzip
import json
import zlib
from random import Random

from malformed import (
    ALL,
    DATE,
    HTML,
    JSON,
    XML,
    Exchange,
    NotApplicableError,
    Reply,
    answer,
    head,
    is_json,
    kind,
)

SMALL_BOMB_MB, LARGE_BOMB_MB = 16, 200
_MEGABYTE = b" " * 1_000_000


_PAGES = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action='/login'></form>",
    b"<html><body><h1>It works!</h1></body></html>",
    b"<html>" + b"<div>" * 3000 + b"</html>",
    b'<script>{"value":[]}</script>',
)


@kind("an HTML page with status 200", *ALL, weight=2)
def _(rng: Random, _: Exchange) -> Reply:
    return answer(rng.choice(_PAGES), rng.choice([HTML, JSON, XML]))


@kind("a redirection", *ALL, weight=3)
def _(rng: Random, exchange: Exchange) -> Reply:
    status = rng.choice(["301 Moved", "302 Found", "303 See Other", "307 Temporary",
                         "308 Permanent",
                         "300 Multiple Choices", "304 Not Modified"])  # fmt: skip
    to = rng.choice(
        [exchange.trap + "/login", exchange.path, "", "http://[", "//", "\xff", "/login"]
    )
    body = b"" if status.startswith("304") else rng.choice(_PAGES)
    return answer(body, HTML, status, *rng.choice([(f"Location: {to}",), ()]))


@kind("a status that means something else", *ALL, weight=3)
def _(rng: Random, exchange: Exchange) -> Reply:
    status = rng.choice(["201 Created", "202 Accepted", "203 OK", "206 Partial Content", "299 Hm",
                         "418 Teapot", "402 Pay", "451 Law", "405 No", "406 No", "409 No", "413 No",
                         "414 No", "431 No", "600 No", "999 No", "511 Sign in",
                         "505 No"])  # fmt: skip
    body = rng.choice([exchange.body, b"", *_PAGES])
    return answer(body, exchange.content_type, status)


@kind("no content", *ALL)
def _(rng: Random, _: Exchange) -> Reply:
    return Reply(head(rng.choice(["204 No Content", "205 Reset"]), "Content-Length: 0"))


_ERRORS = (
    b'{"ErrorMessage":5}', b'{"error":[]}', b'{"error":{"message":{"value":"x"}}}', b"null", b"[]",
    b'{"ErrorMessage":null}', b'{"ErrorMessage":"' + b"x" * 100_000 + b'"}', b"[" * 10_000,
    b'{"error":' * 10_000, b"\xff\xfe", b"", b'{"ErrorMessage":"cut', b"<" * 300_000,
    b"<a" * 100_000, b"//" * 150_000, b"//a:" * 80_000, b"Basic " * 50_000, b"api-key=" * 40_000,
    b"Invalid API Key " * 20_000, b"\0" * 5000, rb'{"ErrorMessage":"\ud800"}',
    b"Bearer " + b"a" * 300_000,
    b'{"ErrorMessage":"line\\nStack trace (most recent) \\u001b[31m"}', b"api-key" + b" " * 300_000,
)  # fmt: skip


@kind("an error that explains itself badly", *ALL, weight=6)
def _(rng: Random, _: Exchange) -> Reply:
    status = rng.choice(["400 Bad", "401 No", "403 No", "404 No", "408 Late", "410 Gone",
                         "429 Slow",
                         "500 Oops", "502 Gate", "503 Later", "504 Late", "501 What"])  # fmt: skip
    return answer(rng.choice(_ERRORS), rng.choice([JSON, HTML, XML]), status)


@kind("an error that echoes secrets", *ALL, weight=3)
def _(rng: Random, exchange: Exchange) -> Reply:
    secret = rng.choice(exchange.secrets)
    text = rng.choice(
        [f"Invalid API Key {secret}", f"<p>{secret}</p>", f"api-key={secret}&x", f"x{secret}x",
         f"Authorization: Basic {secret}", "".join(f"{c}" for c in secret), f"{'y' * 290}{secret}",
         f"//manager:{secret}@host/"]
    )  # fmt: skip
    body = rng.choice([json.dumps({"ErrorMessage": text})[:-2], json.dumps({"error": text}), text])
    status = rng.choice(["400 Bad", "401 No", "403 No", "500 Oops", "503 Later", "418 Teapot"])
    return answer(body.encode(), JSON, status)


@kind("a wait that cannot be waited", *ALL, weight=4)
def _(rng: Random, _: Exchange) -> Reply:
    wait = rng.choice(["-1", "1e9", "1000000000", "soon", "\xb2", "9" * 400, "", " ", "NaN", "0x10",
                       "Wed, 99 Foo 2025 25:61:61 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "0.01",
                       "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 99999 23:59:59 GMT",
                       "Thu, 01 Jan 1970 00:00:00 GMT", "1" + "0" * 5000])  # fmt: skip
    status = rng.choice(["429 Slow", "503 Later"])
    return answer(b"", HTML, status, f"Retry-After: {wait}")


@kind("a Date that is none", *ALL, weight=4)
def _(rng: Random, exchange: Exchange) -> Reply:
    date = rng.choice(["today", "", "Mon, 31 Feb 2025 00:00:00 GMT", "0", "9" * 3000, "\xff\xfe",
                       "Mon, 01 Jan 0001 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +1400",
                       "Fri, 31 Dec 9999 23:59:59 -1400", "Wed, 01 Jan 2025 25:00:00 GMT",
                       "Wed, 01 Jan 2025 00:00:00 +9999", "Wed, 01 Jan 2025",
                       "2025-01-01T00:00:00Z",
                       "Wed, 01 Jan 99999 00:00:00 GMT", "Thu, 01 Jan 0099 00:00:00 GMT", ", , , ,",
                       "Thu, 01 Jan 1970 00:00:00 GMT", "Wed, 01 Jan 2025 00:00:00 -0000",
                       "Wed, 01 Jan 2025 00:00:00 +99999999999"])  # fmt: skip
    return answer(exchange.body, exchange.content_type, date=date)


@kind("headers beyond measure", *ALL, weight=2)
def _(rng: Random, exchange: Exchange) -> Reply:
    lines = rng.choice(
        [["X: " + "a" * 1_000_000], [f"X-{n}: {n}" for n in range(5000)], ["no colon here"],
         [": no name"], [" folded"], ["X: a\0b"], ["\xff: \xff"], ["X:" + " " * 100_000]]
    )  # fmt: skip
    return answer(exchange.body, exchange.content_type, "200 OK", *lines)


@kind("a charset that does not fit", *ALL)
def _(rng: Random, exchange: Exchange) -> Reply:
    kind_of = rng.choice(["application/json; charset=martian", "", ";;;",
                          "text/html; charset=utf-16",
                          "multipart/mixed", "\xff", "a" * 60_000])  # fmt: skip
    return answer(exchange.body, kind_of)


def _plain(exchange: Exchange, *lines: str) -> bytes:
    return head("200 OK", f"Date: {DATE}", f"Content-Type: {exchange.content_type}", *lines)


@kind("a length that is too long", *ALL, weight=2)
def _(rng: Random, exchange: Exchange) -> Reply:
    longer = len(exchange.body) + rng.choice([1, 2, 100, 10_000_000, 10**15])
    then = rng.choices(["close", "reset", "stall"], [6, 4, 1])[0]
    return Reply(_plain(exchange, f"Content-Length: {longer}") + exchange.body, then)


@kind("a length that is too short", *ALL, weight=2)
def _(rng: Random, exchange: Exchange) -> Reply:
    shorter = rng.randrange(max(1, len(exchange.body)))
    if exchange.what == "count" or is_json(exchange.body[:shorter]):
        shorter = 0
    then = rng.choice(["keep", "close"])
    return Reply(_plain(exchange, f"Content-Length: {shorter}") + exchange.body, then)


@kind("a length that is none", *ALL, weight=2)
def _(rng: Random, exchange: Exchange) -> Reply:
    length = rng.choice(["-1", "abc", "1e3", "0x10", "", "5, 6", "\xb2", "9" * 400, "+5"])
    cut = exchange.body[: rng.choice([0, 1, len(exchange.body)])]
    return Reply(_plain(exchange, f"Content-Length: {length}") + cut, "close")


@kind("chunks that are cut or none", *ALL, weight=5)
def _(rng: Random, exchange: Exchange) -> Reply:
    body = exchange.body
    half = len(body) // 2
    first = b"%x\r\n%s\r\n" % (half, body[:half])
    whole = first + b"%x\r\n%s\r\n" % (len(body) - half, body[half:])
    chunks = rng.choice(
        [first, first[:-3], whole, whole + b"0\r\n", b"zz\r\n" + body, b"-5\r\n" + body, b"",
         b"ffffffffffffffff\r\n" + body, whole + b"0\r\nX: y",
         b"%x\r\n" % half + body + b"\r\n0\r\n\r\n",
         first + b"\r\n" + body[half:], b"%x;%s\r\n" % (len(body), b"x" * 70_000) + body,
         first + b"0x5\r\n",
         b"9" * 5000 + b"\r\n"]
    )  # fmt: skip
    if half == 0:
        raise NotApplicableError
    return Reply(_plain(exchange, "Transfer-Encoding: chunked") + chunks, "close")


@kind("compression that is none", *ALL, weight=5)
def _(rng: Random, exchange: Exchange) -> Reply:
    packed = gzip.compress(exchange.body, 1)
    body = rng.choice(
        [packed[: rng.randrange(len(packed))], rng.randbytes(200), exchange.body, b"\x1f\x8b",
         packed[:-4] + b"\0\0\0\1", packed[:-8] + b"\1\2\3\4" + packed[-4:], packed[2:],
         packed[:20] + bytes([packed[20] ^ 255]) + packed[21:]]
    )  # fmt: skip
    coding = rng.choices(["gzip", "deflate", "br", "zstd", "gzip, gzip", "x"], [10, 1, 1, 1, 1, 1])[
        0
    ]
    lines = (f"Content-Encoding: {coding}", f"Content-Length: {len(body)}")
    return Reply(_plain(exchange, *lines) + body)


@kind("a small gzip bomb", "rows", "metadata", "token", weight=0.3)
def _(rng: Random, exchange: Exchange) -> Reply:
    return _bomb(exchange, SMALL_BOMB_MB, rng.choice([b"", exchange.body]))


@kind("a large gzip bomb", "rows", "metadata", "token", weight=0)
def _(rng: Random, exchange: Exchange) -> Reply:
    return _bomb(exchange, LARGE_BOMB_MB, rng.choice([b"", exchange.body]))


def _bomb(exchange: Exchange, megabytes: int, behind: bytes) -> Reply:
    """Blanks by the megabyte, and perhaps the answer behind them."""
    packer = zlib.compressobj(1, wbits=31)
    packed = b"".join(packer.compress(_MEGABYTE) for _ in range(megabytes))
    packed += packer.compress(behind) + packer.flush()
    lines = ("Content-Encoding: gzip", f"Content-Length: {len(packed)}")
    return Reply(_plain(exchange, *lines) + packed)


@kind("a status line that is none", *ALL, weight=4)
def _(rng: Random, exchange: Exchange) -> Reply:
    rubbish = [exchange.body, b"HTTP/0.9 200\r\n\r\n", b"HTTP/1.1\r\n\r\n",
               b"HTTP/1.1 abc OK\r\n\r\n",
               b"ICY 200 OK\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"\0" * 1000,
               b"\r\n\r\n\r\n",
               b"HTTP/1.1 -5 OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n",
               b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 100_000,
               b"220 smtp ready\r\n", rng.randbytes(300),
               b"HTTP/1.1 2\xb20 OK\r\n\r\n"]  # fmt: skip
    return Reply(rng.choice(rubbish), "close")


@kind("answers in between", *ALL, weight=3)
def _(rng: Random, exchange: Exchange) -> Reply:
    between = rng.choice(
        ["100 Continue", "102 Processing", "103 Early Hints", "101 Upgrade", "199 Hm"]
    )
    many = rng.choice([1, 1, 5, 20_000])
    good = answer(exchange.body, exchange.content_type).data
    return Reply(head(between) * many + rng.choice([good, b""]), rng.choice(["keep", "close"]))


@kind("two answers to one request", *ALL, weight=2)
def _(rng: Random, exchange: Exchange) -> Reply:
    good = answer(exchange.body, exchange.content_type).data
    second = rng.choice([good, answer(b'{"value":[]}').data, answer(b"0", "text/plain").data])
    return Reply(good + second)


@kind("a connection that breaks", *ALL, weight=5)
def _(rng: Random, exchange: Exchange) -> Reply:
    good = answer(exchange.body, exchange.content_type).data
    stages = [0, rng.randrange(1, 12), good.index(b"\r\n\r\n"), good.index(b"\r\n\r\n") + 4]
    stages.append(rng.randrange(min(stages[-1], len(good) - 1), len(good)))
    then = rng.choices(["close", "reset", "stall"], [6, 8, 1])[0]
    return Reply(good[: rng.choice(stages)], then)


@kind("an answer that drips", "rows", weight=0.4)
def _(_: Random, exchange: Exchange) -> Reply:
    return Reply(answer(exchange.body, exchange.content_type).data, "close", drip_seconds=12)
