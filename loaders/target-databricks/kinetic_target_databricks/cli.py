"""The console program: one sentence on stderr, and an exit code that says who mends it."""

from __future__ import annotations

import logging
import sys

import click
from kinetic_batches.errors import LoadError, StateError
from kinetic_batches.settings import ConfigError

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
    except ConfigError as error:
        _LOGGER.critical("the settings are wrong: %s", error)
        sys.exit(2)
    except StateError as error:
        _LOGGER.critical("%s", error)
        sys.exit(1)
    except EXPECTED as error:
        _LOGGER.critical(
            "Databricks was not loaded to the end, and STATE stays where it was: %s",
            str(error) if isinstance(error, LoadError) else first_line(error),
        )
        sys.exit(1)
