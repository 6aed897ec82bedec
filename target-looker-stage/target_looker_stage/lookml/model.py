"""Explores, tests and the datagroup: what stands in the model beside the views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .facts.shapes import AUDIT_TABLE
from .tables import KEY, ROWS
from .views import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .joins import Explore, Join
    from .sql import Dialect

Lookml = dict[str, Any]
DATAGROUP = "epicor_kinetic"
"""What `looker_datagroups` names by default."""


def explores_file(explores: Sequence[Explore], dialect: Dialect, schema: str) -> Lookml:
    """What a model includes: the datagroup, all explores, a test for each key."""
    audit = f"{dialect.quoted(schema)}.{dialect.quoted(AUDIT_TABLE)}"
    names = ("completed_at", "rows_upserted", "rows_deleted")
    completed, upserted, deleted = map(dialect.quoted, names)
    return {
        "includes": ["views/*.view.lkml"],
        "datagroups": [
            {
                "name": DATAGROUP,
                "label": "Epicor Kinetic",
                "description": "A load has changed rows",
                "sql_trigger": f"SELECT MAX({completed}) FROM {audit} "
                f"WHERE {upserted} + {deleted} > 0",
                "max_cache_age": "24 hours",
            }
        ],
        "explores": [_explore(each) for each in explores],
        "tests": [_test(each) for each in explores if each.base.key],
    }


def model_file(connection: str, includes: Sequence[str]) -> Lookml:
    """The model itself."""
    return {"connection": connection, "includes": list(includes), "persist_with": DATAGROUP}


def _explore(explore: Explore) -> Lookml:
    base = explore.base
    made: Lookml = {"name": explore.name}
    if explore.name != base.view:
        made["view_name"] = base.view
    made["label"] = explore.label
    if explore.description:
        made["description"] = explore.description
    if explore.is_hidden:
        made["hidden"] = "yes"
        made["fields"] = [f"{base.view}.{ATTRIBUTES}*", f"{base.view}.{ROWS}"]
        made["fields"] += [f"{join.view}.{ATTRIBUTES}*" for join in explore.joins]
    made["joins"] = [_join(each) for each in explore.joins]
    return {name: value for name, value in made.items() if value}


def _join(join: Join) -> Lookml:
    made: Lookml = {"name": join.view}
    if join.view != join.table.view:
        made["from"] = join.table.view
    if join.label:
        made["view_label"] = join.label
    made |= {"type": "left_outer", "relationship": join.relationship, "sql_on": join.sql_on}
    if not join.has_measures:
        made["fields"] = [f"{join.view}.{ATTRIBUTES}*"]
    return made


def _test(explore: Explore) -> Lookml:
    view = explore.base.view
    return {
        "name": f"{view}_key_is_unique",
        "explore_source": {
            "name": explore.name,
            "columns": [
                {"name": KEY, "field": f"{view}.{KEY}"},
                {"name": ROWS, "field": f"{view}.{ROWS}"},
            ],
            "sorts": [{f"{view}.{ROWS}": "desc"}],
            "limit": "1",
        },
        "asserts": [{"name": "one_row_for_each_key", "expression": f"${{{view}.{ROWS}}} = 1"}],
    }
