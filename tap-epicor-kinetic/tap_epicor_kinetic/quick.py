"""The quick start of a plain sync: the same run, without loading the SDK first.

Loading the SDK takes longer than many a run that finds nothing new. Whatever is not plain, or not
right, is left to the SDK, which also has the words for what is wrong.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import signal
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .audit import AUDIT_STREAM
from .config import with_defaults
from .discovery import discover
from .output import Output
from .run import FINAL_MARKER, Run
from .selection import Selection, cached_entities, select, selected_streams
from .settings import SETTINGS
from .sync import Sync
from .tenant import connect

if TYPE_CHECKING:
    from types import FrameType

    from .kinetic.client import KineticClient
    from .selection import CatalogEntry

_FILES = {"--config": "config", "--catalog": "catalog", "--state": "state"}
_MERGED = "--config"
"""May come more than once; later files override earlier ones."""
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_SDK_ENVIRONMENT = ("SINGER_SDK_LOG_CONFIG", "TAP_EPICOR_KINETIC_LOGLEVEL", "LOGLEVEL")


@dataclass(frozen=True)
class Plain:
    """A sync that needs nothing of the SDK.

    Attributes:
        config: the settings as given.
        catalog: entries by stream; None for everything that is selected by default.
        state: what the last run left behind.
    """

    config: dict[str, Any]
    catalog: dict[str, CatalogEntry] | None
    state: dict[str, Any]


def plain_sync(arguments: list[str]) -> Plain | None:
    """Read the command line; None where it asks for more than a plain sync."""
    if any(name in os.environ for name in _SDK_ENVIRONMENT):
        return None
    try:
        files = _read_files(arguments)
        config, state = files["config"], files.get("state") or {}
        catalog = files.get("catalog")
        entries = None if catalog is None else {e["tap_stream_id"]: e for e in catalog["streams"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_plain = isinstance(config, dict) and _is_plain(config) and isinstance(state, dict)
    return Plain(config, entries, state) if is_plain else None


def _read_files(arguments: list[str]) -> dict[str, Any]:
    """What the files hold, by kind; settings of later files override those of earlier ones.

    Raises:
        KeyError: an option that is not for files.
        ValueError: a path is missing, or a file comes twice or is not JSON.
    """
    files: dict[str, Any] = {}
    for option, path in zip(arguments[::2], arguments[1::2], strict=True):
        name = _FILES[option]
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if name in files and option != _MERGED:
            raise ValueError(f"{option} comes twice")
        files[name] = {**files[name], **content} if name in files else content
    return files


def _is_plain(config: dict[str, Any]) -> bool:
    """Whether all settings are ours, there and of the right kind, as far as can be told at once."""
    properties = SETTINGS["properties"]
    return all(name in config for name in SETTINGS["required"]) and all(
        name in properties and _fits(value, properties[name]) for name, value in config.items()
    )


def _fits(value: object, schema: dict[str, Any]) -> bool:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = tuple(each for kind in kinds for each in _TYPES[kind])
    if type(value) not in types:
        return False
    if isinstance(value, list) and schema["items"].get("type") == ["string"]:
        return all(isinstance(item, str) for item in value)
    if isinstance(value, list | dict):
        return not value  # what is nested is judged by the whole schema
    if isinstance(value, int) and not isinstance(value, bool):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return value is None or "enum" not in schema or value in schema["enum"]


def run(plain: Plain) -> None:
    """Sync.

    Raises:
        TapError: when the run is not complete.
    """
    _log_to_stderr()
    settings = with_defaults(plain.config)
    state = copy.deepcopy(plain.state)
    state.pop(FINAL_MARKER, None)
    output = Output()
    run_ = Run(settings, state, output)
    client = connect(settings, sleep=run_.sleep, is_stopped=run_.check_stop)

    def stop(signum: int, _frame: FrameType | None) -> None:
        run_.request_stop(signum)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with closing(run_.ahead), closing(client):
        _send(plain, run_, client, output)


def _send(plain: Plain, run_: Run, client: KineticClient, output: Output) -> None:
    settings, catalog = run_.config, plain.catalog
    only = None if catalog is None else selected_streams(catalog)
    definitions = discover(
        settings,
        lambda service: client.metadata(settings.companies[0], service),
        only,
        cached=cached_entities(catalog or {}),
    )
    choices = [select(each, (catalog or {}).get(each.name)) for each in definitions]
    audit = None if catalog is None else catalog.get(AUDIT_STREAM)
    has_audit = catalog is None or (audit is not None and Selection(audit).has_stream)
    Sync(run_, client, output).send([c for c in choices if c], with_audit=has_audit)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s | %(levelname)-8s | %(name)-20s | %(message)s")
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
