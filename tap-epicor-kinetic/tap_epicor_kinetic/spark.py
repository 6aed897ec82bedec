"""A PySpark data source: history loads that take more than one machine, on a cluster that exists.

    spark.dataSource.register(EpicorKinetic)
    spark.read.format("epicor_kinetic").option("stream", "gl_transactions").option(...).load()

Options are the tap's settings by name, lists and objects as JSON, and those of `EpicorKinetic`.
A setting that is no option comes from the driver's environment, TAP_EPICOR_KINETIC_API_KEY.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema
from typing_extensions import override

from .api import Kinetic, Range, State
from .errors import SettingsError
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql.types import StructType

    from .api import RowSet

COMPANY = "_epicor_company"
_ENVIRONMENT = "TAP_EPICOR_KINETIC_"
_SOURCE = ("stream", "service", "entity_set", "baq", "primary_keys", "select", "filter")
_OWN = (*_SOURCE, "partitions", "state_path")
_LISTS = ("primary_keys", "select")


class EpicorKinetic(DataSource):  # type: ignore[misc] # untyped where PySpark is not installed
    """Rows of a Kinetic tenant; each range of keys is a partition.

    Options, beside the tap's settings:
        stream: one of the tap's streams; or `service` and `entity_set`; or `baq`, the id of one.
        primary_keys, select, filter: as in `tap_epicor_kinetic.api.Options`; lists as `A,B`.
        partitions: how many ranges of keys to read, for each company; 8.
        state_path: a file of the driver, to which STATE is written for the tap: with it the tap
            goes on with what has changed since the read was planned. Needs `stream`.

    `max_concurrency` counts for each task and is 1 unless it is given: the cluster's slots say how
    many requests are in flight.
    """

    @classmethod
    @override
    def name(cls) -> str:
        """For `spark.read.format`."""
        return "epicor_kinetic"

    @override
    def schema(self) -> StructType:
        """As `$metadata` declares it, with the company of each row."""
        wanted = _Wanted.read(self.options)
        with wanted.tenant() as tenant:
            arrow = wanted.rows(tenant, wanted.companies[0]).schema
        return from_arrow_schema(arrow.append(pa.field(COMPANY, pa.string())))

    @override
    def reader(self, schema: StructType) -> DataSourceReader:
        """Reads partitions."""
        return _Reader(_Wanted.read(self.options))


@dataclass
class _Partition(InputPartition):  # type: ignore[misc] # untyped where PySpark is not installed
    company: str
    within: Range


class _Reader(DataSourceReader):  # type: ignore[misc] # untyped where PySpark is not installed
    def __init__(self, wanted: _Wanted) -> None:
        self._wanted = wanted

    @override
    def partitions(self) -> Sequence[InputPartition]:
        wanted = self._wanted
        found: list[InputPartition] = []
        states: dict[str, State] = {}
        with wanted.tenant() as tenant:
            for company in wanted.companies:
                rows = wanted.rows(tenant, company)
                states[company] = {}
                ranges = rows.ranges(wanted.partitions, state=states[company])
                found += [_Partition(company, each) for each in ranges]
        wanted.write_state(states)
        return found

    @override
    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        assert isinstance(partition, _Partition)  # noqa: S101 - `partitions` made them
        with self._wanted.tenant() as tenant:
            rows = self._wanted.rows(tenant, partition.company)
            for batch in rows.batches(within=partition.within):
                company = pa.array([partition.company] * batch.num_rows, pa.string())
                yield batch.append_column(COMPANY, company)


@dataclass(frozen=True)
class _Wanted:
    """The options, judged; goes to the workers with the secrets in it, and does not show them."""

    source: Mapping[str, str]
    settings: Mapping[str, Any]
    partitions: int
    state_path: str | None

    @staticmethod
    def read(options: Mapping[str, str]) -> _Wanted:
        settings: dict[str, Any] = {"max_concurrency": 1}
        for name, schema in SETTINGS["properties"].items():
            text = options.get(name, os.environ.get(_ENVIRONMENT + name.upper()))
            if text is not None:
                settings[name] = _value(name, text, schema)
        unknown = [name for name in options if name not in {*SETTINGS["properties"], *_OWN}]
        if unknown:
            raise SettingsError(
                f"{', '.join(unknown)} is no option; there are {', '.join(_OWN)} and the tap's "
                "settings."
            )
        if not settings.get("companies"):
            raise SettingsError('`companies` is not set; write ["EPIC06"].')
        source = {name: options[name] for name in _SOURCE if name in options}
        state_path = options.get("state_path")
        if state_path and "stream" not in source:
            raise SettingsError("`state_path` needs `stream`: STATE is kept by the tap's streams.")
        return _Wanted(source, settings, int(options.get("partitions", 8)), state_path)

    def __repr__(self) -> str:
        return f"epicor_kinetic({dict(self.source)})"

    @property
    def companies(self) -> list[str]:
        companies: list[str] = self.settings["companies"]
        return companies

    def tenant(self) -> Kinetic:
        return Kinetic.from_settings(self.settings)

    def rows(self, tenant: Kinetic, company: str) -> RowSet:
        source: dict[str, Any] = dict(self.source)
        for name in _LISTS:
            if name in source:
                source[name] = [each.strip() for each in source[name].split(",")]
        if "stream" in source:
            return tenant.stream(company, source.pop("stream"), **source)
        if "baq" in source:
            return tenant.baq(company, source.pop("baq"), **source)
        if {"service", "entity_set"} <= source.keys():
            service, entity_set = source.pop("service"), source.pop("entity_set")
            return tenant.entity_set(company, service, entity_set, **source)
        raise SettingsError("Which rows? Set `stream`, `service` and `entity_set`, or `baq`.")

    def write_state(self, states: Mapping[str, State]) -> None:
        if self.state_path is None:
            return
        partitions = [{"context": {COMPANY: name}, **state} for name, state in states.items()]
        state = {"bookmarks": {self.source["stream"]: {"partitions": partitions}}}
        Path(self.state_path).write_text(json.dumps(state), encoding="utf-8")


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - by schema
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "string" in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise SettingsError(f"`{name}` has to be JSON, such as {_EXAMPLES[kinds[0]]}.") from None


_EXAMPLES = {"array": '["EPIC06"]', "object": "{}", "integer": "4", "boolean": "true"}
