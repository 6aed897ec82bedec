"""Each value of Singer has one in Databricks, with every digit, or is refused by name."""

import json
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some
from kinetic_batches.batch import Batch
from kinetic_batches.columns import column_of
from kinetic_batches.errors import LoadError
from kinetic_batches.rows import Rows
from kinetic_target_databricks.columns import arrow_type, spark_type, wide_enough

TEXT = {"type": ["string", "null"]}
MOMENT = {**TEXT, "format": "date-time"}
AMOUNT = {**TEXT, "format": "x-singer.decimal", "precision": 38, "scale": 10}
UTC = timezone.utc


def loaded(folder, properties, records, keys=()) -> list[dict]:
    """Records as they are when they are loaded."""
    columns = [column_of(name, schema) for name, schema in properties.items()]
    batch = Batch("b")
    lines = [
        record if isinstance(record, bytes) else json.dumps(record).encode() for record in records
    ]
    for start in range(0, len(lines), 3):
        chunk = lines[start : start + 3]
        batch.add(Rows("s", columns, keys).decode(chunk), chunk)
    schema = pa.schema([(column.name, column.type) for column in columns])
    pq.write_table(batch.table(schema, keys), folder / "f.parquet")
    return pq.read_table(folder / "f.parquet").to_pylist()


def one(folder, schema, value):
    """A value there and back."""
    return loaded(folder, {"v": schema}, [{"v": value}])[0]["v"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "STRING"),
        ({"type": ["string", "null"], "format": "uuid"}, "STRING"),
        (MOMENT, "TIMESTAMP"),
        ({**TEXT, "format": "date"}, "DATE"),
        ({"type": ["null", "integer"]}, "BIGINT"),
        ({"type": ["number", "integer"]}, "DOUBLE"),
        ({"type": "boolean"}, "BOOLEAN"),
        ({"type": ["object", "null"]}, "STRING"),
        ({**TEXT, "format": "x-singer.decimal", "precision": 18, "scale": 3}, "DECIMAL(18,3)"),
        ({**TEXT, "format": "x-singer.decimal"}, "DECIMAL(38,9)"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "TIMESTAMP"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}, "STRING"),
    ],
)
def test_each_json_type_has_one_spark_type(schema, kind):
    assert spark_type(column_of("c", schema).type) == kind
    assert arrow_type(kind) == column_of("c", schema).type


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "integer"]}, {}, {"type": "null"}, {"type": "money"},
        {**AMOUNT, "precision": 39}, {**AMOUNT, "precision": 3, "scale": 4},
    ],
)  # fmt: skip
def test_a_type_that_databricks_cannot_hold_is_refused_by_name(schema):
    with pytest.raises(LoadError, match="column c "):
        column_of("c", schema)


@pytest.mark.parametrize(
    ("stored", "wanted", "given"),
    [
        ("DECIMAL(18,3)", "DECIMAL(18,3)", "DECIMAL(18,3)"),
        ("DECIMAL(20, 4)", "DECIMAL(18,3)", "DECIMAL(20,4)"),
        ("DECIMAL(18,3)", "DECIMAL(20,4)", "DECIMAL(20,4)"),
        ("DECIMAL(18,2)", "DECIMAL(18,4)", "DECIMAL(20,4)"),
        ("DECIMAL(18,2)", "BIGINT", "DECIMAL(21,2)"),
        ("DECIMAL(22,2)", "BIGINT", "DECIMAL(22,2)"),
        ("BIGINT", "DECIMAL(18,3)", "DECIMAL(23,3)"),
    ],
)
def test_exact_numbers_are_widened_so_that_old_and_new_values_fit(stored, wanted, given):
    assert spark_type(wide_enough("t", "c", stored, arrow_type(wanted))) == given


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("STRING", "BIGINT"), ("DOUBLE", "DECIMAL(18,3)"), ("DECIMAL(38,0)", "DECIMAL(38,9)"),
        ("BIGINT", "STRING"), ("TIMESTAMP", "DATE"), ("INT", "BIGINT"),
    ],
)  # fmt: skip
def test_any_other_change_of_type_is_refused_with_both_types(stored, wanted):
    with pytest.raises(LoadError, match=re.escape(f"is {stored} in Databricks and would have")):
        wide_enough("t", "c", stored, arrow_type(wanted))


@given(
    some.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**27), max_value=10**27, places=10
    )
)
def test_decimals_keep_every_digit(tmp_path_factory, value):
    assert one(tmp_path_factory.mktemp("f"), AMOUNT, str(value)) == value


@given(some.integers(-(2**63), 2**63 - 1))
def test_64_bit_integers_keep_every_digit(tmp_path_factory, value):
    assert one(tmp_path_factory.mktemp("f"), {"type": "integer"}, value) == value


