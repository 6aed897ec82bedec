"""A loader whose output nobody takes."""

from __future__ import annotations

import os
import subprocess
from typing import Protocol

NOBODY, FULL = "nobody who reads", "a full disk"


class Loader(Protocol):
    """A program and its environment."""

    @property
    def command(self) -> list[str]: ...

    @property
    def variables(self) -> dict[str, str]: ...


def load_unread(loader: Loader, messages: bytes, output: str) -> subprocess.CompletedProcess[bytes]:
    """Load messages while the output goes nowhere: `NOBODY` or `FULL`."""
    if output == NOBODY:
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open("/dev/full", os.O_WRONLY)
    try:
        return subprocess.run(
            loader.command, input=messages, stdout=writer, stderr=subprocess.PIPE,
            env=loader.variables, check=False, timeout=300,
        )  # fmt: skip
    finally:
        os.close(writer)
