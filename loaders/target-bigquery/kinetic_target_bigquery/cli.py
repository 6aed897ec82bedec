"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import sys

import click

from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.explain import OUTSIDE, explain
from kinetic_target_bigquery.target import GuardedTarget


def main() -> None:
    """Load what comes on stdin."""
    try:
        GuardedTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (GuardError, *OUTSIDE) as error:
        logging.getLogger("target-bigquery").critical(
            "BigQuery was not loaded, and STATE stays where it was: %s", explain(error)
        )
        sys.exit(1)
