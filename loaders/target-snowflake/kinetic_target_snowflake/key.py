"""A private key, whatever a secret store has done to its line breaks."""

from __future__ import annotations

import re

_PEM = re.compile(r"-----BEGIN [A-Z ]+-----(.*?)-----END [A-Z ]+-----", re.DOTALL)


def key_body(text: str) -> str:
    r"""The base64 text of a key that is given so or as PEM.

    Line breaks may have come as `\n` in two characters, once or several times over, as CRLF, as
    blanks, or not at all.
    """
    text = re.sub(r"\\+[rn]", "\n", text)
    found = _PEM.search(text)
    return "".join((found[1] if found else text).split())
