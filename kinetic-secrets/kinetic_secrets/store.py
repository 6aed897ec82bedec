"""The encrypted file: variables by name, sealed as one."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from cryptography.fernet import InvalidToken

from kinetic_secrets import private_files
from kinetic_secrets.errors import Damaged, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.fernet import MultiFernet

    from kinetic_secrets.keys import Keys

_HEAD = "kinetic-secrets 1"
_PROOF = b"kinetic-secrets"
"""Sealed beside the variables: a key that does not open it is another key."""


def read(path: Path) -> str:
    """The sealed text.

    To be read before the keys: `rotate` writes the keys first.
    """
    try:
        return private_files.read(path)
    except FileNotFoundError:
        raise Refused(
            f"There is no store at {path}; `kinetic-secrets set NAME` makes it, `--store` or "
            "KINETIC_SECRETS_STORE says where another one is."
        ) from None


def opened(text: str, keys: Keys, path: Path) -> dict[str, str]:
    """The variables of a sealed text.

    Raises:
        Refused: when the key is another one.
        Damaged: when the text is not as it was written.
    """
    head, _, rest = text.partition("\n")
    if head != _HEAD:
        raise Damaged(
            f"{path} is no store of kinetic-secrets, or its beginning was changed; bring it back "
            "from a copy."
        )
    if rest.count("\n") != 2 or not rest.endswith("\n"):  # noqa: PLR2004 - two tokens, a line each
        raise Damaged(f"{path} is cut short, or longer than written; bring it back from a copy.")
    proof, variables = (_unsealed(line, keys.fernet) for line in rest.splitlines())
    if proof is None and variables is None:
        raise Refused(
            f"The key in {keys.source} does not open {path}: the store was written with another "
            "key."
        )
    if proof != _PROOF or variables is None:
        raise Damaged(
            f"{path} was changed after it was written, and nothing in it can be trusted; bring "
            "it back from a copy, or delete it and `set` each name again."
        )
    found: dict[str, str] = json.loads(variables)
    return found


def write(path: Path, variables: dict[str, str], keys: Keys) -> None:
    """Seal with the first of the keys."""
    fernet = keys.fernet
    tokens = [fernet.encrypt(each) for each in (_PROOF, json.dumps(variables).encode())]
    private_files.write(path, "\n".join([_HEAD, *(token.decode() for token in tokens), ""]))


def _unsealed(token: str, fernet: MultiFernet) -> bytes | None:
    """None where no key opens it.

    Base64 has several spellings of some bytes; only the one that was written is taken.
    """
    try:
        if base64.urlsafe_b64encode(base64.urlsafe_b64decode(token)) != token.encode():
            return None
        return fernet.decrypt(token)
    except (InvalidToken, binascii.Error, ValueError):
        return None
