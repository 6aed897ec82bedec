"""Rows as they are sent: the server's digits, our lineage, nothing else touched."""

import json
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.extract.rows import Lineage, RowWriter
from tap_epicor_kinetic.odata.metadata import Column, EntityType

COLUMNS = {
    "Company": "Edm.String",
    "Num": "Edm.Int32",
    "Amount": "Edm.Decimal",
    "Due": "Edm.DateTimeOffset",
    "SysRevID": "Edm.Int64",
    "SysRowID": "Edm.Guid",
    "Text": "Edm.String",
}
ENTITY = EntityType("Erp.X", ("Company", "Num"), {n: Column(n, t) for n, t in COLUMNS.items()})
LINEAGE = Lineage("https://h/i", "A B", "https://h/i/api/v2/odata/A%20B/S/Xs", "run-1")


def sent(row: str, *, decimals_as_text: bool = False, emitted=tuple(COLUMNS), gone=None) -> dict:
    writer = RowWriter(ENTITY, emitted, LINEAGE, decimals_as_text=decimals_as_text)
    (body,) = writer.write([msgspec.Raw(row.encode())], [gone], "2026-11-21T12:00:00.000Z")
    return json.loads(body, parse_float=Decimal)


def row(**cells: str) -> str:
    return (
        "{"
        + ",".join(f'"{k}":{v}' for k, v in {"Company": '"A B"', "Num": "7", **cells}.items())
        + "}"
    )


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20
    )
)
def test_decimals_keep_every_digit_in_both_forms(number):
    digits = format(number, "f")

    assert sent(row(Amount=digits))["Amount"] == number
    assert sent(row(Amount=digits), decimals_as_text=True)["Amount"] == digits


def test_an_exponent_is_written_out_in_text():
    assert sent(row(Amount="1.5E+3"), decimals_as_text=True)["Amount"] == "1500"


@given(st.integers(-(2**63), 2**63 - 1))
def test_row_versions_keep_every_digit(number):
    assert sent(row(SysRevID=str(number)))["SysRevID"] == number


@given(st.text())
def test_any_text_passes_unchanged(text):
    assert sent(row(Text=json.dumps(text)))["Text"] == text


def test_times_are_sent_in_utc_and_midnights_keep_their_day():
    assert sent(row(Due='"2026-11-20T20:30:00.5-05:00"'))["Due"] == "2026-11-21T01:30:00.5Z"
    assert sent(row(Due='"2026-11-20T00:00:00-05:00"'))["Due"] == "2026-11-20T00:00:00Z"
    assert sent(row(Due="null"))["Due"] is None


def test_an_empty_id_is_null_and_the_key_stands_in_as_source():
    record = sent(row(SysRowID='""'))

    assert record["SysRowID"] is None
    assert record["_epicor_source_id"] == "'A B',7"


def test_lineage_names_instance_company_run_and_the_rows_own_address():
    record = sent(row(SysRowID='"b6830304-ca0b-46b5-ae0a-0055a49aed59"'))

    assert {k: v for k, v in record.items() if k.startswith("_")} == {
        "_epicor_instance": "https://h/i",
        "_epicor_company": "A B",
        "_epicor_source_id": "b6830304-ca0b-46b5-ae0a-0055a49aed59",
        "_epicor_source_url": "https://h/i/api/v2/odata/A%20B/S/Xs('A%20B',7)",
        "_epicor_synced_at": "2026-11-21T12:00:00.000Z",
        "_epicor_run_id": "run-1",
        "_sdc_deleted_at": None,
    }


def test_a_retraction_is_the_full_row_with_its_mark():
    record = sent(row(Text='"x"'), gone="2026-11-21T12:00:00.000Z")

    assert record["Text"] == "x"
    assert record["_sdc_deleted_at"] == "2026-11-21T12:00:00.000Z"


def test_columns_that_are_not_selected_are_not_sent_and_unknown_ones_are_noticed():
    writer = RowWriter(ENTITY, ("Company", "Num"), LINEAGE, decimals_as_text=False)
    raw = msgspec.Raw(row(Text='"x"', Surprise="1").replace("{", '{"@odata.etag":"e",').encode())

    (body,) = writer.write([raw], [None], "2026-11-21T12:00:00.000Z")

    assert not {"Text", "Surprise", "@odata.etag"} & json.loads(body).keys()
    assert writer.unknown_columns == {"Surprise"}
