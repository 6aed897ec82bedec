"""One stream on its way into its table: every row whole, or none of them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from singer_sdk.helpers._batch import StorageTarget
from target_snowflake.sinks import SnowflakeSink

from kinetic_target_snowflake.columns import decimal_test, number_of, one_value
from kinetic_target_snowflake.connector import GuardedConnector
from kinetic_target_snowflake.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.helpers._batch import BatchConfig

    from kinetic_target_snowflake.target import GuardedTarget

_SHOWN = 80
"""Characters of a value in a message."""


class GuardedSink(SnowflakeSink):  # type: ignore[misc] # it has no types
    """Overrides what lets a value be rounded, cut or left out.

    Attributes:
        schema_as_given: of the SCHEMA message.
        keys_as_given: likewise; the SDK compares the table's spelling with it, in vain.
    """

    connector_class = GuardedConnector
    _storage: StorageTarget | None = None

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
        numbers = {name: number_of(each) for name, each in properties.items()}
        self._tests = [
            (name, number, decimal_test(number.size, number.scale))
            for name, number in numbers.items()
            if number
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

    @property
    def batch_config(self) -> BatchConfig:
        """The community's, with a folder of its own for each batch."""
        config: BatchConfig = super().batch_config
        return replace(config, storage=self._storage) if self._storage else config

    def process_batch(self, context: dict[str, Any]) -> int | None:
        """Stage a batch and merge it; no rows stay on this machine, whatever happens."""
        records = context["records"]
        self._check(records)
        context["records"] = self._last_of_each_key(records)
        loaded: int | None
        if not self.config.get("clean_up_batch_files", True):
            loaded = super().process_batch(context)
            return loaded
        root = Path(url2pathname(urlsplit(super().batch_config.storage.root).path))
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root) as folder:
            self._storage = StorageTarget(Path(folder).as_uri())
            loaded = super().process_batch(context)
        return loaded

    def _last_of_each_key(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of rows that came in order; Snowflake promises none for what it reads from a file."""
        if not self.keys_as_given:
            return records
        properties = self.schema["properties"]
        columns = [
            [one_value(properties[key])(record[key]) for record in records]
            for key in self.keys_as_given
        ]
        return list(dict(zip(zip(*columns, strict=True), records, strict=True)).values())

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
        for name, number, fits in self._tests:
            for record in records:
                value = record.get(name)
                if value is not None and not fits(str(value)):
                    raise GuardError(
                        f"{self._place(name, value, record)}, which does not go into {number} "
                        "unrounded; correct the column's type or precision in Kinetic, or deselect "
                        "it"
                    )

    def _place(self, name: str, value: object, record: Mapping[str, Any]) -> str:
        key = ", ".join(f"{each} {record[each]}" for each in self.keys_as_given if each != name)
        row = f" in the row of {key}" if key else ""
        return f"{self.stream_name}.{name} is {str(value)[:_SHOWN]}{row}"