@given(some.datetimes(), some.integers(-14 * 60, 14 * 60))
def test_instants_keep_their_microseconds_in_utc(tmp_path_factory, moment, minutes):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    try:
        expected = aware.astimezone(UTC)
    except OverflowError:
        return

    assert one(tmp_path_factory.mktemp("f"), MOMENT, aware.isoformat()) == expected


@given(some.text(some.characters(exclude_categories=["Cs"])))
def test_text_is_kept_as_it_is(tmp_path_factory, value):
    assert one(tmp_path_factory.mktemp("f"), TEXT, value) == value


def test_dates_booleans_and_doubles_are_kept(tmp_path):
    assert one(tmp_path, {**TEXT, "format": "date"}, "0001-12-31") == date(1, 12, 31)
    assert one(tmp_path, {"type": "boolean"}, False) is False
    assert one(tmp_path, {"type": "number"}, 0.1) == 0.1
    assert one(tmp_path, {"type": "number"}, 3) == 3.0
    assert one(tmp_path, {"type": "integer"}, 2.0) == 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        ("2026-01-02T03:04:05.1234567+05:30", datetime(2026, 1, 1, 21, 34, 5, 123456, UTC)),
    ],
)
def test_finer_fractions_are_cut_and_times_without_a_zone_are_utc(tmp_path, text, moment):
    assert one(tmp_path, MOMENT, text) == moment


def test_nested_values_are_json_text_with_every_digit(tmp_path):
    record = b'{"v": {"a": 1.10, "b": [12345678901234567890123.000]}, "w": null}'
    properties = {
        "v": {"type": ["object", "null"]},
        "w": {"type": ["array", "null"]},
        "x": {"type": "object"},
    }

    row = loaded(tmp_path, properties, [record])[0]

    assert row == {"v": '{"a": 1.10, "b": [12345678901234567890123.000]}', "w": None, "x": None}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (AMOUNT, "many"),
        (AMOUNT, "1.00000000001"),
        (AMOUNT, 1),
        ({**AMOUNT, "precision": 12}, "123"),
        (TEXT, 5),
        ({"type": "integer"}, 1.5),
        ({"type": "integer"}, 2**63),
        ({"type": "integer"}, True),
        ({"type": "boolean"}, 1),
        (MOMENT, "2026-02-30T00:00:00Z"),
        (MOMENT, "2026-01-01"),
        ({**TEXT, "format": "date"}, "01.02.2026"),
        ({"type": "object"}, [1]),
        ({"type": "number"}, "1"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_column_and_key(tmp_path, schema, value):
    records = [{"K": "k-1", "v": None}, {"K": "k-2", "v": value}]

    with pytest.raises(LoadError, match=r"s: column v of the record with K 'k-2'"):
        loaded(tmp_path, {"K": TEXT, "v": schema}, records, ["K"])


def test_a_column_that_the_schema_lacks_is_refused(tmp_path):
    with pytest.raises(LoadError, match="K 'k-1' has a column more"):
        loaded(tmp_path, {"K": TEXT}, [{"K": "k-1", "more": 1}], ["K"])


def test_a_row_without_its_key_is_refused(tmp_path):
    with pytest.raises(LoadError, match="a record of s has no K"):
        loaded(tmp_path, {"K": TEXT}, [{"K": None}], ["K"])


@given(
    some.lists(
        some.tuples(
            some.sampled_from("abc"), some.sampled_from(["1.5", "1.50", "2"]), some.integers(0, 9)
        )
    )
)
def test_the_last_record_of_a_key_is_kept_whatever_the_chunk(tmp_path_factory, rows):
    properties = {"K": TEXT, "D": AMOUNT, "v": {"type": "integer"}}
    records = [{"K": key, "D": amount, "v": value} for key, amount, value in rows]
    expected = {(key, Decimal(amount)): value for key, amount, value in rows}
    if not records:
        return

    found = loaded(tmp_path_factory.mktemp("f"), properties, records, ["K", "D"])

    assert {(row["K"], row["D"]): row["v"] for row in found} == expected
    assert len(found) == len(expected)


def test_a_batch_has_the_same_name_exactly_when_its_records_are_the_same():
    rows = Rows("s", [column_of("v", {"type": "integer"})], ())

    def name(identity, *records):
        batch = Batch(identity)
        batch.add(rows.decode(records), records)
        return batch.digest

    assert name("a", b'{"v":1}', b'{"v":2}') == name("a", b'{"v":1}', b'{"v":2}')
    others = [("b", b'{"v":1}', b'{"v":2}'), ("a", b'{"v":2}', b'{"v":1}'), ("a", b'{"v":1}')]
    assert len({name("a", b'{"v":1}', b'{"v":2}'), *(name(*each) for each in others)}) == 4
