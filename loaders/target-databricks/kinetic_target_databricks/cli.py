"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import sys

import click
from kinetic_batches.errors import LoadError

from .explain import EXPECTED, first_line
from .target import DatabricksTarget

_LOGGER = logging.getLogger("target-databricks")


def main() -> None:
    """Load what comes on stdin."""
    try:
        # The SDK tells of settings of a wrong type itself, and answers with the code.
        sys.exit(DatabricksTarget.cli(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EXPECTED as error:
        _LOGGER.critical(
            "Databricks was not loaded to the end, and STATE stays where it was: %s",
            str(error) if isinstance(error, LoadError) else first_line(error),
        )
        sys.exit(1)
