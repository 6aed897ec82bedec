"""The community's target, with STATE behind its rows."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.plugin_base import JSONSchemaValidator
from singer_sdk.target_base import Target
from target_bigquery.core import BigQueryCredentials
from target_bigquery.target import TargetBigQuery

from kinetic_target_bigquery.errors import GuardError, StateError
from kinetic_target_bigquery.key_file import read_key
from kinetic_target_bigquery.layout import SETTING, read_layouts
from kinetic_target_bigquery.sink import GuardedSink

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTS = {
    "batch_size": 25_000,
    "cluster_on_key_properties": True,
    "dedupe_before_upsert": True,
    "denormalized": True,
    "method": "batch_job",
    "partition_granularity": "day",
    "upsert": True,
}
_FIXED = ("dedupe_before_upsert", "denormalized", "method", "upsert")
"""The one way that is proved."""
_ABSENT = ("bucket", "generate_view", "overwrite", "schema_resolver_version")
"""Settings of the community's that mean nothing here."""
_OF_THE_SDK = {
    "add_record_metadata", "batch_config", "flattening_enabled", "flattening_max_depth",
    "stream_map_config", "stream_maps",
}  # fmt: skip


def _settings() -> dict[str, Any]:
    schema: dict[str, Any] = copy.deepcopy(TargetBigQuery.config_jsonschema)
    for name, default in _DEFAULTS.items():
        schema["properties"][name]["default"] = default
    for name in _ABSENT:
        del schema["properties"][name]
    schema["required"] = ["project", "dataset"]
    # Unset means: wherever the dataset is.
    del schema["properties"]["location"]["default"]
    schema["properties"]["timeout"]["minimum"] = 1
    schema["properties"]["batch_size"]["minimum"] = 1
    schema["properties"]["tables"] = SETTING
    return schema


class GuardedTarget(TargetBigQuery):  # type: ignore[misc] # it has no types
    """Overrides what loses rows; settings and command line are the community's."""

    config_jsonschema: ClassVar[dict[str, Any]] = _settings()

    def __init__(self, *, config: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(config=config, **options)
        for name in _FIXED:
            if self.config.get(name, _DEFAULTS[name]) != _DEFAULTS[name]:
                raise GuardError(
                    f"`{name}` can only be {json.dumps(_DEFAULTS[name])} here: other ways of "
                    "loading lose rows; remove the setting"
                )
        self.credentials = self._credentials = _credentials(self.config)
        self.layouts = read_layouts(self.config.get("tables", {}))
        self._streams: dict[str, str] = {}
        """By table, in lower case."""

    def _validate_config(
        self,
        raise_errors: bool = True,  # noqa: ARG002, FBT001, FBT002
        warnings_as_errors: bool = False,  # noqa: ARG002, FBT001, FBT002
    ) -> tuple[list[str], list[str]]:
        """Judge the settings; the community's goes on with wrong ones, and logs what they hold."""
        for error in JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config):
            name = ".".join(str(part) for part in error.path)
            if error.validator == "required":
                raise GuardError(error.message)
            wanted = json.dumps(error.validator_value)
            raise GuardError(f"`{name}` is not as it has to be: {error.validator} {wanted}")
        unknown = self.config.keys() - self.config_jsonschema["properties"].keys() - _OF_THE_SDK
        if unknown:
            raise GuardError(f"there is no setting {', '.join(sorted(unknown))}; remove it")
        return [], []

    def table_of(self, stream: str, own: str) -> str:
        """A stream's table.

        Args:
            stream: its name.
            own: what its table is called where `tables` does not say.

        Raises:
            GuardError: when another stream has it.
        """
        layout = self.layouts.get(stream)
        table = (layout and layout.table) or own
        other = self._streams.setdefault(table.lower(), stream)
        if other != stream:
            raise GuardError(
                f"{other} and {stream} would both be loaded into {table}; give one of them another "
                "`table` in `tables`"
            )
        return table

    def get_sink_class(self, stream_name: str | None = None) -> type[GuardedSink]:  # noqa: ARG002
        """One kind for all streams."""
        return GuardedSink

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: list[str] | None = None,
    ) -> GuardedSink:
        """A stream's sink; another schema in mid-run is another sink, once the first has loaded."""
        sink = self._sinks_active.get(stream_name)
        if sink is not None and schema not in (None, sink.schema_as_given):
            self.drain_one(sink)
            sink.commit()
            del self._sinks_active[stream_name]
        found: GuardedSink = super().get_sink(
            stream_name, record=record, schema=schema, key_properties=key_properties
        )
        return found

    def drain_one(self, sink: GuardedSink) -> None:
        """Start a load job; without the community's workers, which give up jobs in silence."""
        Target.drain_one(self, sink)

    def drain_all(self, is_endofpipe: bool = False) -> None:  # noqa: FBT001, FBT002
        """Load and merge everything, then say so: STATE is what the tables hold."""
        state = copy.deepcopy(self._latest_state)
        if is_endofpipe and self.layouts.keys() - self._streams.values():
            absent = sorted(self.layouts.keys() - self._streams.values())
            self.logger.info("`tables` also names %s, which did not come", ", ".join(absent))
        sinks = list(self._sinks_active.values())
        for sink in sinks:
            self.drain_one(sink)
        for sink in sinks:
            sink.commit()
        if state:
            self._write_state_message(state)
        self._reset_max_record_age()

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Hand STATE on; whoever has to keep it may be gone."""
        try:
            super()._write_state_message(state)
        except OSError as error:
            raise StateError(
                "The rows are in BigQuery, and STATE could not be written to stdout "
                f"({error.strerror}): what reads it has ended or has no room; look there, then run "
                "again: the same rows, by their keys, change nothing"
            ) from error


def _credentials(config: Mapping[str, Any]) -> BigQueryCredentials:
    """The key of the settings, mended; without one, what Google's library finds by itself."""
    text, setting = config.get("credentials_json"), "credentials_json"
    path = config.get("credentials_path")
    if path and not text:
        setting = "credentials_path"
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise GuardError(
                f"`credentials_path`: {path} cannot be read: {error.strerror}."
            ) from error
    key = json.dumps(read_key(text, setting)) if text else None
    return BigQueryCredentials(None, key, config["project"])
