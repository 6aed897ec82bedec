"""`tap-epicor-kinetic verify`: is what was loaded what the tenant shows, or what a run sent?

0 equality was proved everywhere; 1 it was not; 2 a setting or option has to change.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .against_run_log import compare_with_run_log
from .against_sent_keys import compare_with_sent_keys
from .against_table import compare_with_table
from .business_objects import BUSINESS_OBJECTS
from .discovery import discover
from .errors import ServerFault, SettingsError, TapError, WalkError
from .key_values import KeyValues
from .kinetic.get_rows import Siblings
from .odata.metadata import Column
from .selection import SelectedStream
from .sent_keys import read_sent_keys
from .sent_rows import SentRows, read_run_log
from .table_keys import Database, WarehouseError
from .tap import TapEpicorKinetic
from .tenant_keys import TenantKeys
from .unit import Unit
from .verdict import FAILED, SENT, SHOWN, TENANT, Verdict, are_equal, as_json, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .discovery import StreamDefinition
    from .extract.reader import Source

    Compare = Callable[[StreamDefinition, Verdict], None]

logger = logging.getLogger("tap-epicor-kinetic")

_EQUAL, _NOT_EQUAL, _SETTINGS = 0, 1, 2
_ENVIRONMENT = "ENV"
_JSON_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Options:
    """The command line, as given."""

    config: tuple[str, ...]
    catalog: Path | None
    state: Path | None
    run_log: Path | None
    sent_keys: Path | None
    database: str | None
    schema: str | None
    table_template: str
    streams: str | None
    as_json: bool


@click.command(name="verify", context_settings={"help_option_names": ["--help"]})
@click.option("--config", multiple=True, help="Settings file, or ENV, as for a run.")
@click.option("--catalog", type=_JSON_FILE, help="Compare the streams that it selects.")
@click.option("--state", type=_JSON_FILE, help="STATE after the last run: what changed since.")
@click.option("--run-log", type=_JSON_FILE, help="Compare with the run log (`run_log_path`).")
@click.option(
    "--sent-keys",
    type=_JSON_FILE,
    help="Compare what the last run sent (`sent_keys_path`) with the tables; asks no tenant.",
)
@click.option(
    "--database",
    envvar="VERIFY_DATABASE",
    help="Compare with tables behind a SQLAlchemy URL; VERIFY_DATABASE keeps it off the screen.",
)
@click.option("--schema", help="Schema of the tables.")
@click.option("--table-template", default="{stream}", help="Table of a stream.", show_default=True)
@click.option("--streams", help="Only these, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all differing keys.")
def _command(**given: Any) -> int:  # noqa: ANN401 - click's
    """Compare a tenant's open rows with what was sent or loaded."""
    options = Options(**given)
    return _prove(options) if options.sent_keys else _verify(options)


