"""What every loader on kinetic-batches does with Singer's lines, seen by a loader into a list."""

import io
import json
import threading

import pytest
from kinetic_batches.behind import Behind
from kinetic_batches.errors import LoadError
from kinetic_batches.target import BatchTarget

WORDS = {"type": ["string", "null"]}
PROPERTIES = {"K": {"type": "string"}, "v": WORDS}
MOMENT = {**WORDS, "format": "date-time"}
DAY = {**WORDS, "format": "date"}


class Listed:
    """A table that tells what was done to it."""

    def __init__(self, name, columns, keys, done) -> None:
        self.name = name
        self._names = [column.name for column in columns]
        self._keys = keys
        self._done = done

    def load(self, batch) -> None:
        for chunk in batch._chunks:
            self._done.extend((row["K"], row["v"]) for row in chunk.to_pylist())

    def retire(self, version) -> None:
        self._done.append(f"before {version}")


class ListTarget(BatchTarget):
    """A loader whose warehouse is a list, in which tables are told apart by their last word."""

    name = "target-list"
    config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012
    batch_size_rows = 100

    def __init__(self) -> None:
        super().__init__(config={})
        self.done = []

    def table(self, stream, columns, keys) -> Listed:
        return Listed(stream.rpartition(" ")[2], columns, keys, self.done)

    def place(self) -> None:
        pass

    def emit(self, state) -> None:
        self.done.append(state)


def schema(stream="s", keys=("K",), **more) -> dict:
    properties = {**PROPERTIES, **more}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties},
            "key_properties": list(keys)}  # fmt: skip


def record(value, key="a", stream="s", **more) -> dict:
    return {"type": "RECORD", "stream": stream, "record": {"K": key, "v": value}, **more}


def state(value) -> dict:
    return {"type": "STATE", "value": {"seen": value}}


def loaded(*messages) -> list:
    """What the warehouse was told, in order."""
    target = ListTarget()
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    target.listen(io.BytesIO(lines.encode()))
    return target.done


def refused(*messages) -> str:
    with pytest.raises(LoadError) as found:
        loaded(*messages)
    return str(found.value)


def test_rows_before_a_new_schema_are_loaded_before_those_behind_it():
    activate = {"type": "ACTIVATE_VERSION", "stream": "s", "version": 5}

    done = loaded(
        schema(), record("old", version=5), schema(more=WORDS), record("new", version=5), activate,
        state(1),
    )  # fmt: skip

    assert done == [("a", "old"), ("a", "new"), "before 5", {"seen": 1}]


def test_rows_before_a_new_schema_are_loaded_before_those_of_a_new_version():
    done = loaded(
        schema(), record("1", version=5), schema(more=WORDS), record("2", version=5),
        record("3", version=6), state(1),
    )  # fmt: skip

    assert done == [("a", "1"), ("a", "2"), ("a", "3"), {"seen": 1}]


def test_rows_before_a_new_key_are_loaded_before_those_behind_it():
    done = loaded(
        schema(), record("1"), schema(keys=("K", "v")), record("2", version=1),
        record("3", version=2), state(1),
    )  # fmt: skip

    assert done == [("a", "1"), ("a", "2"), ("a", "3"), {"seen": 1}]


def test_a_schema_that_is_sent_again_ends_no_batch():
    assert loaded(schema(), record("1"), schema(), record("2")) == [("a", "1"), ("a", "2")]


@pytest.mark.parametrize("other", ["S", "the s"])
def test_two_streams_of_one_table_are_refused_by_name(other):
    told = refused(schema("s"), schema(other))

    assert told.startswith(f"streams s and {other} would both be loaded into ")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"type": "RECORD", "stream": "s"}, "line 3 is a RECORD of 's' without its `record`"),
        (record(None) | {"record": None}, "s: the record with no key: Expected `object`"),
        (record(None) | {"record": [1]}, "s: the record with no key: Expected `object`"),
        ({"type": "STATE"}, "line 3 is no Singer message (Object missing required field `value`)"),
        ({"type": "STATE", "value": 1}, "line 3 is no Singer message (Expected `object`"),
        ({"type": "SCHEMA", "stream": "s"}, "line 3 is no Singer message (Object missing"),
        ({"type": "SCHEMA", "stream": "s", "schema": {}}, "required field `properties`"),
        (schema() | {"stream": 5}, "line 3 is no Singer message (Expected `str`, got `int`"),
        (schema() | {"key_properties": "K"}, "`$.key_properties`"),
        (schema(v=5), "line 3 is no Singer message (Expected `object`, got `int`"),
        (schema(v={"type": "money"}), "the SCHEMA message of 's' is broken"),
        ({"type": "ACTIVATE_VERSION", "stream": "s"}, "required field `version`"),
        ({"type": "ACTIVATE_VERSION", "version": 1}, "required field `stream`"),
        (["RECORD"], "line 3 is no Singer message (Expected `object`, got `array`"),
        ({"type": "UNHEARD"}, "line 3 is a message of unknown type 'UNHEARD'"),
    ],
)
def test_a_message_that_lacks_what_it_needs_is_refused_in_one_sentence(message, told):
    said = refused(schema(), record("1"), message)

    assert told in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DAY, "0000-01-01"),
        (DAY, "0000-12-31"),
        (MOMENT, "0000-12-31T23:59:59.999999Z"),
        (MOMENT, "0001-01-01T00:00:00+05:00"),
        (MOMENT, "9999-12-31T23:59:59-05:00"),
    ],
)
def test_a_time_that_no_warehouse_has_is_refused_with_stream_column_and_key(kind, value):
    told = refused(schema(v=kind), record(None, "a"), record(value, "b"))

    assert told.startswith(f"s: column v of the record with K 'b' holds '{value}'")
    assert told.endswith("of the years 1 to 9999")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (DAY, ["0001-01-01", "9999-12-31"]),
        (MOMENT, ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]),
    ],
)
def test_the_first_and_the_last_time_of_the_calendar_are_loaded(kind, values):
    done = loaded(schema(v=kind), *map(record, values))

    assert [str(value)[:10] for _, value in done] == ["0001-01-01", "9999-12-31"]


def test_nothing_is_done_behind_a_failure():
    done, behind = [], Behind()
    entered, leave = threading.Event(), threading.Event()

    def fails() -> None:
        entered.set()
        leave.wait(10)
        raise LoadError("no")

    behind.load(fails)
    entered.wait(10)
    behind.then(lambda: done.append("STATE"))
    leave.set()

    with pytest.raises(LoadError, match="no"):
        behind.finish()
    with pytest.raises(LoadError, match="no"):
        behind.load(lambda: done.append("rows"))
    assert done == []


def test_work_is_done_in_its_order():
    done, behind = [], Behind()
    for number in range(50):
        behind.load(lambda number=number: done.append(number))
        behind.then(lambda number=number: done.append(-number))
    behind.finish()

    assert done == [each for number in range(50) for each in (number, -number)]
