"""The guarded BigQuery loader on an emulator: every row or exit 1, and nothing twice."""

import json
import subprocess
from datetime import datetime
from decimal import Decimal

import pytest
import sqlglot
from bigquery import AMOUNT, DATASET, MOMENT, PROJECT, TEXT, documented_tables, messages
from harness import TAP, expected_rows, plain, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic.odata.timestamps import parse_timestamp
from tap_epicor_kinetic.sensitive import SENSITIVE_COLUMNS, is_sensitive

pytestmark = pytest.mark.full


def test_the_last_record_of_a_key_counts_and_every_digit_is_kept(bigquery):
    rows = [{"K": "a", "Amount": "1.5"}, {"K": "b", "Amount": "123456789012345.678"}]
    rows += [{"K": "a", "Amount": f"{n}.001"} for n in range(50)]

    done = bigquery.load(messages("last", rows))

    assert (done.returncode, json.loads(done.stdout)) == (0, {"seen": 1}), done.stderr[-2000:]
    assert bigquery.amounts("last") == {
        "a": Decimal("49.001"), "b": Decimal("123456789012345.678")
    }  # fmt: skip


def test_a_batch_that_is_sent_again_changes_nothing_and_leaves_no_stage(bigquery):
    rows = [{"K": str(n), "Amount": "1"} for n in range(20)]
    for _ in range(2):
        assert bigquery.load(messages("again", rows)).returncode == 0

    assert len(bigquery.amounts("again")) == 20
    assert not [name for name in bigquery.tables() if name.startswith("again__")]


def test_a_new_column_is_added_and_old_rows_have_none(bigquery):
    bigquery.load(messages("wider", [{"K": "a", "Amount": "1"}]))

    rows = [{"K": "b", "Amount": "2", "Note": "new"}]
    done = bigquery.load(messages("wider", rows, more={"Note": {"type": ["string", "null"]}}))

    assert done.returncode == 0, done.stderr[-2000:]
    assert {row["K"]: row["Note"] for row in bigquery.rows("wider")} == {"a": None, "b": "new"}


def test_a_change_of_type_that_would_lose_something_is_refused(bigquery):
    bigquery.load(messages("typed", [{"K": "a", "Amount": "1"}]))

    rows = [{"K": "a", "Amount": True}]
    done = bigquery.load(messages("typed", rows, amount={"type": ["boolean", "null"]}))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Amount is NUMERIC in BigQuery and would have to be BOOLEAN" in done.stderr


def test_a_row_without_its_key_is_refused(bigquery):
    done = bigquery.load(messages("keyless", [{"K": None, "Amount": "1"}]))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"keyless has no K" in done.stderr


def test_a_stream_without_rows_costs_no_request(bigquery):
    done = bigquery.load(messages("empty", []))

    assert done.returncode == 0, done.stderr[-2000:]
    assert bigquery.front.passed == []


def test_another_way_of_loading_is_refused(bigquery):
    bigquery.configure(method="streaming_insert")

    done = bigquery.load(messages("other", [{"K": "a", "Amount": "1"}]))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"`method` can only be" in done.stderr


def test_a_decimal_that_declares_more_digits_is_made_wider_in_place(bigquery):
    """The emulator cannot; the front has it copy the table, and keeps the statement."""
    narrow = [{"K": str(n), "Amount": f"{n}.123"} for n in range(3)]
    assert bigquery.load(messages("wide", narrow)).returncode == 0

    value = "12345678901234567890.123456789012345678"
    rows = [{"K": "1", "Amount": value}]
    done = bigquery.load(messages("wide", rows, amount={**AMOUNT, "precision": 38, "scale": 18}))

    assert done.returncode == 0, done.stderr[-2000:]
    shown = {row["K"]: Decimal(row["Amount"]) for row in bigquery.rows("wide")}
    assert shown == {"0": Decimal("0.123"), "1": Decimal(value), "2": Decimal("2.123")}
    wider = next(each for each in bigquery.front.statements if "ALTER" in each)
    assert wider == (
        "ALTER TABLE `finance.kinetic.wide` ALTER COLUMN `Amount` SET DATA TYPE BIGNUMERIC"
    )
    (change,) = sqlglot.parse_one(wider, dialect="bigquery").args["actions"]
    assert change.args["dtype"].sql("bigquery") == "BIGNUMERIC"


