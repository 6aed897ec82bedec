"""Cells of pages as Python values: exact, or an error that names the column."""

import json
from decimal import Decimal

import pytest
from tap_epicor_kinetic.errors import ServerFault
from tap_epicor_kinetic.odata.metadata import Column, EntityType
from tap_epicor_kinetic.page_values import PageValues

TYPES = {
    "Num": "Int32",
    "Amount": "Decimal",
    "Seen": "DateTimeOffset",
    "Id": "Guid",
    "Rate": "Double",
}
ENTITY = EntityType(
    "Erp.Row", ("Num",), {name: Column(name, f"Edm.{kind}") for name, kind in TYPES.items()}
)
GUID = "b0000000-0000-4000-8000-00000000000a"


def values():
    return PageValues(ENTITY, tuple(TYPES), {name: name for name in TYPES}, (), ("Num",))


def read(*rows, reader=None, kept=None):
    reader = reader or values()
    page = reader.decoder(('{"value":[' + ",".join(rows) + "]}").encode())
    return reader.columns(page, range(len(rows)) if kept is None else kept, "Rows")


def row(**cells):
    return json.dumps({"Num": 1, **cells})


def test_decimals_keep_every_digit_however_they_are_written():
    written = ["0.1", "12345678901234567890.123456789", '"7.50"', "null", "1E+2"]

    found = read(*(f'{{"Num":1,"Amount":{text}}}' for text in written))

    assert list(map(str, found["Amount"])) == [
        "0.1", "12345678901234567890.123456789", "7.50", "None", "1E+2",
    ]  # fmt: skip


def test_times_are_utc_and_midnights_keep_their_day():
    texts = ["2023-04-11T21:23:44.087+10:00", "2023-04-11T00:00:00+10:00", "", None]

    found = read(*(row(Seen=text) for text in texts))

    assert found["Seen"] == ["2023-04-11T11:23:44.087Z", "2023-04-11T00:00:00Z", None, None]


def test_an_empty_id_is_none_and_a_whole_number_may_stand_for_a_float():
    found = read(row(Id="", Rate=2), row(Id=GUID, Rate=2.5))

    assert found["Id"] == [None, GUID]
    assert found["Rate"] == [2.0, 2.5]


@pytest.mark.parametrize(
    ("name", "value"),
    [("Amount", "NaN"), ("Amount", "1e999999"), ("Seen", "yesterday"), ("Id", "not-an-id")],
)
def test_what_is_no_value_of_its_type_is_an_error_that_names_the_column(name, value):
    with pytest.raises(ServerFault, match=f"column {name} "):
        read(row(**{name: value}))


def test_a_column_that_no_row_has_is_none():
    assert read(row(), row())["Amount"] == [None, None]


def test_a_row_that_lacks_what_its_neighbours_have_is_an_error():
    with pytest.raises(ServerFault, match="a row lacks Amount"):
        read(row(Amount=1), row())


def test_a_page_that_lacks_what_earlier_pages_had_is_an_error():
    reader = values()
    read(row(Amount=1), reader=reader)

    with pytest.raises(ServerFault, match="a row lacks Amount"):
        read(row(), reader=reader)


def test_of_a_page_only_the_rows_that_follow_are_given():
    found = read(row(Amount=1), row(Amount=2), row(Amount=3), kept=[1, 2])

    assert found["Amount"] == [Decimal(2), Decimal(3)]


def test_two_collections_in_one_answer_are_an_error():
    reader = values()
    page = reader.decoder(b'{"value":[{"Num":1}],"value":[{"Num":2}]}')

    with pytest.raises(ServerFault, match="more than one collection"):
        reader.columns(page, [0], "Rows")


def test_columns_that_are_not_declared_are_told_once(caplog):
    reader = values()
    for _ in range(2):
        read('{"Num":1,"New_c":5}', reader=reader)

    assert [r.getMessage() for r in caplog.records] == [
        "Rows: rows hold columns that $metadata does not declare; they are left out: New_c"
    ]
