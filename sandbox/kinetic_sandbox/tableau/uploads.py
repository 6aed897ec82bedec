"""Files that come in parts before they are published, or before data is updated from them."""

from __future__ import annotations

import uuid

from kinetic_sandbox.tableau.call import Call, Done, Refused
from kinetic_sandbox.tableau.xml import element

MEGABYTE = 1 << 20
LARGEST = 64
"""Megabytes that a single request may bring."""


def begun(call: Call) -> Done:
    """A new upload session."""
    call.needs("publish")
    session = f"{len(call.site.uploads) + 1}:{uuid.uuid4().hex}-0:0"
    call.site.uploads[session] = bytearray()
    return Done((element("fileUpload", uploadSessionId=session, fileSize=0),), 201)


def appended(call: Call) -> Done:
    """One more part; the answer says how many megabytes there are by now."""
    call.needs("publish")
    session = call.path["upload"]
    uploaded = call.site.uploads.get(session)
    if uploaded is None:
        raise Refused("404014", session)
    _, part = call.body.files.get("tableau_file", ("", b""))
    if not part:
        raise Refused("400000", "a part named tableau_file is expected")
    if len(part) > LARGEST * MEGABYTE:
        raise Refused("413000", str(LARGEST))
    uploaded += part
    size = len(uploaded) // MEGABYTE
    return Done((element("fileUpload", uploadSessionId=session, fileSize=size),))


def uploaded(call: Call) -> bytes | None:
    """The file of the session that the address names, None where it names none."""
    session = call.query.get("uploadSessionId")
    if session is None:
        return None
    if session not in call.site.uploads:
        raise Refused("404014", session)
    return bytes(call.site.uploads[session])
