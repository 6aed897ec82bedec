"""The command `tableau-refresh`: refresh what changed; plan, test, list, status."""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .audit import last_entries
from .changes import take_in
from .checkup import check
from .clock import CLOCK, shown, stop_on_signals, text_of
from .config import Config
from .errors import ConfigError, Stopped, TableauError
from .marks import open_marks, read_marks
from .refresh import refresh
from .rules import refreshes
from .status import status as status_lines
from .table import table
from .tableau import Tableau

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .marks import Marks

_LOGGER = logging.getLogger("tableau-refresh")


def _with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings of a file and of the environment."""

    @click.option(
        "--config", "file", type=click.Path(path_type=Path), metavar="FILE",
        help="Settings in JSON; variables TARGET_TABLEAU_REFRESH_<NAME> win.",
    )  # fmt: skip
    @wraps(command)
    def configured(file: Path | None, **options: Any) -> Any:  # noqa: ANN401
        return command(Config.read(file, os.environ), **options)

    return configured


_RUN_LOG = click.option(
    "--run-log", type=click.Path(path_type=Path), metavar="FILE",
    help="The tap's run log, in place of run_log_path.",
)  # fmt: skip


@click.group()
def tableau_refresh() -> None:
    """Refresh in Tableau what a complete load touched."""


@tableau_refresh.command()
@_RUN_LOG
@_with_settings
def run(config: Config, *, run_log: Path | None) -> None:
    """Refresh what changed and is not refreshed yet."""
    path = _run_log(config, run_log)
    refreshes(config.rules, read_marks(config.marks_path), CLOCK.wall())
    stop_on_signals()
    with open_marks(config.marks_path, CLOCK, 60.0 * config.deadline_minutes) as file:
        take_in(path, file.marks, text_of(CLOCK.wall()))
        refresh(config, file, CLOCK)


@tableau_refresh.command()
@_RUN_LOG
@_with_settings
def plan(config: Config, *, run_log: Path | None) -> None:
    """Show what `run` would refresh, and why; asks Tableau nothing."""
    marks = _marks_now(config, run_log)
    planned = refreshes(config.rules, marks, CLOCK.wall())
    rows = [(each.label, each.title, each.verdict.word, each.verdict.why) for each in planned]
    for line in table(("RULE", "TARGET", "REFRESH", "WHY"), rows):
        click.echo(line)
    if marks.complete:
        load = marks.complete
        click.echo(f"\nlast complete run {load.run_id}, {shown(load.completed_at)}")
    else:
        click.echo("\nno complete run is on record")


@tableau_refresh.command()
@_with_settings
def test(config: Config) -> None:
    """See whether everything is there that refreshing needs; starts nothing."""
    failures = 0
    for line in check(config, CLOCK):
        click.echo(str(line))
        failures += line.is_failure
    if failures:
        raise ConfigError(f"{failures} checks failed; what to do stands beside them")


@tableau_refresh.command("list")
@click.option("--site", default="", metavar="NAME", help="One of the sites of `sites`.")
@_with_settings
def list_content(config: Config, *, site: str) -> None:
    """Print a first mapping, as JSON for `rules`, from what the site has."""
    config.need_server()
    if site not in config.sites:
        raise ConfigError(f"`sites` has no {site}" if site else "there is no login for `site`")
    tableau = Tableau(config, config.sites[site], CLOCK)
    try:
        tableau.open()
        found = sorted(tableau.content(), key=lambda each: (each.path, each.kind, each.id))
    finally:
        tableau.close()
    click.echo(json.dumps([_first_rule(each, site) for each in found], indent=2))


@tableau_refresh.command()
@click.option("--audit", "count", type=click.IntRange(1), metavar="COUNT",
              help="Show the last refreshes as a table.")  # fmt: skip
@_with_settings
def status(config: Config, *, count: int | None) -> None:
    """Show what each rule last came to, and what waits; asks Tableau nothing."""
    if count is not None:
        lines = last_entries(config.audit_path, count)
    else:
        lines = status_lines(config.rules, read_marks(config.marks_path))
    for line in lines:
        click.echo(line)


def _run_log(config: Config, given: Path | None) -> Path:
    path = given or config.run_log_path
    if path is None:
        raise ConfigError(
            "`run_log_path` is missing: the file that `run_log_path` of the tap names"
        )
    return path


def _marks_now(config: Config, run_log: Path | None) -> Marks:
    """With what the run log says by now; nothing is kept."""
    marks = read_marks(config.marks_path)
    take_in(_run_log(config, run_log), marks, text_of(CLOCK.wall()))
    return marks


def _first_rule(target: Any, site: str) -> dict[str, Any]:  # noqa: ANN401
    project, _, name = target.path.rpartition("/")
    rule: dict[str, Any] = {"name": target.path, "streams": ["*"], "kind": target.kind}
    if target.kind == "task":
        rule |= {"name": f"{target.path}, task {target.id}", "id": target.id}
    else:
        rule |= {"project": project, "target": name}
    return rule | ({"site": site} if site else {})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; ends with 0, 1 for what failed, 2 for what a setting mends."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    try:
        tableau_refresh(arguments, prog_name="tableau-refresh", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        _LOGGER.critical("%s", error)
        sys.exit(2)
    except (TableauError, Stopped) as error:
        _LOGGER.critical("%s", error)
        sys.exit(1)
    except click.Abort:
        sys.exit(1)


if __name__ == "__main__":
    main()
