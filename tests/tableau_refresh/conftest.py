"""A Tableau, and what `tableau-refresh` has around it."""

from __future__ import annotations

import pytest
from tableau_load import here
from tableau_site import serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def make(server, tmp_path):
    """Makes a folder with settings, a run log and marks."""
    return lambda **settings: here(server, tmp_path, **settings)
