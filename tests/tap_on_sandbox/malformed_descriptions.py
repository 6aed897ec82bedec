"""Counts, $metadata and tokens that are none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random

from malformed import HTML, JSON, XML, Exchange, NotApplicableError, Reply, answer, kind


@kind("a count that is none", "count", weight=3)
def _(rng: Random, _: Exchange) -> Reply:
    none = ["-1", "many", "\u00b2", "9" * 5000, "1e5", "1.5", "0x10", "\u0663", "1 2", "+7", "NaN",
            "<html>7</html>", '{"@odata.count":7}', "\ufeff7", "7\0"]  # fmt: skip
    return answer(rng.choice(none).encode(), rng.choice(["text/plain", HTML, JSON]))


def _xml(change: Callable[[Random, str], str]) -> Callable[[Random, Exchange], bytes]:
    return lambda rng, exchange: change(rng, exchange.body.decode()).encode()


@kind("XML cut off", "metadata", weight=3)
def _(rng: Random, exchange: Exchange) -> bytes:
    return exchange.body[: rng.randrange(1, exchange.body.rindex(b"<"))]


@kind("XML with a tag broken", "metadata", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    at = rng.choice([m.start() for m in re.finditer(rb"[<>]", exchange.body)])
    return (
        exchange.body[:at]
        + rng.choice([b"<<", b"", b"\0", b"&", b"\xff"])
        + exchange.body[at + 1 :]
    )


@kind("XML that defines entities", "metadata", weight=2)
def _(rng: Random, exchange: Exchange) -> bytes:
    laughs = b'<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12)
    )
    entities = rng.choice(
        [laughs, b'<!ENTITY m SYSTEM "file:///etc/passwd">', b'<!ENTITY % p SYSTEM "http://[">']
    )
    _, _, rest = exchange.body.partition(b"?>")
    rest = rest or exchange.body
    named = rng.choice([rest, rest.replace(b"<edmx:DataServices", b"&m;<edmx:DataServices", 1)])
    return b'<?xml version="1.0"?><!DOCTYPE x [' + entities + b"]>" + named


@kind("XML in an encoding that does not exist", "metadata")
def _(rng: Random, exchange: Exchange) -> bytes:
    name = rng.choice(["martian", "utf-16", "utf-7", "", "\u0000", "utf-8\u00e9", "rot13", "idna"])
    _, _, rest = exchange.body.partition(b"?>")
    return f'<?xml version="1.0" encoding="{name}"?>'.encode() + (rest or exchange.body)


@kind("XML nested very deep", "metadata")
def _(rng: Random, exchange: Exchange) -> bytes:
    deep = rng.choice([10_000, 100_000])
    if rng.random() < 0.5:
        return b"<a>" * deep + b"</a>" * deep
    at = exchange.body.rindex(b"</edmx:Edmx>")
    return exchange.body[:at] + b"<a>" * deep + b"</a>" * deep + exchange.body[at:]


@kind("another document instead of $metadata", "metadata", weight=2)
def _(rng: Random, _: Exchange) -> bytes:
    edmx = b'<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">%s'
    return rng.choice(
        [
            b"<html><body>Sign in</body></html>",
            b'{"$Version":"4.0","$EntityContainer":"Erp"}',
            b"<?xml version='1.0'?><service/>",
            b"<Edmx/>",
            edmx % b"</edmx:Edmx>",
            edmx % b"<edmx:DataServices/></edmx:Edmx>",
            b"<Edmx><Schema/></Edmx>",
            b"<Edmx><EntitySet/></Edmx>",
            b'<Edmx><EntitySet Name="Parts" EntityType=""/></Edmx>',
        ]
    )


@kind("another service's $metadata", "metadata")
@_xml
def _(_: Random, text: str) -> str:
    return re.sub(r'(<EntitySet [^>]*Name=")', r"\1Other", text)


@kind("$metadata without the types of its sets", "metadata", weight=2)
@_xml
def _(rng: Random, text: str) -> str:
    if rng.random() < 0.5:
        return re.sub(r"<EntityType .*?</EntityType>", "", text, flags=re.DOTALL)
    return re.sub(
        r'EntityType="[^"]*"', f'EntityType="{rng.choice(["", ".", "Erp", "a.b.c"])}"', text
    )


@kind("$metadata whose key names no column", "metadata", weight=2)
@_xml
def _(rng: Random, text: str) -> str:
    names = re.findall(r'<PropertyRef Name="([^"]*)"', text)
    wrong = rng.choice(["Nowhere", "", "company", "\u00e9"])
    return text.replace(f'<PropertyRef Name="{rng.choice(names)}"', f'<PropertyRef Name="{wrong}"')


@kind("$metadata without a key", "metadata")
@_xml
def _(rng: Random, text: str) -> str:
    instead = rng.choice(["", "<Key/>", "<Key><PropertyRef/></Key>"])
    return re.sub(r"<Key>.*?</Key>", instead, text, flags=re.DOTALL)


@kind("$metadata with a column of two types", "metadata", weight=2)
@_xml
def _(rng: Random, text: str) -> str:
    found = rng.choice(re.findall(r'<Property Name="[^"]*"', text))
    other = rng.choice(["Edm.String", "Edm.Int32", "Edm.Boolean", "Edm.DateTimeOffset"])
    twice = f'{found} Type="{other}"/>'
    at = text.index(found)
    end = text.index("</EntityType>", at)
    return text[:end] + twice + text[end:]


@kind("$metadata with an unknown type", "metadata", weight=2)
@_xml
def _(rng: Random, text: str) -> str:
    unknown = rng.choice(
        [
            "Edm.Geography",
            "Edm.Int128",
            "",
            "Collection(Edm.String)",
            "Erp.Thing",
            "edm.string",
            "Edm.",
        ]
    )
    at = rng.choice([m.start() for m in re.finditer(r'Type="Edm\.', text)])
    return text[:at] + re.sub(r'Type="[^"]*"', f'Type="{unknown}"', text[at:], count=1)


@kind("$metadata with another type than the rows have", "metadata", weight=3)
@_xml
def _(rng: Random, text: str) -> str:
    found = [m for m in re.finditer(r'Type="(Edm\.[^"]*)"', text) if m[1] != "Edm.Guid"]
    chosen = rng.choice(found)
    others = {"Edm.Int32", "Edm.Boolean", "Edm.DateTimeOffset", "Edm.Decimal", "Edm.Date"}
    if chosen[1] != "Edm.String" and rng.random() < 0.5:
        others = {"Edm.String"}
    other = rng.choice(sorted(others - {chosen[1]}))
    return text[: chosen.start()] + f'Type="{other}"' + text[chosen.end() :]


@kind("$metadata with impossible facets", "metadata", weight=2)
@_xml
def _(rng: Random, text: str) -> str:
    facet = rng.choice(["variable", "\u00b2", "9" * 5000, "-1", "1e3", "", "0", "\u0663"])
    names = [name for name in ("Precision", "Scale") if f'{name}="' in text]
    if not names:
        raise NotApplicableError
    return re.sub(rf'{rng.choice(names)}="\d+"', lambda m: m[0].split("=")[0] + f'="{facet}"', text)


@kind("$metadata whose types inherit from each other", "metadata")
@_xml
def _(rng: Random, text: str) -> str:
    names = re.findall(r'<EntityType Name="([^"]*)"', text)
    space = re.findall(r'<Schema [^>]*Namespace="([^"]*)"', text)[0]
    base = f"{space}.{rng.choice([*names, 'Nothing'])}"
    return re.sub(r'(<EntityType Name="[^"]*")', rf'\1 BaseType="{base}"', text)


@kind("$metadata with a column that the tap adds itself", "metadata")
@_xml
def _(rng: Random, text: str) -> str:
    name = rng.choice(["_epicor_company", "_sdc_deleted_at", "_epicor_run_id"])
    return text.replace(
        "</EntityType>", f'<Property Name="{name}" Type="Edm.String"/></EntityType>'
    )


@kind("a token that is none", "token", weight=4)
def _(rng: Random, exchange: Exchange) -> bytes:
    token = rng.choice(
        [None, 5, "", [], {}, True, "two\r\nlines: x", "\u0442\u043e\u043a\u0435\u043d",
        "x" * 200_000,
         " ", "\0", "a b", "\ud83d\ude00"]
    )  # fmt: skip
    return json.dumps({**json.loads(exchange.body), "AccessToken": token}).encode()


@kind("a token with an impossible life", "token", weight=3)
def _(rng: Random, exchange: Exchange) -> bytes:
    life = rng.choice(
        ["-1", "0", "1e999", "NaN", '"soon"', "[]", "null", "1e308", '"3600"', "9" * 400,
        '"\u00b2"',
         "-1e308", "1e-300", '""', "true", '"inf"', '"nan"']
    )  # fmt: skip
    return re.sub(
        rb'"ExpiresIn": ?[\d.]+', lambda _: b'"ExpiresIn":' + life.encode(), exchange.body
    )


@kind("a token as XML that is none", "token", weight=2)
def _(rng: Random, exchange: Exchange) -> Reply:
    token = json.loads(exchange.body)["AccessToken"]
    documents = [
        "<Token><AccessToken>", "<Token/>", "<html><body>Sign in</body></html>",
        f"<Token><AccessToken>{token}</AccessToken><ExpiresIn>\u00b2</ExpiresIn></Token>",
        f"<Token><AccessToken>{token}</AccessToken><ExpiresIn>{'9' * 5000}</ExpiresIn></Token>",
        f"<Token><AccessToken>{token}\n</AccessToken></Token>",
        '<!DOCTYPE x [<!ENTITY a "ha">]><Token><AccessToken>&a;</AccessToken></Token>',
        '<?xml version="1.0" encoding="martian"?><Token/>',
    ]  # fmt: skip
    return answer(rng.choice(documents).encode(), XML)
