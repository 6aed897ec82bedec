"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import os
import sys

import click

from kinetic_target_bigquery.errors import GuardError, StateError
from kinetic_target_bigquery.explain import OUTSIDE, explain
from kinetic_target_bigquery.target import GuardedTarget


def main() -> None:
    """Load what comes on stdin."""
    try:
        GuardedTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except StateError as error:
        logging.getLogger("target-bigquery").critical("%s", error)
        # Python would try again at its end, and tell of that with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (GuardError, *OUTSIDE) as error:
        logging.getLogger("target-bigquery").critical(
            "BigQuery was not loaded, and STATE stays where it was: %s", explain(error)
        )
        sys.exit(1)
