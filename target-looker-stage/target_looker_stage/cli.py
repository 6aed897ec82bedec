"""The console program: one sentence on stderr, and an exit code that says who mends it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, NoReturn

import click
from kinetic_batches.errors import LoadError, StateError

from .errors import ConfigError, LookerError
from .target import LookerStageTarget

if TYPE_CHECKING:
    from click import Command, Context

_LOGGER = logging.getLogger("target-looker-stage")


def main() -> None:
    """Load what comes on stdin."""
    command = LookerStageTarget.get_singer_command()
    try:
        with _context(command) as context:
            command.invoke(context)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ConfigError as error:
        _end(2, f"the settings are wrong: {error}")
    except LookerError as error:
        _end(1, f"everything is loaded and STATE is saved, but Looker does not know: {error}")
    except StateError as error:
        _end(1, str(error))
    except LoadError as error:
        _end(1, f"the warehouse was not loaded to the end, and STATE stays where it was: {error}")


def _context(command: Command) -> Context:
    """What the command line says, files of settings read."""
    try:
        return command.make_context(LookerStageTarget.name, sys.argv[1:])
    except (OSError, ValueError) as error:
        raise ConfigError(f"a file of `--config` cannot be read: {error}") from error


def _end(code: int, sentence: str) -> NoReturn:
    _LOGGER.critical(sentence)
    sys.exit(code)