def test_a_column_that_somebody_made_with_fewer_digits_rounds_nothing(bigquery):
    place = f"`{PROJECT}.{DATASET}.narrow`"
    bigquery.query(
        f"create schema if not exists `{PROJECT}.{DATASET}`",
        f"create table {place} (K string, Amount numeric(10, 2), _sdc_deleted_at timestamp)",
        f"insert into {place} values ('old', numeric '1.25', null)",
    )

    done = bigquery.load(messages("narrow", [{"K": "new", "Amount": "123456789012.345"}]))

    assert done.returncode == 0, done.stderr[-2000:]
    assert bigquery.amounts("narrow") == {
        "old": Decimal("1.25"), "new": Decimal("123456789012.345")
    }  # fmt: skip
    assert (
        "ALTER TABLE `finance.kinetic.narrow` ALTER COLUMN `Amount` SET DATA TYPE NUMERIC"
        in bigquery.front.statements
    )


def test_a_decimal_that_bigquery_would_round_is_refused_with_its_place(bigquery):
    amount = {**AMOUNT, "precision": 38, "scale": 9}
    rows = [{"K": "a", "Amount": "1"}, {"K": "b", "Amount": "0.333333333333"}]

    done = bigquery.load(messages("thirds", rows, amount=amount))

    assert (done.returncode, done.stdout) == (1, b"")
    told = done.stderr.decode().strip().splitlines()[-1]
    assert "thirds.Amount is 0.333333333333 in the row of K b, which does not go into" in told
    assert "NUMERIC unrounded" in told
    assert "round it in a stream map" in told
    assert bigquery.front.passed == []


LONG = [2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**53) - 1, -(2**63)]
INTEGER = {"type": ["integer", "null"]}


def test_integers_of_64_bits_keep_every_digit_as_values_and_as_keys(bigquery):
    for add in (0, 1):  # the second time by key
        rows = [{"K": "a", "Amount": f"{add}", "N": n, "M": n} for n in LONG]
        done = bigquery.load(messages("long", rows, keys=("N",), more={"N": INTEGER, "M": INTEGER}))
        assert done.returncode == 0, done.stderr[-2000:]

    shown = bigquery.query(
        "select cast(N as string) as N, cast(M as string) as M, Amount "
        "from `finance.kinetic.long` order by long.N"
    )[0]
    assert [(row["N"], row["M"]) for row in shown] == [(str(n), str(n)) for n in sorted(LONG)]
    assert {Decimal(row["Amount"]) for row in shown} == {1}


def test_an_integer_that_json_cannot_hold_is_sent_as_a_text(bigquery):
    rows = [{"K": str(n), "Amount": "1", "N": n} for n in LONG]

    assert bigquery.load(messages("texts", rows, more={"N": INTEGER})).returncode == 0

    sent = b"".join(bigquery.front.uploads)
    for n in LONG:
        text = f'"{n}"' if abs(n) >= 2**53 else f"{n}"
        assert f'"N":{text},'.encode() in sent


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**64, 1.5, 1e300])
@pytest.mark.parametrize("keys", [("K",), ()], ids=["with a key", "without a key"])
def test_what_is_no_integer_of_64_bits_is_refused_with_its_place(bigquery, value, keys):
    rows = [{"K": "a", "Amount": "1", "N": value}]

    done = bigquery.load(messages("longer", rows, keys=keys, more={"N": INTEGER}))

    assert (done.returncode, done.stdout) == (1, b"")
    told = done.stderr.decode().strip().splitlines()[-1]
    where = " in the row of K a" if keys else ""
    assert f"longer.N is {value}{where}, which is no whole number of 64 bits" in told
    assert b"Traceback" not in done.stderr


def test_a_number_that_no_json_of_bigquerys_holds_is_one_sentence(bigquery):
    deep = {"Deep": {"type": ["object", "null"]}}
    rows = [{"K": "a", "Amount": "1", "Deep": {"n": 2**64}}]

    done = bigquery.load(messages("deep", rows, more=deep))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"a record of deep cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_table_that_was_widened_is_read_anew_before_it_is_changed_again(bigquery):
    """BigQuery refuses a change of a table that was read before another change of it."""
    bigquery.configure(tables={"etag": {"cluster_by": ["K"]}})
    assert bigquery.load(messages("etag", [{"K": "a", "Amount": "1"}])).returncode == 0
    bigquery.configure(tables={"etag": {"cluster_by": ["_sdc_batched_at"]}})
    bigquery.front.passed.clear()

    rows = [{"K": "a", "Amount": "0.123456789012345678"}]
    done = bigquery.load(messages("etag", rows, amount={**AMOUNT, "precision": 38, "scale": 18}))

    assert done.returncode == 0, done.stderr[-2000:]
    table = "/tables/etag?"
    asked = [each.split()[0] for each in bigquery.front.passed if table in each or "/jobs?" in each]
    assert asked[: asked.index("PATCH") + 1] == ["GET", "POST", "GET", "PATCH"]


