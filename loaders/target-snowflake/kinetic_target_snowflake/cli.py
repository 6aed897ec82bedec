"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import sys

import click

from kinetic_target_snowflake.errors import GuardError
from kinetic_target_snowflake.explain import OUTSIDE, explain
from kinetic_target_snowflake.target import GuardedTarget


def main() -> None:
    """Load what comes on stdin."""
    try:
        GuardedTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (GuardError, *OUTSIDE) as error:
        logging.getLogger("target-snowflake").critical(
            "Not all rows are in Snowflake, and STATE stays behind them: %s", explain(error)
        )
        sys.exit(1)
