"""`$metadata` (CSDL XML) as values: which entity sets exist, their keys and columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from defusedxml import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element


class MetadataError(ValueError):
    """The document is not the CSDL of an OData v4 service."""


@dataclass(frozen=True)
class Column:
    """A structural property: its name and its Edm type with the facets that matter here."""

    name: str
    edm_type: str
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True)
class EntityType:
    """A row type: qualified name (`Erp.PO`), key columns in `$metadata` order, columns by name."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column] = field(default_factory=dict)


def parse_metadata(document: bytes) -> dict[str, EntityType]:
    """Return the entity types of one service by the name of their entity set.

    Raises:
        MetadataError: when the document is not CSDL, or a set's type is not in it.
    """
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise MetadataError(f"the document is not XML ({error})") from error
    if _local(root) != "Edmx":
        raise MetadataError(f"the document element is <{_local(root)}>, not <Edmx>")
    types = {
        f"{schema.get('Namespace')}.{node.get('Name')}": node
        for schema in _named(root, "Schema")
        for node in _children(schema, "EntityType")
    }
    aliases = {s.get("Alias"): s.get("Namespace") for s in _named(root, "Schema") if s.get("Alias")}
    return {
        str(entity_set.get("Name")): _entity_type(
            _resolve(str(entity_set.get("EntityType")), aliases), types, aliases
        )
        for entity_set in _named(root, "EntitySet")
    }


def _entity_type(
    name: str, types: Mapping[str, Element], aliases: Mapping[str | None, str | None]
) -> EntityType:
    if name not in types:
        raise MetadataError(f"the entity type {name} is named by a set but not declared")
    node = types[name]
    inherited = (
        _entity_type(_resolve(base, aliases), types, aliases)
        if (base := node.get("BaseType"))
        else EntityType(name, ())
    )
    key = tuple(
        str(ref.get("Name"))
        for keys in _children(node, "Key")
        for ref in _children(keys, "PropertyRef")
    )
    own = {column.name: column for column in map(_column, _children(node, "Property"))}
    return EntityType(name, key or inherited.key, {**inherited.columns, **own})


def _column(node: Element) -> Column:
    return Column(
        name=str(node.get("Name")),
        edm_type=node.get("Type", "Edm.String"),
        precision=_facet(node, "Precision"),
        scale=_facet(node, "Scale"),
    )


def _facet(node: Element, name: str) -> int | None:
    """An integer facet; `variable` and `floating` (OData 4.01) say nothing definite."""
    value = node.get(name)
    return int(value) if value is not None and value.isdigit() else None


def _resolve(name: str, aliases: Mapping[str | None, str | None]) -> str:
    namespace, _, local = name.rpartition(".")
    return f"{aliases.get(namespace, namespace)}.{local}"


# CSDL's namespace address differs between OData versions; the local names do not.
def _local(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def _children(node: Element, name: str) -> Iterator[Element]:
    return (child for child in node if _local(child) == name)


def _named(node: Element, name: str) -> Iterator[Element]:
    return (child for child in node.iter() if _local(child) == name)