DATED = {"InvoiceDate": MOMENT, "Note": TEXT}


def dated(*rows) -> bytes:
    names = ("K", "Amount", "InvoiceDate")
    return messages(
        "ap_invoices", [dict(zip(names, row, strict=True)) for row in rows], more=DATED
    )  # fmt: skip


def test_a_stream_is_loaded_into_the_table_and_the_partitions_that_were_configured(bigquery):
    layout = {"table": "fact_ap", "partition_by": "InvoiceDate", "cluster_by": ["Note", "K"]}
    bigquery.configure(dataset="layout", tables={"ap_invoices": layout})

    done = bigquery.load(dated(("a", "1", "2026-01-05T00:00:00Z")))

    assert done.returncode == 0, done.stderr[-2000:]
    table = bigquery.resource("layout/tables/fact_ap")
    assert table["timePartitioning"] == {"type": "MONTH", "field": "InvoiceDate"}
    assert table["clustering"] == {"fields": ["Note", "K"]}
    assert not table.get("requirePartitionFilter")


def test_a_row_whose_date_changes_moves_to_its_partition_and_is_not_there_twice(bigquery):
    bigquery.configure(tables={"ap_invoices": {"table": "moving", "partition_by": "InvoiceDate"}})
    first = dated(
        ("a", "1", "2026-01-05T00:00:00Z"), ("b", "2", "2026-01-06T00:00:00Z"), ("c", "3", None)
    )
    assert bigquery.load(first).returncode == 0

    moved = dated(("a", "1", "2026-03-01T00:00:00Z"), ("c", "3", "2025-12-31T00:00:00Z"))
    assert bigquery.load(moved).returncode == 0

    shown = {row["K"]: row["InvoiceDate"][:10] for row in bigquery.rows("moving")}
    assert shown == {"a": "2026-03-01", "b": "2026-01-06", "c": "2025-12-31"}
    assert len(bigquery.rows("moving")) == 3


def test_a_table_that_is_partitioned_otherwise_is_refused_before_a_row_is_loaded(bigquery):
    bigquery.configure(tables={"ap_invoices": {"table": "by_load"}})
    rows = dated(("a", "1", "2026-01-05T00:00:00Z"))
    assert bigquery.load(rows).returncode == 0
    bigquery.configure(tables={"ap_invoices": {"table": "by_load", "partition_by": "InvoiceDate"}})
    bigquery.front.passed.clear()

    done = bigquery.load(rows)

    assert (done.returncode, done.stdout) == (1, b"")
    assert (
        b"table finance.kinetic.by_load is partitioned by day of _sdc_batched_at, and `tables` "
        b"wants it partitioned by month of InvoiceDate"
    ) in done.stderr
    assert not [each for each in bigquery.front.passed if "POST" in each]


def test_other_columns_to_sort_by_are_taken_over_in_place(bigquery):
    for columns in (["K"], ["Note", "K"]):
        bigquery.configure(tables={"ap_invoices": {"table": "sorted", "cluster_by": columns}})
        assert bigquery.load(dated(("a", "1", None))).returncode == 0
        assert bigquery.resource("kinetic/tables/sorted")["clustering"] == {"fields": columns}

    bigquery.configure()  # what is not asked for is left alone
    bigquery.configure(tables={"ap_invoices": {"table": "sorted"}})
    assert bigquery.load(dated(("a", "1", None))).returncode == 0
    assert bigquery.resource("kinetic/tables/sorted")["clustering"] == {"fields": ["Note", "K"]}


def test_a_layout_that_does_not_fit_the_stream_is_refused_without_a_request(bigquery):
    bigquery.configure(tables={"ap_invoices": {"partition_by": "InvoiceDat"}})

    done = bigquery.load(dated(("a", "1", None)))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"`tables.ap_invoices.partition_by` names InvoiceDat, which the stream" in done.stderr
    assert bigquery.front.passed == []


def test_two_streams_do_not_share_a_table(bigquery):
    bigquery.configure(tables={"ap_invoices": {"table": "other"}})

    done = bigquery.load(messages("other", []) + dated(("a", "1", None)))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"other and ap_invoices would both be loaded into other" in done.stderr


