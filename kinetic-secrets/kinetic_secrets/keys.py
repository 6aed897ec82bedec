"""Where the key comes from: the environment, or a file outside the project."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

from kinetic_secrets import private_files
from kinetic_secrets.errors import Refused

VARIABLE = "KINETIC_SECRETS_KEY"


def default_path() -> Path:
    """The key file of this user."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "kinetic-secrets" / "key"


@dataclass(frozen=True)
class Keys:
    """The keys of one source: the first writes, each of them reads."""

    texts: tuple[str, ...]
    source: str

    @property
    def fernet(self) -> MultiFernet:
        """What seals and opens."""
        try:
            return MultiFernet([Fernet(text) for text in self.texts])
        except ValueError:
            raise Refused(
                f"{self.source} holds something that is no key: it takes what `kinetic-secrets "
                "init` wrote, each key on its own line, 44 characters long."
            ) from None


def find(path: Path) -> Keys:
    """The keys of the environment, else of the file."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return of_file(path)
    if not given.strip():
        raise Refused(
            f"{VARIABLE} is set and empty; give it the content of the key file, or unset it to "
            "have the key file read."
        )
    return Keys(tuple(given.split()), VARIABLE)


def of_file(path: Path) -> Keys:
    """The keys of the file."""
    try:
        texts = tuple(private_files.read(path).split())
    except FileNotFoundError:
        raise Refused(
            f"There is no key: {path} is missing and {VARIABLE} is not set; `kinetic-secrets "
            "init` makes a new key, and an older store opens with its own key only."
        ) from None
    if not texts:
        raise Refused(f"{path} is empty; put the key back, from wherever you keep a copy.")
    return Keys(texts, str(path))


def make(path: Path) -> None:
    """Put a new key where there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with private_files.one_writer(path):
        if path.exists():
            raise Refused(
                f"{path} is there already and stays as it is; `kinetic-secrets rotate` changes "
                "the key of a store."
            )
        private_files.write(path, _text(_new()))


def put_new_first(path: Path) -> Keys:
    """Add a key that writes from now on; the others go on reading. The caller is the one writer."""
    keys = Keys((_new(), *of_file(path).texts), str(path))
    private_files.write(path, _text(*keys.texts))
    return keys


def _new() -> str:
    return Fernet.generate_key().decode()


def _text(*keys: str) -> str:
    return "".join(f"{key}\n" for key in keys)
