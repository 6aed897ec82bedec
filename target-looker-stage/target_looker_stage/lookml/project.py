"""From catalog and warehouse to the text of every file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import lkml

from target_looker_stage.names import stored_name

from .costs import part_costs, part_usage
from .dashboard import as_text, dashboard
from .errors import LookmlError
from .facts.shapes import AUDIT_TABLE
from .facts.stock import PART_COSTS, PART_USAGE
from .joins import planned, reach
from .measures import all_measures
from .model import explores_file, model_file
from .safe_text import is_safe_name, label
from .segments import department_of, read_segments
from .sql import DIALECTS
from .tables import MissingError, Table, staged_table
from .templates import Templates
from .unique import Uniqueness
from .views import ViewMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .catalog import CatalogStream

Lookml = dict[str, Any]
_MODEL = re.compile("[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Staged:
    """What the warehouse shows.

    Args:
        dialect: its kind, such as postgresql.
        schema: of the staged tables.
        tables: by table, its columns with their types.
        ask: runs a query.
    """

    dialect: str
    schema: str
    tables: Mapping[str, Mapping[str, str]]
    ask: Callable[[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Project:
    """What is generated.

    Attributes:
        files: text by path, within the folder; without headers.
        notes: what is left out, and why.
    """

    files: Mapping[str, str]
    notes: tuple[str, ...]


def generate(
    catalog: Sequence[CatalogStream], staged: Staged, model: str, connection: str
) -> Project:
    """The LookML of a tenant.

    Args:
        catalog: the selected streams.
        staged: what the warehouse shows.
        model: name of the model.
        connection: Looker's name of the connection.

    Raises:
        LookmlError: where nothing of the catalog is staged, or a name is not LookML.
    """
    if not _MODEL.fullmatch(model):
        raise LookmlError(
            f"`lookml_model` {model!r} is no name for a model: small letters, digits and _"
        )
    notes: list[str] = []
    tables = _tables(catalog, staged, notes)
    dialect = DIALECTS[staged.dialect]
    segments = read_segments(tables.get("gl_segments"), dialect, staged.ask)
    explores = planned(tables, segments, Uniqueness(dialect, staged.ask), notes)
    templates, views_there = Templates(tables, dialect), reach(explores)
    asked_for = all_measures(templates, views_there, notes)
    maker = ViewMaker(templates, segments, views_there, asked_for, notes)
    files = {
        f"views/{table.view}.view.lkml": _text({"views": [maker.view(table)]})
        for table in tables.values()
    }
    chosen, values = department_of(segments), tables.get("gl_segment_values")
    shown = values.find("SegmentName|SegmentCode") if values else None
    department = f"{chosen.view}.{shown.shown}" if chosen and shown else ""
    if chosen:
        notes.append(f"drills by department go by the GL segment {chosen.name}")
    elif segments:
        names = ", ".join(segment.name for segment in segments)
        notes.append(f"no GL segment is called a department or cost centre (there are {names}), "
                     "so nothing drills by department")  # fmt: skip
    tiles = dashboard(model, explores, templates, asked_for, department)
    explores_path, dashboard_path = f"{model}.explore.lkml", f"{model}.dashboard.lookml"
    files[explores_path] = _text(explores_file(explores, dialect, staged.schema))
    if tiles:
        files[dashboard_path] = as_text(tiles)
    included = [explores_path, *([dashboard_path] if tiles else [])]
    files[f"{model}.model.lkml"] = _text(model_file(connection, included))
    return Project(dict(sorted(files.items())), tuple(dict.fromkeys(notes)))


def _tables(catalog: Sequence[CatalogStream], staged: Staged, notes: list[str]) -> dict[str, Table]:
    """The staged streams by name, and what is worked out of them."""
    dialect = DIALECTS[staged.dialect]
    there = {name.lower(): name for name in staged.tables}
    tables: dict[str, Table] = {}
    for stream in catalog:
        name = there.get(stored_name(stream.name)) or there.get(stream.name.lower())
        said = label(stream.name)
        if name is None:
            notes.append(f"stream {said} is left out: {staged.schema} has no table for it")
        elif not is_safe_name(name):
            notes.append(f"stream {said} is left out: its name could break out of SQL")
        else:
            table = staged_table(stream, staged.schema, name, staged.tables[name], dialect)
            taken = {other.view for other in tables.values()}
            if table.view in taken:
                table = replace(table, view=f"{table.view}_{len(tables)}")
            tables[stream.name] = table
            notes += table.notes
    if not tables:
        raise LookmlError(
            f"none of the catalog's streams is staged in `schema` {staged.schema}; load them first "
            "with `meltano run tap-epicor-kinetic target-looker-stage`, or correct `schema`"
        )
    if AUDIT_TABLE not in there:
        notes.append(f"{AUDIT_TABLE} is not there yet; the datagroup's trigger fails until it is")
    transactions = tables.get("part_transactions")
    if transactions:
        worked_out = {PART_COSTS: part_costs, PART_USAGE: part_usage}
        for name in sorted(worked_out.keys() - tables.keys()):
            try:
                tables[name] = worked_out[name](transactions, dialect)
            except MissingError as error:
                notes.append(f"{name} is left out: {error}")
    return dict(sorted(tables.items()))


def _text(content: Lookml) -> str:
    """LookML that reads back as what was meant, so that no value can have broken out.

    Raises:
        LookmlError: where it does not.
    """
    text = str(lkml.dump(content))
    _refuse_ends(content)
    try:
        is_same = lkml.load(text) == content
    except Exception:  # noqa: BLE001 - lkml raises IndexError and others for text that has no end
        is_same = False
    if not is_same:
        raise LookmlError("a name of the tenant would break out of its LookML; nothing was written")
    return text + "\n"


def _refuse_ends(value: object) -> None:
    if isinstance(value, dict):
        for each in value.values():
            _refuse_ends(each)
    elif isinstance(value, list):
        for each in value:
            _refuse_ends(each)
    elif isinstance(value, str) and ";;" in value:
        raise LookmlError("a name of the tenant would end SQL of LookML; nothing was written")