@pytest.mark.parametrize("setting", ["tabels", "overwrite", "generate_view"])
def test_a_setting_that_means_nothing_here_is_refused(bigquery, setting):
    bigquery.configure(**{setting: True})

    done = bigquery.load(messages("unknown", [{"K": "a", "Amount": "1"}]))

    assert (done.returncode, done.stdout) == (1, b"")
    assert f"there is no setting {setting}".encode() in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout": 0}, "`timeout` is not as it has to be: minimum 1"),
        ({"project": None}, "`project` is not as it has to be: type"),
        ({"partition_granularity": "week"}, "`partition_granularity` is not as it has to be: enum"),
        (
            {"credentials_json": {"private_key": "hush"}},
            "`credentials_json` is not as it has to be",
        ),
        ({"credentials_path": "/nowhere/key.json"}, "`credentials_path`: /nowhere/key.json cannot"),
        ({"credentials_json": "{}"}, "`credentials_json` is no service account's key"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_without_what_it_holds(bigquery, settings, said):
    bigquery.configure(**settings)

    done = bigquery.load(messages("config", []))

    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr.decode().strip().splitlines()[-1]
    assert b"Traceback" not in done.stderr
    assert b"hush" not in done.stderr


def test_columns_are_renamed_where_the_settings_say_so(bigquery):
    bigquery.configure(column_name_transforms={"snake_case": True})

    assert bigquery.load(dated(("a", "1", "2026-01-05T00:00:00Z"))).returncode == 0

    assert {"k", "amount", "invoice_date"} <= bigquery.rows("ap_invoices")[0].keys()


def test_a_column_that_the_schema_does_not_have_is_refused(bigquery):
    done = bigquery.load(messages("more", [{"K": "a", "Amount": "1", "More": 1}]))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"a record of more has More, which its schema does not have" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("profile", ["documented", "real"])
def test_two_runs_and_a_day_between_leave_the_tenants_open_rows(bigquery, tmp_path, profile):
    tenant = Tenant(profile=profile, seed=7, scale=0.2)
    dataset = f"kinetic_{profile}"
    bigquery.configure(dataset=dataset, tables=documented_tables())
    with KineticServer(tenant) as server:
        config = settings(server, decimal_format="singer_decimal")
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "state.json").write_text("{}")
        for day in range(2):
            if day:
                tenant.touch("vendors", "EPIC06", 3)
                tenant.close_some("vendors", "EPIC06", 2)
            run_once(bigquery, tmp_path)
            assert_same(bigquery, dataset, tenant)
    for stream, layout in documented_tables().items():
        partitions = bigquery.resource(f"{dataset}/tables/{stream}")["timePartitioning"]
        assert partitions == {"type": "MONTH", "field": layout["partition_by"]}


def run_once(bigquery, folder) -> None:
    files = ["--config", str(folder / "config.json"), "--state", str(folder / "state.json")]
    sent = subprocess.run([*TAP, *files], capture_output=True, check=True)
    done = bigquery.load(sent.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "state.json").write_bytes(done.stdout.splitlines()[-1])


def assert_same(bigquery, dataset, tenant) -> None:
    """Every open row of every stream and company, no more and no less, value by value."""
    tables = [f"finance.{dataset}.{stream}" for stream in tenant.streams]
    shown = bigquery.query(
        *(f"select * from `{table}` where _sdc_deleted_at is null" for table in tables)
    )
    for stream, rows in zip(tenant.streams, shown, strict=True):
        types = {name: column.type for name, column in tenant.entity(stream).columns.items()}
        names = [name for name in types if not is_sensitive(name, SENSITIVE_COLUMNS)]
        key = tenant.entity(stream).key
        loaded = [{name: by_value(row[name], types[name]) for name in names} for row in rows]
        expected = [
            {name: by_value(row[name], types[name]) for name in names}
            for company in tenant.companies
            for row in expected_rows(tenant, stream, company).values()
        ]
        assert len(loaded) == len(expected), stream
        in_order = [
            sorted(each, key=lambda row: [str(row[name]) for name in key])
            for each in (loaded, expected)
        ]
        assert in_order[0] == in_order[1], stream


def by_value(value, edm_type):
    """Decimals by value, instants to the microsecond, which is what BigQuery keeps."""
    if value is None:
        return None
    if edm_type in {"Edm.Decimal", "Edm.Double"}:
        return Decimal(value)
    if edm_type == "Edm.DateTimeOffset":
        moment = parse_timestamp(value.replace(" ", "T"))
        return moment.second, moment.fraction.rstrip("0")
    return plain(value) if not isinstance(value, datetime) else value