def main(arguments: list[str]) -> int:
    """Run with the arguments behind `verify`; returns the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        return int(_command.main(arguments, standalone_mode=False) or _EQUAL)
    except TapError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is the whole story
        return error.exit_code
    except click.ClickException as error:
        logger.error("%s", error.format_message())  # noqa: TRY400
        return _SETTINGS
    except (KeyboardInterrupt, click.Abort):
        return _NOT_EQUAL


def _verify(options: Options) -> int:
    if bool(options.run_log) == bool(options.database):
        raise SettingsError(
            "Name either --run-log or --database (VERIFY_DATABASE), to compare the tenant with."
        )
    tap = _tap(options)
    definitions = _definitions(tap, options)
    with ExitStack() as stack:
        compare = (
            _against_run_log(tap, options.run_log)
            if options.run_log
            else _against_tables(tap, definitions, options, stack)
        )
        verdicts = [
            _compared(compare, definition, company)
            for definition in definitions
            for company in tap.settings.companies
        ]
    return _tell(verdicts, options, TENANT)


def _prove(options: Options) -> int:
    """What a run sent against what was loaded; where nothing was sent there is nothing to prove."""
    if not options.database or options.run_log:
        raise SettingsError(
            "--sent-keys needs --database (VERIFY_DATABASE), whose tables it is compared with, and "
            "no --run-log."
        )
    with Database(options.database, options.schema) as database:
        verdicts = list(_proofs(database, options))
    if not verdicts:
        raise SettingsError(f"--streams {options.streams} names nothing that the run has read.")
    code = _tell(verdicts, options, SENT)
    if code:
        logger.error(
            "The tables do not hold what the run sent, and STATE has moved on, so no later run "
            "makes it good: mend the load, then send it again with `replay_since` or the job "
            "full-refresh."
        )
    return code


def _proofs(database: Database, options: Options) -> Iterator[Verdict]:
    assert options.sent_keys is not None  # noqa: S101 - _command() has seen to it
    only = {name.strip() for name in (options.streams or "").split(",") if name.strip()}
    for sent in read_sent_keys(options.sent_keys):
        section = sent.section
        if only and section.stream not in only:
            continue
        verdict = Verdict(section.stream, section.company)
        name = options.table_template.replace("{stream}", section.stream)
        columns = zip(section.columns, section.types, strict=True)
        values = KeyValues([Column(column, edm_type) for column, edm_type in columns])
        keep = None if options.as_json else SHOWN
        table = partial(database.table, name, section.columns)
        # A table that is not there after a load is the load's fault.
        with _failure_noted(verdict, SettingsError, WarehouseError):
            compare_with_sent_keys(verdict, sent, table, values, keep=keep)
        yield verdict


def _tell(verdicts: Sequence[Verdict], options: Options, sides: Sequence[str]) -> int:
    click.echo(as_json(verdicts) if options.as_json else as_text(verdicts, sides))
    return _EQUAL if are_equal(verdicts) else _NOT_EQUAL


def _tap(options: Options) -> TapEpicorKinetic:
    files = [Path(name) for name in options.config if name != _ENVIRONMENT]
    config: dict[str, Any] = {}
    for path in files:
        config |= _read_json("--config", path)
    return TapEpicorKinetic(
        config=config,
        catalog=_read_json("--catalog", options.catalog) if options.catalog else None,
        state=_read_json("--state", options.state) if options.state else None,
        parse_env_config=_ENVIRONMENT in options.config,
        setup_mapper=False,  # would discover every stream
    )


def _read_json(option: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{option} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{option} {path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{option} {path} is no JSON object.")
    return content


def _definitions(tap: TapEpicorKinetic, options: Options) -> list[StreamDefinition]:
    company = tap.settings.companies[0]
    only = tap._selected_in_catalog()  # noqa: SLF001 - one program
    if options.streams:
        only = {name.strip() for name in options.streams.split(",")}
        known = {each.name for each in (*BUSINESS_OBJECTS, *tap.settings.own_streams)}
        if strangers := sorted(only - known):
            raise SettingsError(
                f"--streams names {', '.join(strangers)}; there are {', '.join(sorted(known))}."
            )
    return discover(tap.settings, lambda service: tap.client.metadata(company, service), only)


def _against_run_log(tap: TapEpicorKinetic, path: Path) -> Compare:
    sent = read_run_log(path)

    def compare(definition: StreamDefinition, verdict: Verdict) -> None:
        lines = sent.get((definition.name, verdict.company), SentRows())
        tenant = TenantKeys(
            _source(tap, definition, verdict.company),
            definition,
            verdict.company,
            tap.settings,
            tap.run.ahead,
            bookmark=lines.from_bookmark,
        )
        compare_with_run_log(verdict, tenant, lines)

    return compare


def _against_tables(
    tap: TapEpicorKinetic,
    definitions: Sequence[StreamDefinition],
    options: Options,
    stack: ExitStack,
) -> Compare:
    """Every table is looked at before a row is read: hours of reading must not end in a typo."""
    database = stack.enter_context(Database(options.database or "", options.schema))
    tables = {
        definition.name: database.table(
            options.table_template.replace("{stream}", definition.name),
            [definition.names[name] for name in definition.sent_key],
        )
        for definition in definitions
    }

    def compare(definition: StreamDefinition, verdict: Verdict) -> None:
        values = KeyValues(tuple(definition.entity.columns[name] for name in definition.sent_key))
        bookmark = tap.run.bookmark(definition.name, verdict.company)
        cursor = definition.cursor.column.name if definition.cursor else None
        tenant = TenantKeys(
            _source(tap, definition, verdict.company),
            definition,
            verdict.company,
            tap.settings,
            tap.run.ahead,
            bookmark=bookmark.value if bookmark.replication_key == cursor else None,
            values=values,
        )
        keep = None if options.as_json else SHOWN
        compare_with_table(verdict, tenant, tables[definition.name], values, keep=keep)

    return compare


def _source(tap: TapEpicorKinetic, definition: StreamDefinition, company: str) -> Source:
    """By the same method as a run reads it."""
    stream = SelectedStream(definition, columns=())
    return Unit(tap.run, tap.client, Siblings(), stream, company).source


def _compared(compare: Compare, definition: StreamDefinition, company: str) -> Verdict:
    """One stream's trouble must not hide what the others are like."""
    verdict = Verdict(definition.name, company)
    logger.info("%s %s: comparing", definition.name, company)
    with _failure_noted(verdict, ServerFault, WalkError, WarehouseError):
        compare(definition, verdict)
    return verdict


@contextmanager
def _failure_noted(verdict: Verdict, *errors: type[TapError]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        verdict.verdict = FAILED
        verdict.notes.append(str(error))
