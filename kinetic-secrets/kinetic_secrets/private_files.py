"""Files that only their owner may read, written whole or not at all, by one writer at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from kinetic_secrets.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 10.0
"""Seconds; a writer needs milliseconds."""


def read(path: Path) -> str:
    """A file's text.

    Raises:
        FileNotFoundError: when it is not there.
        Refused: when somebody else owns it, or may read or write it.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())  # of what was opened, whatever its name means by now
        if status.st_uid != os.geteuid():
            raise Refused(
                f"{path} belongs to another user (id {status.st_uid}); run as that user, or "
                f"`chown` it to the one that runs this (id {os.geteuid()})."
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise Refused(
                f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}); close "
                f"it with `chmod 600 {path}`."
            )
        return file.read().decode("ascii", errors="replace")


def write(path: Path, text: str) -> None:
    """Put a file there with mode 0600, or leave what was there."""
    path = path.resolve()  # a link stays a link
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - name is no Path
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def one_writer(*paths: Path) -> Iterator[None]:
    """The folders of these files are locked as long as the context lasts; no lock file is left."""
    deadline = time.monotonic() + _PATIENCE
    with ExitStack() as stack:
        for folder in sorted({path.resolve().parent for path in paths}):
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            while not _locked(descriptor):
                if time.monotonic() > deadline:
                    raise Refused(
                        f"Another program has kept {folder} locked for {_PATIENCE:.0f} seconds; "
                        "nothing was written."
                    )
                time.sleep(0.02)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
