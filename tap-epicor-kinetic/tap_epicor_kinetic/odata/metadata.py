"""`$metadata` (CSDL XML) as values: which entity sets exist, their keys and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element


_NUMBER = re.compile(r"[0-9]{1,9}")


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
    # Loaded where it is needed: a run whose catalog knows the row types reads no XML.
    from defusedxml import DefusedXmlException, ElementTree  # noqa: PLC0415

    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, DefusedXmlException, LookupError, ValueError) as error:
        # An encoding that nobody knows is a LookupError, one that does not fit a ValueError.
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
    name: str,
    types: Mapping[str, Element],
    aliases: Mapping[str | None, str | None],
    heirs: tuple[str, ...] = (),
) -> EntityType:
    if name not in types:
        raise MetadataError(f"the entity type {name} is named by a set but not declared")
    if name in heirs:
        raise MetadataError(f"the entity type {name} is its own base type")
    node = types[name]
    inherited = (
        _entity_type(_resolve(base, aliases), types, aliases, (*heirs, name))
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
    is_number = value is not None and _NUMBER.fullmatch(value)
    return int(value) if value is not None and is_number else None


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
