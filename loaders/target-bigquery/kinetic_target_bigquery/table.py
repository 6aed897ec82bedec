"""A stream's table: made where it is missing, given new columns, compared with its layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.api_core import exceptions as api
from google.cloud import bigquery

from kinetic_target_bigquery.columns import widening
from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.layout import Layout, words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from logging import Logger

    from google.cloud.bigquery import SchemaField

    from kinetic_target_bigquery.jobs import Patience

_PAGE = "docs/warehouses/bigquery.md"


@dataclass(frozen=True)
class Wanted:
    """A table as it has to be.

    Attributes:
        project: of the dataset.
        dataset: its name.
        name: of the table.
        columns: all that a row has.
        layout: settled.
        location: of a dataset that has to be made; one that is there has to be in it, if given.
    """

    project: str
    dataset: str
    name: str
    columns: Sequence[SchemaField]
    layout: Layout
    location: str | None

    @property
    def home(self) -> str:
        """Project and dataset."""
        return f"{self.project}.{self.dataset}"

    @property
    def address(self) -> str:
        """Project, dataset and table."""
        return f"{self.home}.{self.name}"


def make_ready(
    client: bigquery.Client, wanted: Wanted, patience: Patience, logger: Logger
) -> bigquery.Table:
    """The table as it stands, after what was missing was added.

    Raises:
        GuardError: when the table or its dataset is there and is another than was asked for.
    """
    try:
        table = client.get_table(wanted.address, **patience.call)
    except api.NotFound:
        _find_dataset(client, wanted, patience)
        return client.create_table(_new(wanted), exists_ok=True, **patience.call)
    _judge_location(table.location, wanted)
    _judge_partitions(table, wanted)
    if _widen(client, table, wanted, patience):
        table = client.get_table(wanted.address, **patience.call)  # another etag
    return _add(client, table, wanted, patience, logger)


def _find_dataset(client: bigquery.Client, wanted: Wanted, patience: Patience) -> None:
    """Look before making: making takes a right on the project, which a loader need not have."""
    try:
        found = client.get_dataset(wanted.home, **patience.call)
    except api.NotFound:
        dataset = bigquery.Dataset(wanted.home)
        dataset.location = wanted.location or "US"
        try:
            client.create_dataset(dataset, exists_ok=True, **patience.call)
        except api.Forbidden as error:
            raise GuardError(
                f"dataset {wanted.home} is not there, and this account may not make it "
                f"({error.message}); run `create schema `{wanted.home}` options (location = "
                f"'{dataset.location}')` as an owner, or correct `project` and `dataset`"
            ) from error
    else:
        _judge_location(found.location, wanted)


def _judge_location(found: str | None, wanted: Wanted) -> None:
    if wanted.location and found and found.lower() != wanted.location.lower():
        raise GuardError(
            f"dataset {wanted.home} is in {found}, and `location` says {wanted.location}; BigQuery "
            "moves no dataset: remove the setting, or name a dataset that is there"
        )


def _new(wanted: Wanted) -> bigquery.Table:
    table = bigquery.Table(wanted.address, schema=wanted.columns)
    layout = wanted.layout
    if layout.cluster_by:
        table.clustering_fields = layout.cluster_by
    if layout.partition_by and layout.grain:
        table.time_partitioning = bigquery.TimePartitioning(
            type_=layout.grain.upper(), field=layout.partition_by
        )
    return table


def _judge_partitions(table: bigquery.Table, wanted: Wanted) -> None:
    if not wanted.layout.asked_for & {"partition_by", "partition_granularity"}:
        return
    stored = table.time_partitioning
    found = words(stored.field, stored.type_.lower()) if stored else words(None, None)
    if found.lower() != wanted.layout.partitions.lower():
        raise GuardError(
            f"table {wanted.address} is {found}, and `tables` wants it {wanted.layout.partitions}, "
            f"which BigQuery cannot change in place; copy the table as {_PAGE} says, or give the "
            "stream a new `table` and load it with --full-refresh"
        )


def _widen(
    client: bigquery.Client, table: bigquery.Table, wanted: Wanted, patience: Patience
) -> bool:
    """Whether a column was widened."""
    stored = {field.name.lower(): field for field in table.schema}
    has_changed = False
    for column in wanted.columns:
        there = stored.get(column.name.lower())
        wider = there and widening(f"{wanted.name}.{column.name}", there, column)
        if wider:
            statement = (
                f"ALTER TABLE `{wanted.address}` ALTER COLUMN `{column.name}` SET DATA TYPE {wider}"
            )
            # Doing it twice is no harm, so the client may repeat it under ids of its own.
            client.query(statement, location=table.location, **patience.call).result()
            has_changed = True
    return has_changed


def _add(
    client: bigquery.Client,
    table: bigquery.Table,
    wanted: Wanted,
    patience: Patience,
    logger: Logger,
) -> bigquery.Table:
    stored = {field.name.lower() for field in table.schema}
    new = [column for column in wanted.columns if column.name.lower() not in stored]
    changed = []
    if new:
        table.schema = [*table.schema, *new]
        changed.append("schema")
    sorted_by = wanted.layout.cluster_by
    if "cluster_by" in wanted.layout.asked_for and sorted_by != tuple(
        table.clustering_fields or ()
    ):
        table.clustering_fields = sorted_by or None
        changed.append("clustering_fields")
    if not changed:
        return table
    logger.info(
        "%s: new columns %s; sorted by %s", wanted.name, [each.name for each in new], sorted_by
    )
    return client.update_table(table, changed, **patience.call)
