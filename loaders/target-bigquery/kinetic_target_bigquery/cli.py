"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import sys

import click
from singer_sdk.exceptions import ConfigValidationError

from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.explain import OUTSIDE, explain
from kinetic_target_bigquery.target import GuardedTarget

_LOGGER = logging.getLogger("target-bigquery")


def main() -> None:
    """Load what comes on stdin."""
    try:
        GuardedTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigValidationError as error:
        _LOGGER.critical("%s", str(error).splitlines()[0])  # the schema is behind it
        sys.exit(1)
    except (GuardError, *OUTSIDE) as error:
        _LOGGER.critical(
            "BigQuery was not loaded, and STATE stays where it was: %s", explain(error)
        )
        sys.exit(1)
