"""Arrow batches: exact types, known before the first row, and nothing rounded to fit."""

from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from harness import expected_rows, plain, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic import errors
from tap_epicor_kinetic.api import Kinetic

pa = pytest.importorskip("pyarrow", reason="NOT TESTED: Arrow batches, pyarrow is not installed")

COMPANY = "EPIC06"


@pytest.fixture(params=["documented", "real"])
def tenant(request):
    return Tenant(profile=request.param, seed=7, scale=0.3)


def read(rows):
    return pa.Table.from_batches(rows.batches(), rows.schema)


def test_batches_hold_the_rows_of_every_stream(tenant, server):
    kinetic = Kinetic.from_settings(settings(server, page_size=100))

    for stream in tenant.streams:
        rows = kinetic.stream(COMPANY, stream)
        table = read(rows)
        expected = expected_rows(tenant, stream, COMPANY)
        assert len(table) == len(expected)
        for field in table.schema:
            loaded = table.column(field.name).to_pylist()
            truth = [row[field.name] for row in expected.values()]
            if pa.types.is_timestamp(field.type):
                loaded = [moment and f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in loaded]
                truth = [text and text[:19] for text in truth]
            assert Counter(map(plain, loaded)) == Counter(truth), (stream, field.name)


def test_types_follow_the_metadata(real_server):
    rows = Kinetic.from_settings(settings(real_server)).stream(COMPANY, "ap_invoices")
    real_server.requests.clear()

    schema = rows.schema

    column = rows.columns["InvoiceAmt"]
    assert schema.field("InvoiceAmt").type == pa.decimal128(column.precision, column.scale)
    assert schema.field("VendorNum").type == pa.int64()
    assert schema.field("SysRevID").type == pa.int64()
    assert schema.field("InvoiceDate").type == pa.timestamp("us", "UTC")
    assert schema.field("OpenPayable").type == pa.bool_()
    assert schema.field("SysRowID").type == pa.string()
    assert not real_server.requests


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-04-11T21:23:44.0871234+10:00", datetime(2023, 4, 11, 11, 23, 44, 87123)),
        ("2023-04-11T00:00:00+10:00", datetime(2023, 4, 11)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59)),
        (None, None),
    ],
)
def test_times_are_instants_and_midnights_keep_their_day(text, moment):
    tenant = Tenant(profile="real", seed=7, scale=0.1, companies=(COMPANY,))
    tenant.add_column("parts", "Seen_c", "Edm.DateTimeOffset", text)
    with KineticServer(tenant) as server:
        table = read(Kinetic.from_settings(settings(server)).stream(COMPANY, "parts"))

    expected = moment and moment.replace(tzinfo=timezone.utc)
    assert set(table.column("Seen_c").to_pylist()) == {expected}


def test_a_decimal_that_does_not_fit_its_type_is_an_error_and_not_rounded():
    tenant = Tenant(profile="real", seed=7, scale=0.1, companies=(COMPANY,))
    tenant.add_column("parts", "Fine_c", "Edm.Decimal", Decimal("1.00000000000000000001"))
    with KineticServer(tenant) as server:
        rows = Kinetic.from_settings(settings(server)).stream(COMPANY, "parts")

        with pytest.raises(errors.ServerFault, match="Fine_c"):
            read(rows)

        (page, *_) = rows.pages()
        assert page.rows()[0]["Fine_c"] == Decimal("1.00000000000000000001")


def test_an_empty_set_has_its_schema():
    tenant = Tenant(profile="real", seed=7, scale=0.1, companies=(COMPANY,))
    with KineticServer(tenant) as server:
        kinetic = Kinetic.from_settings(settings(server))
        rows = kinetic.stream(COMPANY, "parts", filter="PartNum eq 'no such part'")

        assert read(rows).schema == rows.schema
        assert len(read(rows)) == 0
