"""A Singer catalog, as `tap-epicor-kinetic --discover` prints it: streams, keys and columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import LookmlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class CatalogStream:
    """One selected stream.

    Attributes:
        name: of the stream.
        key: the names of its key columns.
        columns: Epicor's name by the name that is sent.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]


def read_catalog(path: Path) -> tuple[CatalogStream, ...]:
    """The selected streams of a catalog, by name.

    Raises:
        LookmlError: where the file is missing or is no catalog.
    """
    try:
        streams = json.loads(path.read_text(encoding="utf-8"))["streams"]
        found = [_stream(each) for each in streams if _is_selected(each)]
    except OSError as error:
        raise LookmlError(
            f"the catalog {path} cannot be read ({error.strerror}); write it with "
            "`tap-epicor-kinetic --config config.json --discover > catalog.json`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LookmlError(
            f"{path} is no Singer catalog; write one with "
            "`tap-epicor-kinetic --config config.json --discover > catalog.json`"
        ) from None
    return tuple(sorted(found, key=lambda stream: stream.name))


def _stream(entry: Mapping[str, Any]) -> CatalogStream:
    properties: Mapping[str, Mapping[str, Any]] = entry["schema"]["properties"]
    unselected = {
        each["breadcrumb"][1]
        for each in entry.get("metadata", ())
        if each["breadcrumb"] and not _is_sent(each["metadata"])
    }
    return CatalogStream(
        name=entry.get("stream") or entry["tap_stream_id"],
        key=tuple(entry.get("key_properties") or ()),
        columns={
            name: str(schema.get("title") or name)
            for name, schema in properties.items()
            if name not in unselected
        },
    )


def _is_selected(entry: Mapping[str, Any]) -> bool:
    """By its own word, else by the default; a catalog as discovered selects everything."""
    whole = (each["metadata"] for each in entry.get("metadata", ()) if not each["breadcrumb"])
    return _is_sent(next(whole, {}))


def _is_sent(metadata: Mapping[str, Any]) -> bool:
    inclusion = str(metadata.get("inclusion"))
    if inclusion in {"automatic", "unsupported"}:
        return inclusion == "automatic"
    return bool(metadata.get("selected", metadata.get("selected-by-default", True)))
