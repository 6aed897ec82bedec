"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import sys

import click
from kinetic_batches.errors import LoadError
from singer_sdk.exceptions import ConfigValidationError

from .explain import EXPECTED, first_line
from .target import DatabricksTarget

_LOGGER = logging.getLogger("target-databricks")


def main() -> None:
    """Load what comes on stdin."""
    try:
        DatabricksTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigValidationError as error:
        _LOGGER.critical("the settings are wrong: %s", "; ".join(error.errors) or error)
        sys.exit(1)
    except EXPECTED as error:
        _LOGGER.critical(
            "Databricks was not loaded to the end, and STATE stays where it was: %s",
            str(error) if isinstance(error, LoadError) else first_line(error),
        )
        sys.exit(1)
