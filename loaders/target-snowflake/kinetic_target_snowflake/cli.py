"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import os
import sys

import click

from kinetic_target_snowflake.errors import GuardError, StateError
from kinetic_target_snowflake.explain import OUTSIDE, explain
from kinetic_target_snowflake.target import GuardedTarget


def main() -> None:
    """Load what comes on stdin."""
    # Snowflake's client tells of each try that failed with a traceback.
    logging.getLogger("snowflake.connector.network").addFilter(_without_traceback)
    try:
        sys.exit(GuardedTarget.cli(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except StateError as error:
        logging.getLogger("target-snowflake").critical("%s", error)
        # Python would try again at its end, and tell of that with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (GuardError, *OUTSIDE) as error:
        logging.getLogger("target-snowflake").critical(
            "Not all rows are in Snowflake, and STATE stays behind them: %s", explain(error)
        )
        sys.exit(1)


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True
