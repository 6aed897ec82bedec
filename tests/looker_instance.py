"""A Looker to talk to, held against the vendor's description where that is at hand."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kinetic_sandbox.looker import LookerServer, sample_looker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinetic_sandbox.looker import Looker

_ROOT = Path(__file__).parents[1]
_NAME = "looker-4.0-26.12.slice.oas.json"


def description() -> Path | None:
    """The vendor's OpenAPI file, where it is on this machine."""
    folders = [os.environ.get("VENDOR_SPECS", ""), _ROOT.parent / "specs",
               _ROOT.parent / "shared" / "specs"]  # fmt: skip
    files = (Path(folder) / _NAME for folder in folders if folder)
    return next((file for file in files if file.is_file()), None)


def needed_description() -> Path:
    """The same; skips loudly where it is absent."""
    found = description()
    if found is None:
        pytest.skip(
            f"NOT TESTED: the stand-in against Looker's own description; put {_NAME} into the "
            "folder that VENDOR_SPECS names"
        )
    return found


@contextmanager
def serving(looker: Looker | None = None, port: int = 0) -> Iterator[LookerServer]:
    """An instance on HTTP; a call or an answer that Looker does not know fails the test."""
    with LookerServer(looker or sample_looker(), port, description()) as server:
        yield server
    assert server.violations == []
