"""`looker-refresh lookml`: write the model, show what would change, or check what is there."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from target_looker_stage.config import Config
from target_looker_stage.warehouse import open_warehouse

from .catalog import read_catalog
from .check import check as check_folders
from .errors import LookmlError
from .files import differences, with_header, with_notes, write
from .project import Staged, generate
from .sql import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_looker_stage.warehouse import Warehouse

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option(
    "--catalog", type=_FILE, metavar="FILE",
    help="Singer catalog, as tap-epicor-kinetic --discover prints it.",
)  # fmt: skip
@click.option("--diff", "shows", is_flag=True, help="Show what would change; 1 if anything.")
@click.option("--check", "checks", is_flag=True, help="Run what is there; 1 with a problem.")
@click.option(
    "--with", "others", type=_FOLDER, multiple=True, metavar="FOLDER",
    help="Check this folder of refinements too; can be repeated.",
)  # fmt: skip
@click.option(
    "--config", "settings", type=_FILE, metavar="FILE",
    help="Settings in JSON; variables TARGET_LOOKER_STAGE_<NAME> win.",
)  # fmt: skip
def lookml(
    catalog: Path | None,
    others: Sequence[Path],
    settings: Path | None,
    *,
    shows: bool,
    checks: bool,
) -> None:
    """Write LookML of the staged tables into lookml_folder."""
    config = Config.read(settings, os.environ)
    if checks and (shows or catalog):
        raise click.UsageError("--check looks at files as they are: leave out --catalog and --diff")
    if not checks and catalog is None:
        raise click.UsageError(
            "--catalog is missing: write one with `tap-epicor-kinetic --discover > catalog.json`"
        )
    with closing(open_warehouse(config)) as warehouse:
        try:
            if catalog is None:
                _check(config, warehouse, others)
            else:
                _generate(config, warehouse, catalog, shows=shows)
        except LookmlError as error:
            raise click.ClickException(str(error)) from error


def _generate(config: Config, warehouse: Warehouse, catalog: Path, *, shows: bool) -> None:
    tables = {
        table: {column.name: column.type for column in warehouse.columns(table)}
        for table in warehouse.tables()
    }
    staged = Staged(config.warehouse, config.schema, tables, warehouse.execute)
    project = generate(read_catalog(catalog), staged, config.lookml_model, config.lookml_connection)
    model = f"{config.lookml_model}.model.lkml"
    texts = {**project.files, model: with_notes(project.files[model], project.notes)}
    files = {path: with_header(text) for path, text in texts.items()}
    if shows:
        lines = list(differences(config.lookml_folder, files))
        click.echo("\n".join(lines), nl=bool(lines))
        if lines:
            raise SystemExit(1)
        return
    written, gone = write(config.lookml_folder, files)
    for note in project.notes:
        click.echo(f"note: {note}")
    for path in gone:
        click.echo(f"removed {config.lookml_folder / path}")
    click.echo(f"{len(files)} files in {config.lookml_folder}, {len(written)} of them written")


def _check(config: Config, warehouse: Warehouse, others: Sequence[Path]) -> None:
    if not config.lookml_folder.is_dir():
        raise LookmlError(
            f"there is no folder {config.lookml_folder}: generate first, with --catalog, or "
            "correct `lookml_folder`"
        )
    report = check_folders(
        [config.lookml_folder, *others], DIALECTS[config.warehouse], warehouse.execute
    )
    for problem in report.not_checked:
        click.echo(f"not checked: {problem}")
    for problem in report.problems:
        click.echo(f"{problem}")
    click.echo(
        f"{report.explores} explores with {report.fields} fields ran, {report.tests} tests hold, "
        f"{len(report.problems)} problems"
    )
    if report.problems:
        raise SystemExit(1)
