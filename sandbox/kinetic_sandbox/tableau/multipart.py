"""Requests of several parts: XML, and a file or a part of one."""

from __future__ import annotations

import re

PAYLOAD = "request_payload"
"""The part with the XML."""


def parts(body: bytes, content_type: str) -> dict[str, tuple[str, bytes]]:
    """Each part's file name and content, by its name; empty where it is no such body."""
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if found is None:
        return {}
    read = {}
    for piece in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        named = dict(re.findall(rb'\b(name|filename)="([^"]*)"', head))
        read[named.get(b"name", b"").decode()] = (named.get(b"filename", b"").decode(), content)
    return read
