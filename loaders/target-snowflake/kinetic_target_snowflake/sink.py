"""One stream on its way into its table: every row whole, or none of them."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from target_snowflake.sinks import SnowflakeSink

from kinetic_target_snowflake.columns import DECIMAL, decimal_test
from kinetic_target_snowflake.connector import GuardedConnector
from kinetic_target_snowflake.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kinetic_target_snowflake.target import GuardedTarget


class GuardedSink(SnowflakeSink):  # type: ignore[misc] # it has no types
    """Overrides what lets a value be rounded, cut or left out.

    Attributes:
        schema_as_given: of the SCHEMA message.
        keys_as_given: likewise; the SDK compares the table's spelling with it, in vain.
    """

    connector_class = GuardedConnector

    def __init__(
        self,
        target: GuardedTarget,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
        connector: GuardedConnector | None = None,
    ) -> None:
        self.schema_as_given = deepcopy(schema)
        self.keys_as_given = list(key_properties or ())
        super().__init__(target, stream_name, schema, key_properties, connector)
        properties = self.schema["properties"]
        self._known = properties.keys()
        self._tests = [
            (name, decimal_test(each["precision"], each["scale"]))
            for name, each in properties.items()
            if each.get("format") == DECIMAL and {"precision", "scale"} <= each.keys()
        ]

    def setup(self) -> None:
        """Make the table ready; without the community's traceback."""
        self.target.claim(self.full_table_name, self.stream_name)
        self.connector.prepare_schema(self.conform_name(self.schema_name, object_type="schema"))
        self.connector.invalidate_table_cache(self.full_table_name)
        self.connector.prepare_table(
            self.full_table_name, self.conform_schema(self.schema), self.key_properties
        )
        self.connector.invalidate_table_cache(self.full_table_name)

    def process_batch(self, context: dict[str, Any]) -> int | None:
        """Stage a batch and merge it."""
        self._check(context["records"])
        loaded: int | None = super().process_batch(context)
        return loaded

    def _parse_timestamps_in_record(self, **_: object) -> None:
        """Leave them to Snowflake, which keeps all nine digits of a second and refuses the rest."""

    def _check(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Refuse what Snowflake would round, and what nobody would store or find again."""
        for record in records:
            if not record.keys() <= self._known:
                raise GuardError(
                    f"a record of {self.stream_name} has "
                    f"{', '.join(sorted(record.keys() - self._known))}, which its schema has not; "
                    "it would not be stored"
                )
        for key in self.keys_as_given:
            if any(record.get(key) is None for record in records):
                raise GuardError(
                    f"a record of {self.stream_name} has no {key}, which is part of its key, so it "
                    "could not be told from others"
                )
        for name, fits in self._tests:
            for record in records:
                value = record.get(name)
                if value is not None and not fits(str(value)):
                    given = self.schema["properties"][name]
                    raise GuardError(
                        f"{self.stream_name}.{name} is {value}, which does not go into "
                        f"NUMBER({given['precision']}, {given['scale']}) unrounded; correct the "
                        "column's precision in Kinetic, or deselect it"
                    )
