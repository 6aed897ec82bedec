"""Rows as they are sent: the server's digits, our lineage, nothing else touched."""

import json
from datetime import timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_epicor_kinetic.errors import ServerFault
from tap_epicor_kinetic.extract.rows import Lineage, RowWriter
from tap_epicor_kinetic.odata.metadata import Column, EntityType
from tap_epicor_kinetic.odata.payload import UnreadableRowError

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
DAYS = [f"Day{n}" for n in range(16)]
WIDE = {**COLUMNS, **dict.fromkeys(DAYS, "Edm.DateTimeOffset")}
WIDE_ENTITY = EntityType("Erp.X", ENTITY.key, {n: Column(n, t) for n, t in WIDE.items()})
LINEAGE = Lineage("https://h/i", "A B", "https://h/i/api/v2/odata/A%20B/S/Xs", "run-1")


NOON = "2026-11-21T12:00:00.000Z"


def sent(row: str, *, decimals_as_text: bool = False, closed=()) -> dict:
    """The record of one row; the fast and the careful path have to agree on it."""
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), LINEAGE, decimals_as_text=decimals_as_text)
    (record,) = both_ways(writer, [row], closed)
    return record


def both_ways(writer: RowWriter, rows: list[str], closed=(), *, spliced=None) -> list[dict]:
    body = f'{{"@odata.context":"https://h/$metadata#Xs","value":[{",".join(rows)}]}}'.encode()
    page = writer.decoder(body)
    every = range(len(page))
    if spliced is not None:
        assert (writer._spliced(page, every) is not None) == spliced
    fast = b"".join(writer.lines(page, every, closed, NOON, NOON))
    writer._may_splice = False
    careful = b"".join(writer.lines(page, every, closed, NOON, NOON))
    records = [json.loads(line, parse_float=Decimal) for line in fast.splitlines()]
    assert records == [json.loads(line, parse_float=Decimal) for line in careful.splitlines()]
    assert all(r["type"] == "RECORD" and r["stream"] == "xs" for r in records)
    return [r["record"] for r in records]


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
    record = sent(row(Text='"x"'), closed={0})

    assert record["Text"] == "x"
    assert record["_sdc_deleted_at"] == "2026-11-21T12:00:00.000Z"


def test_columns_that_are_not_selected_are_not_sent_and_unknown_ones_are_noticed():
    writer = RowWriter("xs", ENTITY, ("Company", "Num"), LINEAGE)
    raw = row(Text='"x"', Surprise="1").replace("{", '{"@odata.etag":"e",')

    (record,) = both_ways(writer, [raw], spliced=False)

    assert not {"Text", "Surprise", "@odata.etag"} & record.keys()
    assert writer.unknown_columns == {"Surprise"}


def test_names_are_those_of_the_warehouse():
    names = {**{name: name for name in COLUMNS}, "SysRevID": "sys_rev_id", "Num": "number"}
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), LINEAGE, names=names)

    (record,) = both_ways(writer, [row(SysRevID="5")])

    assert (record["number"], record["sys_rev_id"]) == (7, 5)
    assert not {"Num", "SysRevID"} & record.keys()


def test_a_row_of_a_baq_has_no_address():
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), Lineage("https://h/i", "A B", None, "run-1"))

    (record,) = both_ways(writer, [row()])

    assert record["_epicor_source_url"] is None
    assert record["_epicor_source_id"] == "'A B',7"


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Num", '"7"'), ("Num", "7.5"), ("Num", "3000000000"), ("SysRevID", "9223372036854775808"),
        ("Amount", "true"), ("Amount", '"abc"'), ("Amount", "[1]"), ("Amount", "1e999"),
        ("Due", '"2026-13-01T00:00:00Z"'), ("Due", '"2026-02-30T00:00:00Z"'), ("Due", "7"),
        ("Due", '"soon"'), ("Due", '"2026-11-21T25:00:00+01:00"'), ("Text", "7"), ("Text", "{}"),
    ],
)  # fmt: skip
def test_a_cell_that_is_no_value_of_its_type_stops_the_run(column, cell):
    with pytest.raises((ServerFault, UnreadableRowError), match=column):
        sent(row(**{column: cell}))


def test_a_decimal_that_came_as_text_is_a_number_all_the_same():
    assert sent(row(Amount='"12.50"'))["Amount"] == Decimal("12.50")


@pytest.mark.parametrize(
    ("column", "cell"),
    [("Num", '"7"'), ("Amount", '"abc"'), ("Day3", '"2026-02-30T00:00:00Z"'), ("Text", "7")],
)
def test_a_wide_row_is_judged_like_any_other(column, cell):
    cells = {**dict.fromkeys(DAYS, '"2026-11-21T12:00:00Z"'), "SysRowID": "null", "Text": '"x"'}

    def sent_wide(spliced=None, **changed) -> dict:
        writer = RowWriter("xs", WIDE_ENTITY, tuple(WIDE), LINEAGE)
        (record,) = both_ways(writer, [row(**{**cells, **changed})], spliced=spliced)
        return record

    assert sent_wide(Amount="12.50", spliced=True)["Amount"] == Decimal("12.50")
    assert sent_wide(Amount='"12.50"', spliced=False)["Amount"] == Decimal("12.50")
    with pytest.raises((ServerFault, UnreadableRowError), match=column):
        sent_wide(**{column: cell})


