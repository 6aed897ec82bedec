"""The console program of the loader: one sentence on stderr, and who mends it as exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from kinetic_batches.settings import of_file

from . import __version__
from .config import REFRESH, Config
from .errors import ConfigError, Stopped, TableauError
from .settings import SETTINGS
from .target import load

_LOGGER = logging.getLogger("target-tableau-refresh")
_NAME = "target-tableau-refresh"


@click.command(name=_NAME)
@click.option("--config", "files", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
              help="Settings in JSON; variables TARGET_TABLEAU_REFRESH_<NAME> win.")  # fmt: skip
@click.option("--about", is_flag=True, help="Print what the settings are, as JSON.")
@click.option("--format", "_format", hidden=True, help="JSON is the only one.")
@click.version_option(__version__, prog_name=_NAME)
def target(files: tuple[Path, ...], *, about: bool, _format: str | None) -> None:
    """Read Singer messages on stdin; refresh in Tableau what a complete run touched."""
    if about:
        told = {"name": _NAME, "version": __version__, "settings": SETTINGS}
        click.echo(json.dumps(told, indent=2))
        return
    given: dict[str, Any] = {}
    for file in files:
        given |= of_file(file)
    config = Config.of({**given, **REFRESH.of_environment(os.environ)})
    if config.mode == "publish":
        _publish(given)
    else:
        load(config, sys.stdin.buffer, sys.stdout.buffer)


def _publish(given: dict[str, Any]) -> None:
    from kinetic_batches.errors import LoadError  # noqa: PLC0415 - brings the SDK and the engine

    from .publish.target import publish  # noqa: PLC0415

    try:
        publish(given)
    except LoadError as error:
        raise TableauError(f"STATE stays where it was: {error}") from error


def main() -> None:
    """Load what comes on stdin; ends with 0, 1 for what failed, 2 for what a setting mends."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    try:
        target(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        _end(2, error)
    except (TableauError, Stopped) as error:
        _end(1, error)
    except click.Abort:
        sys.exit(1)


def _end(code: int, error: Exception) -> NoReturn:
    _LOGGER.critical("%s", error)
    sys.exit(code)


if __name__ == "__main__":
    main()
