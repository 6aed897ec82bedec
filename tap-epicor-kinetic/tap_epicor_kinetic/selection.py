"""What a catalog selects, by Singer's rules, and what of it the tenant has."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .audit import AUDIT_STREAM
from .discovery import ADDED_COLUMNS
from .errors import DiscoveryError
from .schema_cache import entity_from_cache, entity_to_cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .discovery import StreamDefinition
    from .odata.metadata import EntityType

logger = logging.getLogger("tap-epicor-kinetic")

ENTITY_IN_CATALOG = "epicor-entity"
"""Where a catalog keeps what `$metadata` said of a stream: in the metadata of its root."""
_FULL_TABLE = "FULL_TABLE"

CatalogEntry = dict[str, Any]
"""One of a catalog's `streams`, as JSON."""


@dataclass(frozen=True)
class SelectedStream:
    """A stream that is to be read.

    Attributes:
        definition: what it is.
        columns: the source's names of what is sent.
        is_cached: the row type came out of the catalog; the tenant may have changed since.
    """

    definition: StreamDefinition
    columns: tuple[str, ...]
    is_cached: bool = False

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.definition.name

    def schema(self) -> dict[str, Any]:
        """JSON Schema of what is sent."""
        definition = self.definition
        sent = (*(definition.names[name] for name in self.columns), *ADDED_COLUMNS)
        properties = {name: definition.schema["properties"][name] for name in sent}
        return {"type": "object", "properties": properties}


class Selection:
    """One entry of a catalog."""

    def __init__(self, entry: CatalogEntry) -> None:
        self._columns = entry.get("schema", {}).get("properties")
        self._metadata: dict[tuple[str, ...], Mapping[str, Any]] = {
            tuple(each["breadcrumb"]): each["metadata"] for each in entry.get("metadata", [])
        }
        root = self._metadata.get((), {})
        methods = {entry.get("replication_method"), root.get("forced-replication-method")}
        self.is_full_table = _FULL_TABLE in methods
        kept = root.get(ENTITY_IN_CATALOG) or {}
        self.source: str | None = kept.get("source")
        self.entity: EntityType | None = entity_from_cache(kept.get("entity"))

    @property
    def has_stream(self) -> bool:
        """Whether the stream is selected."""
        return not self._metadata or self._chosen((), otherwise=False)

    def has_column(self, name: str) -> bool:
        """Whether a column is selected; one that the catalog does not list is not."""
        if self._columns is not None and name not in self._columns:
            return False
        return self._chosen(("properties", name), otherwise=True)

    def columns(self) -> set[str]:
        """The columns that the catalog lists and selects."""
        return {name for name in self._columns or () if self.has_column(name)}

    def knows(self, name: str) -> bool:
        """Whether the catalog lists a column."""
        return self._columns is None or name in self._columns

    def _chosen(self, breadcrumb: tuple[str, ...], *, otherwise: bool) -> bool:
        metadata = self._metadata.get(breadcrumb, {})
        inclusion = metadata.get("inclusion")
        if inclusion in {"unsupported", "automatic"}:
            return bool(inclusion == "automatic")
        for name in ("selected", "selected-by-default"):
            if metadata.get(name) is not None:
                return bool(metadata[name])
        return otherwise


def select(definition: StreamDefinition, entry: CatalogEntry | None) -> SelectedStream | None:
    """What to send of a stream; None where the catalog does not select it.

    Args:
        definition: of a stream that the tenant has.
        entry: the catalog's; None sends what is selected by default.

    Raises:
        DiscoveryError: when the catalog selects what the tenant does not have, or what has no
            exact form.
    """
    selection, is_cached = Selection(entry or {}), False
    if entry is not None:
        if not selection.has_stream:
            return None
        _check_columns(definition, selection)
        if selection.is_full_table:
            definition = replace(definition, cursor=None)
        is_cached = selection.source == definition.facts.source
    columns = tuple(
        name
        for name in definition.entity.columns
        if name not in definition.left_out | definition.unselected
        and (name in definition.always_sent or selection.has_column(definition.names[name]))
    )
    unknown = [definition.unknown[name] for name in columns if name in definition.unknown]
    if unknown:
        raise DiscoveryError(
            f"Stream {definition.name}: {'; '.join(unknown)}, which has no exact form. Deselect it "
            "in the catalog (select rules in Meltano)."
        )
    return SelectedStream(definition, columns, is_cached)


def selected_streams(catalog: Mapping[str, CatalogEntry]) -> set[str]:
    """The streams that a catalog selects; the audit is no stream of the tenant's."""
    chosen = {name for name, entry in catalog.items() if Selection(entry).has_stream}
    return chosen - {AUDIT_STREAM}


def cached_entities(catalog: Mapping[str, CatalogEntry]) -> dict[str, EntityType]:
    """What `$metadata` said when the catalog was made, by `service/entity_set`."""
    selections = map(Selection, catalog.values())
    return {each.source: each.entity for each in selections if each.source and each.entity}


def keep_entity(entry: CatalogEntry, definition: StreamDefinition) -> None:
    """Put into a catalog's entry what `$metadata` said of its stream."""
    for each in entry["metadata"]:
        if not each["breadcrumb"]:
            entity = entity_to_cache(definition.entity)
            each["metadata"][ENTITY_IN_CATALOG] = {
                "source": definition.facts.source,
                "entity": entity,
            }


def _check_columns(definition: StreamDefinition, selection: Selection) -> None:
    gone = selection.columns() - definition.schema["properties"].keys()
    if gone:
        raise DiscoveryError(
            f"Stream {definition.name}: the catalog selects {', '.join(sorted(gone))}, which the "
            "tenant no longer has. Run --discover again, or deselect these columns."
        )
    sent = (name for name in definition.entity.columns if name not in definition.left_out)
    warn_of_new_columns(
        definition.name, {name for name in sent if not selection.knows(definition.names[name])}
    )


def warn_of_new_columns(stream: str, names: set[str]) -> None:
    """Tell of columns that the tenant has and the catalog lacks."""
    if names:
        logger.warning(
            "%s: the tenant has columns that the catalog does not know: %s; run --discover again "
            "to load them",
            stream,
            ", ".join(sorted(names)),
        )
