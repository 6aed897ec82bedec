"""A row type as JSON, so that a catalog can carry what `$metadata` said."""

from __future__ import annotations

from typing import Any

import msgspec

from .odata.metadata import Column, EntityType

JsonValue = Any


class _Cached(msgspec.Struct, forbid_unknown_fields=True):
    """What is kept; columns are (name, Edm type, precision, scale)."""

    type: str
    key: list[str]
    columns: list[tuple[str, str, int | None, int | None]]


def entity_to_cache(entity: EntityType) -> JsonValue:
    """The row type as a JSON value that `entity_from_cache` takes back unchanged."""
    columns = [(c.name, c.edm_type, c.precision, c.scale) for c in entity.columns.values()]
    return msgspec.to_builtins(_Cached(entity.name, list(entity.key), columns))


def entity_from_cache(value: JsonValue) -> EntityType | None:
    """The row type; None where the value is absent or not what this version writes."""
    try:
        cached = msgspec.convert(value, _Cached)
    except msgspec.ValidationError:
        return None
    columns = {c[0]: Column(*c) for c in cached.columns}
    if not columns.keys() >= set(cached.key):
        return None
    return EntityType(cached.type, tuple(cached.key), columns)
