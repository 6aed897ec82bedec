"""A service account's key, whatever a secret store has done to its line breaks."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from kinetic_target_bigquery.errors import GuardError

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)
_LINE = 64


def read_key(text: str, setting: str) -> dict[str, Any]:
    r"""The key as Google made it.

    Line breaks of its PEM may have come as `\n` in two characters, once or several times over, as
    CRLF, as blanks, or not at all; they are put where they belong.

    Args:
        text: a key file's content.
        setting: where it came from, for messages.

    Raises:
        GuardError: when it is no service account's key.
    """
    try:
        key = json.loads(text, strict=False)  # a real line break in a text is no harm
    except ValueError:
        raise GuardError(
            f"`{setting}` is not JSON; give the file that Google made for the service account, "
            "whole."
        ) from None
    if isinstance(key, str):  # JSON in a JSON text
        return read_key(key, setting)
    if not isinstance(key, dict) or key.get("type") != "service_account":
        raise GuardError(
            f"`{setting}` is no service account's key: its `type` has to be service_account."
        )
    missing = [name for name in ("client_email", "private_key", "token_uri") if not key.get(name)]
    if missing:
        raise GuardError(f"`{setting}` has no {' and no '.join(missing)}; give the whole file.")
    return {**key, "private_key": _mended(str(key["private_key"]), setting)}


def _mended(pem: str, setting: str) -> str:
    found = _PEM.search(re.sub(r"\\+[rn]", "\n", pem))
    body = "".join(found[2].split()) if found else ""
    try:
        base64.b64decode(body, validate=True)
    except binascii.Error:
        body = ""
    if found is None or not body:
        raise GuardError(
            f"`private_key` in `{setting}` is no whole PEM: it has to go from -----BEGIN PRIVATE "
            "KEY----- to -----END PRIVATE KEY-----; something cut or changed it on the way."
        )
    lines = (body[n : n + _LINE] for n in range(0, len(body), _LINE))
    return "\n".join([f"-----BEGIN {found[1]}-----", *lines, f"-----END {found[1]}-----", ""])
