"""Answers, and how they are put on the wire."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kinetic_sandbox.kinetic.faults import Fault

JSON = "application/json; odata.metadata=minimal; charset=utf-8"
XML = "application/xml; charset=utf-8"
HTML = "text/html"


@dataclass(frozen=True)
class Answer:
    """A status with a body; status 0 is a connection closed without a word."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: str = ""
    """`length`: half the promised body; `close`: half a body of unknown length."""
    held_seconds: float = 0
    """How long the client is left waiting first."""


DROPPED = Answer(0)
HANGING = Answer(0, held_seconds=30)


def json_answer(value: object, status: int = 200) -> Answer:
    """Answer with a JSON value."""
    body = json.dumps(value, ensure_ascii=False, default=str).encode()
    return Answer(status, body, "application/json; charset=utf-8")


def fault_answer(fault: Fault, accept: str) -> Answer:
    """Answer with an error body, in JSON only where the client asked for JSON."""
    as_json = "json" in accept
    return Answer(fault.status, fault.body(as_json=as_json), JSON if as_json else XML)


def html_answer(status: int, text: str) -> Answer:
    """Answer as IIS or a gateway would, before Kinetic sees the request."""
    reason = HTTPStatus(status).phrase
    page = (
        f"<html><head><title>{status} - {reason}</title></head><body><h2>{text}</h2></body></html>"
    )
    return Answer(status, page.encode(), HTML)


def compressed(answer: Answer, accept_encoding: str) -> Answer:
    """Return the answer as gzip where the client takes it."""
    if "gzip" not in accept_encoding or not answer.body:
        return answer
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body, compresslevel=1), headers=headers)


def wire_bytes(answer: Answer, now: datetime) -> bytes:
    """Spell head and body in one piece, so that no segment waits for an acknowledgement."""
    length = {} if answer.cut == "close" else {"Content-Length": str(len(answer.body))}
    close = {"Connection": "close"} if answer.cut else {}
    headers = {
        "Server": "Microsoft-IIS/10.0",
        "Date": format_datetime(now, usegmt=True),
        "Content-Type": answer.content_type,
        **length,
        **close,
        **answer.headers,
    }
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
