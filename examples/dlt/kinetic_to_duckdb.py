"""A dlt source of Kinetic streams: merged by key, what has closed is deleted, changes only.

    pip install ../../tap-epicor-kinetic -r requirements.txt
    python kinetic_to_duckdb.py vendors purchase_orders

The tap's settings stand in `.dlt/secrets.toml` under `[sources.kinetic.settings]`, or as JSON in
the environment variable SOURCES__KINETIC__SETTINGS.

How far a load has read is kept in dlt's own state, which goes with its rows: a read that fails
leaves it as it was, and what was read but could not be loaded is loaded by the next run first.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import dlt
import pyarrow as pa
from tap_epicor_kinetic.api import Kinetic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlt.sources import DltResource
    from tap_epicor_kinetic.api import RowSet

COMPANY = "_epicor_company"
CLOSED = "_is_closed"


@dlt.source(name="kinetic")
def kinetic(
    streams: Iterable[str], settings: dict[str, Any] = dlt.secrets.value
) -> Iterator[DltResource]:
    """One table for each stream, with the rows of all companies."""
    tenant = Kinetic.from_settings(settings)
    for stream in streams:
        yield table(stream, [tenant.stream(c, stream) for c in settings["companies"]])


def table(stream: str, row_sets: list[RowSet]) -> DltResource:
    """The rows of a stream, or since the last load what has changed of them."""
    first = row_sets[0]
    hints: dict[str, Any] = {CLOSED: {"hard_delete": True}}
    if first.replication_key:
        # A row that changes while it is read comes twice; the later one counts.
        hints[first.replication_key] = {"dedup_sort": "desc"}

    @dlt.resource(
        name=stream,
        primary_key=(COMPANY, *first.key),
        write_disposition="merge",
        columns=hints,
    )
    def read() -> Iterator[pa.RecordBatch]:
        states = dlt.current.resource_state()
        for rows in row_sets:
            for page in rows.pages(state=states.setdefault(rows.company, {})):
                closed = [index in page.closed for index in range(len(page))]
                batch = page.batch().append_column(COMPANY, pa.array([rows.company] * len(page)))
                yield batch.append_column(CLOSED, pa.array(closed))

    return read()


def main() -> None:
    """Load the streams that the command line names."""
    pipeline = dlt.pipeline("epicor", destination="duckdb", dataset_name="kinetic")
    print(pipeline.run(kinetic(sys.argv[1:] or ["vendors"])))


if __name__ == "__main__":
    main()
