"""The console program: one sentence on stderr, and an exit code that says who mends it."""

from __future__ import annotations

import logging
import sys

import click
from kinetic_batches.errors import LoadError
from singer_sdk.exceptions import ConfigValidationError

from .errors import ConfigError, LookerError
from .target import LookerStageTarget

_LOGGER = logging.getLogger("target-looker-stage")


def main() -> None:
    """Load what comes on stdin."""
    try:
        LookerStageTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ConfigValidationError as error:
        _LOGGER.critical("the settings are wrong: %s", "; ".join(error.errors) or error)
        sys.exit(2)
    except ConfigError as error:
        _LOGGER.critical("the settings are wrong: %s", error)
        sys.exit(2)
    except LookerError as error:
        _LOGGER.critical(
            "everything is loaded and STATE is saved, but Looker does not know: %s", error
        )
        sys.exit(1)
    except LoadError as error:
        _LOGGER.critical(
            "the warehouse was not loaded to the end, and STATE stays where it was: %s", error
        )
        sys.exit(1)
