"""The console script: runs the SDK's command line and turns errors into one message and a code.

0 complete; 2 what changing a setting mends; 1 everything else.
"""

from __future__ import annotations

import logging
import os
import sys

import click

from .errors import TapError
from .tap import TapEpicorKinetic

logger = logging.getLogger(TapEpicorKinetic.name)

_SETTINGS = 2
_FAILED = 1


def main() -> None:
    """Run and exit."""
    code = run(sys.argv[1:])
    logging.shutdown()
    # Threads that wait for a server that does not answer must not keep the process alive.
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run with these arguments and return the exit code."""
    try:
        return int(TapEpicorKinetic.cli.main(arguments, standalone_mode=False) or 0)
    except TapError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is the whole story
        return error.exit_code
    except click.ClickException as error:
        logger.error("%s", error.format_message())  # noqa: TRY400
        return _SETTINGS
    except (KeyboardInterrupt, click.Abort):
        return _FAILED
    except Exception:
        logger.exception("This is a fault of the tap; please report it with the lines below")
        return _FAILED
    finally:
        _flush()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody reads any more