PLAIN_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
STAMPS = st.datetimes(timezones=ZONES)
CELLS = {
    "Company": st.sampled_from(["A B", "EPIC06", "O'Neil & Co"]).map(json.dumps),
    "Num": st.integers(-(2**31), 2**31 - 1).map(str),
    "Amount": st.decimals(allow_nan=False, allow_infinity=False, places=5).map(
        lambda number: format(number, "f")
    ),
    "Due": STAMPS.map(lambda moment: f'"{moment.isoformat()}"')
    | st.datetimes().map(lambda moment: f'"{moment.isoformat(timespec="milliseconds")}Z"')
    | st.just("null"),
    "SysRevID": st.integers(0, 2**63 - 1).map(str),
    "SysRowID": st.uuids().map(lambda each: f'"{each}"') | st.just('""') | st.just("null"),
    "Text": (PLAIN_TEXT | st.sampled_from(["}", "},{", '"value":[{', "],", "\n"])).map(json.dumps),
}


@st.composite
def pages(draw) -> tuple[list[str], list[str]]:
    """Columns in any order, some of them left out of all rows; and which of them are selected."""
    optional = [name for name in COLUMNS if name not in {"Company", "Num"}]
    present = draw(st.permutations([*draw(st.sets(st.sampled_from(optional))), "Company", "Num"]))
    selected = ["Company", "Num", *draw(st.sets(st.sampled_from(optional)))]
    if "SysRowID" not in present:
        present.append("SysRowID")
    rows = draw(st.lists(st.fixed_dictionaries({name: CELLS[name] for name in present}),
                         min_size=1, max_size=5))  # fmt: skip
    texts = ["{" + ",".join(f'"{k}":{v}' for k, v in cells.items()) + "}" for cells in rows]
    return texts, selected


@st.composite
def wide_pages(draw) -> tuple[list[str], list[str]]:
    """With many dates, which makes the decoder read every column."""
    texts, selected = draw(pages())
    days = [draw(st.lists(CELLS["Due"], min_size=16, max_size=16)) for _ in texts]
    more = ["".join(f',"{k}":{v}' for k, v in zip(DAYS, each, strict=True)) for each in days]
    return [t[:-1] + m + "}" for t, m in zip(texts, more, strict=True)], [*selected, *DAYS]


@settings(max_examples=400)
@given(pages() | wide_pages(), st.sets(st.integers(0, 4)))
def test_what_goes_through_as_bytes_is_what_the_careful_path_writes(page, closed):
    texts, selected = page
    entity = WIDE_ENTITY if "Day0" in selected else ENTITY
    writer = RowWriter("xs", entity, selected, LINEAGE)

    records = both_ways(writer, texts, closed)

    for text, record in zip(texts, records, strict=True):
        cells = json.loads(text, parse_float=Decimal)
        own = {name for name in record if not name.startswith("_")}
        assert own == set(selected) & cells.keys()
        for name in own - {"Due", "SysRowID", *DAYS}:
            assert record[name] == cells[name]


def test_rows_that_need_no_change_go_through_as_bytes():
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), LINEAGE)
    cells = {"Due": '"2026-11-21T12:00:00Z"', "SysRevID": "5", "Text": '"a"'}
    ids = ['"b6830304-ca0b-46b5-ae0a-0055a49aed59"', "null"]

    both_ways(writer, [row(SysRowID=each, **cells) for each in ids], spliced=True)


@pytest.mark.parametrize(
    ("zone", "in_utc"),
    [
        ("+10:00", "2026-11-20T10:30:00.5Z"), ("-05:00", "2026-11-21T01:30:00.5Z"),
        ("+05:30", "2026-11-20T15:00:00.5Z"), ("+00:00", "2026-11-20T20:30:00.5Z"),
        ("-00:00", "2026-11-20T20:30:00.5Z"), ("+0000", "2026-11-20T20:30:00.5Z"),
    ],
)  # fmt: skip
def test_times_with_an_offset_are_put_into_utc_without_building_the_row_anew(zone, in_utc):
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), LINEAGE)
    times = ["null", f'"2026-11-20T20:30:00.5{zone}"', '"2026-11-21T12:00:00Z"']

    records = both_ways(writer, [row(SysRowID="null", Due=due) for due in times], spliced=True)

    assert [each["Due"] for each in records] == [None, in_utc, "2026-11-21T12:00:00Z"]


def test_of_a_long_page_a_zero_offset_far_from_its_ends_is_written_as_z():
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), LINEAGE)
    times = [*["null"] * 99, '"2026-11-20T20:30:00+00:00"', *["null"] * 101]

    records = both_ways(writer, [row(SysRowID="null", Due=due) for due in times], spliced=True)

    assert records[99]["Due"] == "2026-11-20T20:30:00Z"


def test_an_address_is_json_whatever_stands_in_it():
    address = 'https://h/i"\\x/api'
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), Lineage("https://h/i", "A", address, "run-1"))

    (record,) = both_ways(writer, [row()])

    assert record["_epicor_source_url"] == f"{address}('A%20B',7)"


@pytest.mark.parametrize("text", ["}", "},{", '"value":[{', "],", "}]"])
def test_braces_in_a_text_are_no_ends_of_rows(text):
    writer = RowWriter("xs", ENTITY, tuple(COLUMNS), LINEAGE)
    rows = [row(SysRowID="null", Text=json.dumps(text)), row(SysRowID="null", Text='"x"')]

    assert [record["Text"] for record in both_ways(writer, rows)] == [text, "x"]
