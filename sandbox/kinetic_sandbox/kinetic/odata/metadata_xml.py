"""`$metadata` of one service (CSDL), and its service document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_sandbox.kinetic.edm import Column, EntityFacts

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"


def metadata_document(entities: Sequence[EntityFacts]) -> bytes:
    """Describe the entity sets of one service; there is no document for all services."""
    namespace = entities[0].type_name.rpartition(".")[0]
    types = "".join(_entity_type(facts) for facts in entities)
    sets = "".join(
        f"<EntitySet Name={quoteattr(facts.entity_set)} EntityType={quoteattr(facts.type_name)}/>"
        for facts in entities
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<edmx:Edmx Version="4.0" xmlns:edmx="{_EDMX}"><edmx:DataServices>'
        f'<Schema Namespace="{namespace}" xmlns="{_EDM}">{types}</Schema>'
        f'<Schema Namespace="Default" xmlns="{_EDM}">'
        f'<EntityContainer Name="Container">{sets}</EntityContainer></Schema>'
        "</edmx:DataServices></edmx:Edmx>"
    ).encode()


def service_document(context: str, entities: Sequence[EntityFacts]) -> bytes:
    """List the entity sets of one service."""
    value = [
        {"name": facts.entity_set, "kind": "EntitySet", "url": facts.entity_set}
        for facts in entities
    ]
    return json.dumps({"@odata.context": context, "value": value}).encode()


def _entity_type(facts: EntityFacts) -> str:
    name = facts.type_name.rpartition(".")[2]
    key = "".join(f"<PropertyRef Name={quoteattr(each)}/>" for each in facts.key)
    properties = "".join(_property(column, facts) for column in facts.columns.values())
    return f'<EntityType Name="{name}"><Key>{key}</Key>{properties}</EntityType>'


def _property(column: Column, facts: EntityFacts) -> str:
    attributes = {
        "Name": column.name,
        "Type": column.type,
        # Only key columns say that they are never null.
        "Nullable": "false" if column.name in facts.key else None,
        "MaxLength": column.max_length,
        "Precision": column.precision,
        "Scale": column.scale,
    }
    text = " ".join(
        f"{name}={quoteattr(str(value))}" for name, value in attributes.items() if value is not None
    )
    return f"<Property {text}/>"
