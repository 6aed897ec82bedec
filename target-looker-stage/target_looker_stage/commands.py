"""The command `looker-refresh`: tell Looker, test the way to it, deploy LookML."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .audit import SyncAudit
from .config import Config
from .errors import ConfigError, LoadError, LookerError
from .looker.checkup import check
from .looker.deploy import deploy as deploy_lookml
from .looker.refusals import counted
from .looker.status import looker_status
from .looker.status import status as audit_status
from .looker.tell import tell
from .lookml.command import lookml
from .warehouse import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOGGER = logging.getLogger("looker-refresh")


def _with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings of a file and of the environment."""

    @click.option(
        "--config", "file", type=click.Path(path_type=Path), metavar="FILE",
        help="Settings in JSON; variables TARGET_LOOKER_STAGE_<NAME> win.",
    )  # fmt: skip
    @wraps(command)
    def configured(file: Path | None, **options: Any) -> Any:  # noqa: ANN401
        return command(Config.read(file, os.environ), **options)

    return configured


@click.group()
def looker_refresh() -> None:
    """Keep Looker in step with the schema that target-looker-stage loads."""


@looker_refresh.command()
@_with_settings
def run(config: Config) -> None:
    """Tell Looker what it was not told after the last complete load."""
    _needs_looker(config)
    with closing(open_warehouse(config)) as warehouse:
        try:
            tell(config, SyncAudit(warehouse))
        except LookerError as error:
            if config.on_looker_error == "fail":
                raise
            _LOGGER.warning("Looker does not know of the last load: %s", error)


@looker_refresh.command()
@_with_settings
def test(config: Config) -> None:
    """See whether everything is there that telling needs."""
    _needs_looker(config)
    failures = 0
    for line in check(config):
        click.echo(str(line))
        failures += line.is_failure
    if failures:
        raise LookerError(f"{counted(failures, 'check')} failed; what to do stands beside")


@looker_refresh.command()
@click.option("--looker", is_flag=True, help="Ask Looker about its datagroups too.")
@_with_settings
def status(config: Config, *, looker: bool) -> None:
    """Show the last load, what Looker was told, and what waits."""
    with closing(open_warehouse(config)) as warehouse:
        for line in audit_status(SyncAudit(warehouse)):
            click.echo(line)
    if looker:
        _needs_looker(config)
        for line in looker_status(config):
            click.echo(line)


@looker_refresh.command()
@click.option("--tests", "runs_tests", is_flag=True, help="Run the LookML tests of the model too.")
@click.option("--ref", default="", metavar="REF", help="A tag or commit, in place of the branch.")
@_with_settings
def deploy(config: Config, *, ref: str, runs_tests: bool) -> None:
    """Validate the branch of looker_branch, then have production run it."""
    _needs_looker(config)
    deploy_lookml(config, click.echo, ref=ref, runs_tests=runs_tests)


looker_refresh.add_command(lookml)


def _needs_looker(config: Config) -> None:
    if not config.looker_url:
        raise ConfigError("`looker_url` is missing: the address of your Looker, https://host")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; ends with 0, 1 for what failed, 2 for what a setting mends."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    try:
        looker_refresh(arguments, prog_name="looker-refresh", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)
    except ConfigError as error:
        _LOGGER.critical("the settings are wrong: %s", error)
        sys.exit(2)
    except (LookerError, LoadError) as error:
        _LOGGER.critical("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
