"""Whatever the guard accepts, DuckDB gives back unchanged."""

from __future__ import annotations

import tempfile
from decimal import Context, Decimal

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from kinetic_target_duckdb.db_sync import ExactDbSync

COLUMNS = {
    "id": {"type": ["integer"]},
    "text": {"type": ["string", "null"]},
    "amount": {
        "type": ["string", "null"],
        "format": "x-singer.decimal",
        "precision": 38,
        "scale": 9,
    },
    "big": {"type": ["integer", "null"], "maximum": 2**63 - 1},
    "x": {"type": ["number", "null"]},
    "flag": {"type": ["boolean", "null"]},
}


def decimals():
    """Any 38 digits with 9 places, spelled as Python spells them."""
    digits = st.integers(-(10**38) + 1, 10**38 - 1)
    return digits.map(lambda number: str(Decimal(number).scaleb(-9, Context(prec=50))))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(),
            "amount": st.none() | decimals(),
            "big": st.none() | st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(allow_nan=False),
            "flag": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=20,
)


def load(connection, columns, keys, rows):
    message = {
        "stream": "rows",
        "schema": {"properties": columns},
        "key_properties": keys,
    }
    sync = ExactDbSync(connection, {"default_target_schema": "raw", "path": ":memory:"}, message)
    sync.create_schema_if_not_exists()
    sync.sync_table()
    batch = {sync.record_primary_key_string(row): row for row in rows}
    sync.load_rows(batch.values(), len(batch), tempfile.gettempdir())
    return len(batch)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_rows_come_back_as_they_went(rows):
    rows = [{"id": n, **row} for n, row in enumerate(rows)]
    with duckdb.connect(":memory:") as connection:
        load(connection, COLUMNS, ["id"], rows)
        load(connection, COLUMNS, ["id"], rows)
        found = connection.execute(
            "select id, text, amount, big, x, flag from raw.rows order by id"
        ).fetchall()

    expected = [
        (
            row["id"],
            row["text"],
            None if row["amount"] is None else Decimal(row["amount"]),
            row["big"],
            row["x"],
            row["flag"],
        )
        for row in rows
    ]
    assert found == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=1, max_size=30))
def test_as_many_rows_arrive_as_there_are_different_keys(keys):
    columns = {"a": {"type": ["string"]}, "b": {"type": ["string"]}}
    with duckdb.connect(":memory:") as connection:
        load(connection, columns, ["a", "b"], [{"a": a, "b": b} for a, b in keys])
        found = connection.execute("select a, b from raw.rows").fetchall()

    assert sorted(found) == sorted(set(keys))
