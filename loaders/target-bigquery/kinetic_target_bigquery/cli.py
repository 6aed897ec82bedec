"""The console program: one sentence on stderr and exit code 1 where a load fails."""

from __future__ import annotations

import logging
import sys

import click
import requests
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError

from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.explain import explain
from kinetic_target_bigquery.target import GuardedTarget

_EXPECTED = (GuardError, GoogleAPIError, GoogleAuthError, requests.RequestException, TimeoutError)


def main() -> None:
    """Load what comes on stdin."""
    try:
        GuardedTarget.cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except _EXPECTED as error:
        logging.getLogger("target-bigquery").critical(
            "BigQuery was not loaded, and STATE stays where it was: %s", explain(error)
        )
        sys.exit(1)
