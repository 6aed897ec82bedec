"""A Tableau to talk to, held against the vendor's schema where that is at hand."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kinetic_sandbox.tableau import TableauServer, sample_tableau

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinetic_sandbox.tableau import Tableau

_ROOT = Path(__file__).parents[1]
_NAME = "ts-api_3_29.refresh-subset.xsd"


def schema() -> Path | None:
    """The vendor's XSD file, where it is on this machine."""
    folders = [os.environ.get("VENDOR_SPECS", ""), _ROOT.parent / "specs",
               _ROOT.parent / "shared" / "specs"]  # fmt: skip
    files = (Path(folder) / _NAME for folder in folders if folder)
    return next((file for file in files if file.is_file()), None)


def needed_schema() -> Path:
    """The same; skips loudly where it is absent."""
    found = schema()
    if found is None:
        pytest.skip(
            f"NOT TESTED: the stand-in against Tableau's own schema; put {_NAME} into the folder "
            "that VENDOR_SPECS names"
        )
    return found


@contextmanager
def serving(tableau: Tableau | None = None, port: int = 0) -> Iterator[TableauServer]:
    """A deployment on HTTP; a call or an answer that Tableau does not know fails the test."""
    with TableauServer(tableau or sample_tableau(), port, schema()) as server:
        yield server
    assert server.violations == []
