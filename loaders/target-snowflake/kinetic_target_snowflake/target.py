"""The community's target; settings and command line are its own."""

from __future__ import annotations

import copy
import json
import signal
from typing import TYPE_CHECKING, Any, ClassVar

from target_snowflake.target import TargetSnowflake

from kinetic_target_snowflake.connector import PATIENCE, PATIENCE_SECONDS
from kinetic_target_snowflake.errors import GuardError, StateError
from kinetic_target_snowflake.sink import GuardedSink

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIXED = {
    "add_record_metadata": True,
    "load_method": "upsert",
    "quoted_identifiers_ignore_case": True,
    "timestamp_type": "TIMESTAMP_TZ",
    "use_raw_stream_names": True,
    "uuid_format": "string",
}
"""The one way that is proved; others lose offsets, dashes or retractions, or mix streams."""
_DEFAULTS = {
    # The tap makes records by their schema, and what is checked here and by Snowflake is refused.
    "validate_records": False,
}
_ABSENT = (
    "hard_delete", "ingestion_method", "normalise_casing", "schema", "use_browser_authentication",
)  # fmt: skip
"""Settings of the community's that mean nothing here."""


def _settings() -> dict[str, Any]:
    schema: dict[str, Any] = copy.deepcopy(TargetSnowflake.config_jsonschema)
    TargetSnowflake.append_builtin_config(schema)
    for name, value in (_FIXED | _DEFAULTS).items():
        schema["properties"][name]["default"] = value
    schema["properties"][PATIENCE] = {
        "type": ["integer", "null"],
        "default": PATIENCE_SECONDS,
        "description": "How long one request is tried again before the load is given up.",
    }
    return schema


class GuardedTarget(TargetSnowflake):  # type: ignore[misc] # it has no types
    """Overrides what leaves an older row above a newer one, or ends too well."""

    config_jsonschema: ClassVar[dict[str, Any]] = _settings()
    default_sink_class = GuardedSink

    def __init__(self, *, config: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401
        # An environment variable that is empty is a setting that is not there.
        given = {name: value for name, value in (config or {}).items() if value not in (None, "")}
        known = self.config_jsonschema["properties"].keys() - set(_ABSENT)
        unknown = given.keys() - known  # before the SDK adds its own defaults to it
        super().__init__(config=given, **options)
        if unknown:
            raise GuardError(f"there is no setting {', '.join(sorted(unknown))}; remove it")
        for name, value in _FIXED.items():
            if self.config.get(name, value) != value:
                raise GuardError(
                    f"`{name}` can only be {json.dumps(value)} here: anything else changes or "
                    "loses what is stored; remove the setting"
                )
        if not self.config.get("default_target_schema"):
            raise GuardError("`default_target_schema` is missing: the schema for the tables")
        self._streams: dict[str, str] = {}
        """By table."""

    def claim(self, table: str, stream: str) -> None:
        """A table is one stream's.

        Raises:
            GuardError: when another stream has it.
        """
        other = self._streams.setdefault(str(table), stream)
        if other != stream:
            raise GuardError(
                f"{other} and {stream} would both be loaded into {table}; give one of them another "
                "name (`name` in `baqs` and `business_objects`)"
            )

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: list[str] | None = None,
    ) -> GuardedSink:
        """A stream's sink; another schema in mid-run is another sink, once the first has loaded.

        The SDK would keep the first for the end, where its older rows overwrite newer ones.
        """
        sink: GuardedSink | None = self._sinks_active.get(stream_name)
        if sink is not None and schema is not None:
            if (sink.schema_as_given, sink.keys_as_given) == (schema, list(key_properties or ())):
                return sink
            self.drain_one(sink)
            sink.clean_up()
            del self._sinks_active[stream_name]
        found: GuardedSink = super().get_sink(
            stream_name, record=record, schema=schema, key_properties=key_properties
        )
        return found

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Hand STATE on; whoever has to keep it may be gone."""
        try:
            super()._write_state_message(state)
        except OSError as error:
            raise StateError(
                "The rows are in Snowflake, and STATE could not be written to stdout "
                f"({error.strerror}): what reads it has ended or has no room; look there, then run "
                "again: the same rows, by their keys, change nothing"
            ) from error

    def _handle_termination(self, signum: int, frame: object) -> None:  # noqa: ARG002
        """End without success: the SDK loses the batch that is under way, and exits with 0."""
        raise GuardError(f"the loader was stopped by {signal.Signals(signum).name}")
