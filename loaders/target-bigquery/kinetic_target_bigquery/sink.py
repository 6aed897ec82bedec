"""One stream on its way into its table: batches into a stage, the stage into the table by key."""

from __future__ import annotations

import hashlib
import io
import uuid
import zlib
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from google.api_core import exceptions as api
from google.cloud import bigquery
from singer_sdk.sinks import BatchSink
from target_bigquery.batch_job import BigQueryBatchJobDenormalizedSink
from target_bigquery.core import bigquery_client_factory, transform_column_name

from kinetic_target_bigquery.columns import column_of
from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.explain import OUTSIDE
from kinetic_target_bigquery.jobs import Job, Patience
from kinetic_target_bigquery.layout import Layout, settle
from kinetic_target_bigquery.statements import append, merge
from kinetic_target_bigquery.table import Wanted, make_ready
from kinetic_target_bigquery.values import DIGITS, MOST_EXACT, goes_whole, integer, plain_test

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kinetic_target_bigquery.target import GuardedTarget

_MOST_UNDER_WAY = 4
"""Load jobs that run at Google meanwhile; each keeps its packed rows, to send them again."""
_STAGE_LIFE = timedelta(days=1)
_MOST_CLUSTERED = 4
_SHOWN = 80
"""Characters of a value in a message."""
_GZIP = 31
"""What zlib calls that format."""
_SEQUENCE = "_sdc_sequence"
_BATCHED = "_sdc_batched_at"
_EXTRACTED = "_sdc_extracted_at"
_OF_THIS_RUN = {"_sdc_received_at", _BATCHED, _SEQUENCE}
"""What the loader adds to a record, and what is another each time that it is sent."""


