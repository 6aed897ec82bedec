"""One stream on its way into its table: batches into a stage, the stage into the table by key."""

from __future__ import annotations

import io
import uuid
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import orjson
from google.api_core import exceptions as api
from google.cloud import bigquery
from singer_sdk.sinks import BatchSink
from target_bigquery.batch_job import BigQueryBatchJobDenormalizedSink
from target_bigquery.core import (
    PARTITION_STRATEGY,
    Compressor,
    bigquery_client_factory,
    transform_column_name,
)

from kinetic_target_bigquery.columns import column_of, widening
from kinetic_target_bigquery.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kinetic_target_bigquery.target import GuardedTarget

_MOST_UNDER_WAY = 4
"""Load jobs that run at Google meanwhile; each keeps its packed rows, to send them again."""
_MOST_TRIES = 3
_STAGE_LIFE = timedelta(days=1)
_MOST_CLUSTERED = 4
_SEQUENCE = "_sdc_sequence"


@dataclass
class _Load:
    """A load job and what it loads."""

    rows: bytes
    job: bigquery.LoadJob
    tries: int = 1


class GuardedSink(BigQueryBatchJobDenormalizedSink):  # type: ignore[misc] # it has no types
    """Overrides what loses rows or changes values.

    A batch is a load job into a stage, a table of its own that nobody reads. `commit` waits for
    the jobs, then merges the stage into the table in one statement, the last record of each key.
    """

    def __init__(
        self,
        target: GuardedTarget,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        self.schema_as_given = deepcopy(schema)
        # Not the community's own: it makes tables, and sleeps, for streams that bring no row.
        BatchSink.__init__(self, target, stream_name, schema, key_properties)
        self.client: bigquery.Client = bigquery_client_factory(target.credentials)
        self._names = {
            name: transform_column_name(name, **self.config.get("column_name_transforms", {}))
            for name in self.schema["properties"]
        }
        properties = self.schema["properties"].items()
        self._columns = [column_of(self._names[name], each) for name, each in properties]
        self._keys = [self._names[name] for name in key_properties or ()]
        self._home = f"{self.config['project']}.{self.config['dataset']}"
        self._buffer: Compressor | None = None
        self._stage: bigquery.TableReference | None = None
        self._loads: list[_Load] = []
        self._sequence = 0
        self._is_ready = False

    @property
    def target_table(self) -> str:
        """Project, dataset and table."""
        return f"{self._home}.{self.table_name}"

    def preprocess_record(
        self,
        record: dict[str, Any],
        context: Mapping[str, Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Give a record its place in the order in which they came, to tell the last of a key."""
        self._sequence = max(self._sequence + 1, record.get(_SEQUENCE) or 0)
        renamed = {self._names[name]: value for name, value in record.items()}
        missing = [key for key in self._keys if renamed.get(key) is None]
        if missing:
            raise GuardError(
                f"a record of {self.stream_name} has no {', '.join(missing)}, which is part of its "
                "key, so it could not be told from others"
            )
        return {**renamed, self._names[_SEQUENCE]: self._sequence}

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Pack a record."""
        if self._buffer is None:
            self._buffer = Compressor()
        self._buffer.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def process_batch(self, context: dict[str, Any]) -> None:  # noqa: ARG002
        """Start a load job; rows are in the stage when `commit` has seen it end."""
        if self._buffer is None:
            return
        rows = self._buffer.getvalue()
        self._buffer = None
        self._make_ready()
        while len(self._loads) >= _MOST_UNDER_WAY:
            self._finish(self._loads.pop(0))
        self._loads.append(_Load(rows, self._start(rows)))

    def commit(self) -> None:
        """Bring everything that was drained into the table; raises where that is not certain."""
        for load in self._loads:
            self._finish(load)
        self._loads.clear()
        if self._stage is None:
            return
        self.client.query(self._merge()).result()
        self.client.delete_table(self._stage, not_found_ok=True)
        self._stage = None

    def clean_up(self) -> None:
        """Nothing: `commit` has done it."""

    def _make_ready(self) -> None:
        """The table with every column, once; and a stage."""
        if not self._is_ready:
            self._prepare_table()
            self._is_ready = True
        if self._stage is None:
            name = f"{self._home}.{self.table_name}__stage_{uuid.uuid4().hex}"
            stage = bigquery.Table(name, schema=self._columns)
            stage.expires = datetime.now(timezone.utc) + _STAGE_LIFE
            self._stage = self.client.create_table(stage).reference

    def _prepare_table(self) -> None:
        try:
            table = self.client.get_table(self.target_table)
        except api.NotFound:
            self._create_table()
            return
        stored = {field.name.lower(): field for field in table.schema}
        for column in self._columns:
            there = stored.get(column.name.lower())
            wider = there and widening(
                f"{self.table_name}.{column.name}", there.field_type, column.field_type
            )
            if wider:
                self.client.query(
                    f"ALTER TABLE `{self.target_table}` ALTER COLUMN `{column.name}` "
                    f"SET DATA TYPE {wider}"
                ).result()
        new = [column for column in self._columns if column.name.lower() not in stored]
        if new:
            table = self.client.get_table(self.target_table)
            table.schema = [*table.schema, *new]
            self.client.update_table(table, ["schema"])
            self.logger.info("%s: new columns %s", self.table_name, [c.name for c in new])

    def _create_table(self) -> None:
        dataset = bigquery.Dataset(self._home)
        dataset.location = self.config.get("location") or "US"
        self.client.create_dataset(dataset, exists_ok=True)
        table = bigquery.Table(self.target_table, schema=self._columns)
        if self._keys and self.config.get("cluster_on_key_properties"):
            table.clustering_fields = self._keys[:_MOST_CLUSTERED]
        grain = self.config.get("partition_granularity")
        if grain:
            table.time_partitioning = bigquery.TimePartitioning(
                type_=PARTITION_STRATEGY[grain.upper()], field=self._names["_sdc_batched_at"]
            )
        self.client.create_table(table)

    def _start(self, rows: bytes) -> bigquery.LoadJob:
        config = bigquery.LoadJobConfig(
            schema=self._columns,
            source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        )
        job_id = f"kinetic-{uuid.uuid4()}"
        try:
            return self.client.load_table_from_file(
                io.BytesIO(rows), self._stage, job_id=job_id, job_config=config, num_retries=3
            )
        except api.Conflict:  # an answer was lost, and the same job was sent again
            return self.client.get_job(job_id, location=self.config.get("location"))

    def _finish(self, load: _Load) -> None:
        """Wait for a job; one that failed has loaded nothing, so it may be sent again."""
        while True:
            try:
                load.job.result(timeout=self.config.get("timeout", 600))
            except api.ServerError:
                if load.tries >= _MOST_TRIES:
                    raise
                load.tries += 1
                load.job = self._start(load.rows)
            except api.BadRequest as error:
                raise GuardError(
                    f"BigQuery refused a batch of {self.stream_name}: {_reasons(load.job, error)}"
                ) from error
            else:
                return

    def _merge(self) -> str:
        names = [f"`{column.name}`" for column in self._columns]
        listed = ", ".join(names)
        values = ", ".join(f"s.{name}" for name in names)
        if not self._keys:
            return (
                f"INSERT INTO `{self.target_table}` ({listed}) SELECT {listed} FROM `{self._stage}`"
            )
        keys = [f"`{key}`" for key in self._keys]
        return (
            f"MERGE `{self.target_table}` AS t USING ("
            f"SELECT * FROM `{self._stage}` WHERE TRUE QUALIFY ROW_NUMBER() OVER ("
            f"PARTITION BY {', '.join(keys)} ORDER BY `{self._names[_SEQUENCE]}` DESC) = 1) AS s "
            f"ON {' AND '.join(f't.{key} = s.{key}' for key in keys)} "
            f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = s.{name}' for name in names)} "
            f"WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({values})"
        )


def _reasons(job: bigquery.LoadJob, error: api.BadRequest) -> str:
    """What the job says; the error that it raises names only the first."""
    told = [str(each.get("message", "")) for each in job.errors or []]
    return "; ".join(dict.fromkeys(told[:3])) or str(error)