class GuardedSink(BigQueryBatchJobDenormalizedSink):  # type: ignore[misc] # it has no types
    """Overrides what loses rows or changes values.

    A batch is a load job into a stage, a table of its own that nobody reads. `commit` waits for
    the jobs, then brings the stage into the table in one statement.
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
        self._patience = Patience(self.config.get("timeout", 600))
        self._names = {
            name: transform_column_name(name, **self.config.get("column_name_transforms", {}))
            for name in self.schema["properties"]
        }
        self._are_renamed = any(name != column for name, column in self._names.items())
        properties = self.schema["properties"].items()
        self._columns = [column_of(self._names[name], each) for name, each in properties]
        self._keys = [self._names[name] for name in key_properties or ()]
        kinds = {
            name: each.field_type for name, each in zip(self._names, self._columns, strict=True)
        }
        self._integers = [name for name, kind in kinds.items() if kind == "INTEGER"]
        self._decimals = [
            (name, kind, plain_test(kind)) for name, kind in kinds.items() if kind in DIGITS
        ]
        self._wanted = Wanted(
            self.config["project"], self.config["dataset"],
            target.table_of(stream_name, super().table_name), self._columns,
            self._layout(target.layouts.get(stream_name, Layout())), self.config.get("location"),
        )  # fmt: skip
        self._rows: _Packed | None = None
        self._table: Any = None
        self._stage: Any = None
        self._loads: list[Job] = []
        self._batches = 0
        self._sequence = 0
        self._content = None if self._keys else _Content()

    @property
    def table_name(self) -> str:
        """Without project and dataset."""
        return self._wanted.name

    def _layout(self, layout: Layout) -> Layout:
        grain = self.config.get("partition_granularity")
        clustered = self.config.get("cluster_on_key_properties")
        default = Layout(
            partition_by=self._names[_BATCHED] if grain else None, grain=grain,
            cluster_by=tuple(self._keys[:_MOST_CLUSTERED]) if clustered else (),
        )  # fmt: skip
        return settle(layout, self.stream_name, self._columns, self._names, default)

    def preprocess_record(
        self,
        record: dict[str, Any],
        context: Mapping[str, Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Judge a record, and give it its place in the order in which they came."""
        unknown = record.keys() - self._names.keys()
        if unknown:
            raise GuardError(
                f"a record of {self.stream_name} has {', '.join(sorted(unknown))}, which its "
                "schema does not have; the tap has to send the schema first"
            )
        self._keep_digits(record)
        if self._content is not None:
            self._content.add(record, self._json)
        self._sequence = max(self._sequence + 1, record.get(_SEQUENCE) or 0)
        record[_SEQUENCE] = self._sequence
        if self._are_renamed:
            record = {self._names[name]: value for name, value in record.items()}
        missing = [key for key in self._keys if record.get(key) is None]
        if missing:
            raise GuardError(
                f"a record of {self.stream_name} has no {', '.join(missing)}, which is part of its "
                "key, so it could not be told from others"
            )
        return record

    def _keep_digits(self, record: dict[str, Any]) -> None:
        """Refuse what BigQuery would round, and write long integers as texts."""
        for name in self._integers:
            value = record.get(name)
            if value is None or (type(value) is int and -MOST_EXACT <= value <= MOST_EXACT):
                continue
            record[name] = integer(value)
            if record[name] is None:
                raise GuardError(
                    f"{self._place(name, value, record)}, which is no whole number of 64 bits, as "
                    "INTEGER holds; have a stream map make it a decimal or a text, or deselect it"
                )
        for name, kind, is_plain in self._decimals:
            value = record.get(name)
            if value is None or (type(value) is str and is_plain(value)):
                continue
            if not goes_whole(kind, value):
                raise GuardError(
                    f"{self._place(name, value, record)}, which does not go into {kind} unrounded: "
                    f"it holds {DIGITS[kind][1]} digits behind the point and {DIGITS[kind][0]} "
                    "before it; correct the column's precision in Kinetic, round it in a stream "
                    "map, or deselect it"
                )

    def _place(self, name: str, value: object, record: Mapping[str, Any]) -> str:
        key = ", ".join(
            f"{each} {record.get(each)}" for each in self.key_properties if each != name
        )
        row = f" in the row of {key}" if key else ""
        return f"{self.stream_name}.{name} is {str(value)[:_SHOWN]}{row}"

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Pack a record."""
        if self._rows is None:
            self._rows = _Packed()
        self._rows.add(self._json(record, 0))

    def _json(self, record: Mapping[str, Any], option: int) -> bytes:
        try:
            return bytes(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | option))
        except TypeError as error:
            raise GuardError(
                f"a record of {self.stream_name} cannot be written: {error}; deselect the column "
                "that holds such a value, or have a stream map make it a text"
            ) from error

    def process_batch(self, context: dict[str, Any]) -> None:  # noqa: ARG002
        """Start a load job; rows are in the stage when `commit` has seen it end."""
        if self._rows is None:
            return
        rows = self._rows.end()
        self._rows = None
        stage = self._make_ready()
        while len(self._loads) >= _MOST_UNDER_WAY:
            self._finish(self._loads.pop(0))
        self._batches += 1
        start = partial(self._start, rows, stage)
        self._loads.append(self._job(f"{stage.table_id}-load-{self._batches}", start))

    def commit(self) -> None:
        """Bring everything that was drained into the table; raises where that is not certain."""
        for load in self._loads:
            self._finish(load)
        self._loads.clear()
        if self._stage is None:
            return
        names = [column.name for column in self._columns]
        address, stage = self._wanted.address, str(self._stage)
        if self._content is None:
            order = self._names[_SEQUENCE]
            statement = merge(address, stage, names, self._keys, order)
            self._run(statement, f"{self._stage.table_id}-merge")
        else:
            self._append(append(address, stage, names), self._content)
            self._content = _Content()
        self._drop_stage()

    def clean_up(self) -> None:
        """Nothing: `commit` has done it."""

    def _append(self, statement: str, content: _Content) -> None:
        """Rows without a key, unless a job of this very content has appended them before."""
        digest = content.digest(self._wanted.address)
        if digest is None:
            self._run(statement, f"{self._stage.table_id}-append")
            return
        job = self._run(statement, f"{self.table_name}__append_{digest}", self._table.created)
        if job.was_there:
            self.logger.warning(
                "%s: job %s has appended these %s rows at %s; they are not appended again",
                self.table_name, job.job.job_id, content.rows, job.job.created,
            )  # fmt: skip

    def _run(self, statement: str, name: str, since: datetime | None = None) -> Job:
        def start(job_id: str) -> bigquery.QueryJob:
            return self.client.query(
                statement, job_id=job_id, location=self._table.location, job_retry=None,
                **self._patience.call,
            )  # fmt: skip

        job = self._job(name, start, since)
        job.wait()
        return job

    def _job(self, name: str, start: Any, since: datetime | None = None) -> Job:  # noqa: ANN401
        return Job(
            self.client, f"kinetic-{name}", start, self._patience, self._table.location, since
        )

    def _make_ready(self) -> bigquery.TableReference:
        """The table with every column, once; and a stage."""
        if self._table is None:
            self._table = make_ready(self.client, self._wanted, self._patience, self.logger)
        if self._stage is None:
            name = f"{self._wanted.address}__stage_{uuid.uuid4().hex}"
            stage = bigquery.Table(name, schema=self._columns)
            stage.expires = datetime.now(timezone.utc) + _STAGE_LIFE
            made = self.client.create_table(stage, exists_ok=True, **self._patience.call)
            self._stage = made.reference
        return self._stage

    def _drop_stage(self) -> None:
        """Its rows are in the table: whatever happens to it now is no reason to load them again."""
        try:
            self.client.delete_table(self._stage, not_found_ok=True, **self._patience.call)
        except OUTSIDE as error:
            self.logger.warning("%s stays, and goes by itself in a day: %s", self._stage, error)
        self._stage = None

    def _start(self, rows: bytes, stage: bigquery.TableReference, job_id: str) -> bigquery.LoadJob:
        config = bigquery.LoadJobConfig(
            schema=self._columns,
            source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        )
        return self.client.load_table_from_file(
            io.BytesIO(rows), stage, job_id=job_id, job_config=config,
            location=self._table.location, num_retries=self._patience.repeats,
            timeout=self._patience.call["timeout"],
        )  # fmt: skip

    def _finish(self, load: Job) -> None:
        """Wait for a job; one that failed has loaded nothing, so it may be sent again."""
        try:
            load.wait(self._patience.seconds)
        except api.BadRequest as error:
            raise GuardError(
                f"BigQuery refused a batch of {self.stream_name}: {_reasons(load.job, error)}"
            ) from error


class _Packed:
    """Rows of a batch, packed as they come: quickly, since packing costs more than the line."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(level=1, wbits=_GZIP)
        self._parts: list[bytes] = []

    def add(self, row: bytes) -> None:
        """One more."""
        self._parts.append(self._packer.compress(row))

    def end(self) -> bytes:
        """All of them."""
        return b"".join([*self._parts, self._packer.flush()])


class _Content:
    """What rows without a key are, however often they are sent."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = hashlib.sha256()
        self._is_known = True

    def add(
        self, record: Mapping[str, Any], write: Callable[[Mapping[str, Any], int], bytes]
    ) -> None:
        """A record, as it came, with what the SDK has added."""
        self.rows += 1
        # Without a time of extraction, the same row may well be another observation of it.
        self._is_known = self._is_known and record.get(_EXTRACTED) is not None
        as_sent = {name: value for name, value in record.items() if name not in _OF_THIS_RUN}
        self._sum.update(write(as_sent, orjson.OPT_SORT_KEYS))

    def digest(self, table: str) -> str | None:
        """A name for it in a table; None where it cannot be told from rows that only look so."""
        if not self._is_known:
            return None
        return hashlib.sha256(f"{table} {self._sum.hexdigest()}".encode()).hexdigest()[:40]


def _reasons(job: bigquery.LoadJob, error: api.BadRequest) -> str:
    """What the job says; the error that it raises names only the first."""
    told = [str(each.get("message", "")) for each in job.errors or []]
    return "; ".join(dict.fromkeys(told[:3])) or str(error)
