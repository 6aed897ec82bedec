"""`verify` calls a table equal where it is, and tells each way in which it is not."""

import json
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from uuid import UUID

import pytest
from harness import AUDIT, TAP, Warehouse, environment, run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.kinetic.tenant import utc_now
from tap_epicor_kinetic import verify as verify_module
from tap_epicor_kinetic.key_checksum import KeyChecksum
from tap_epicor_kinetic.key_form import write_keys
from tap_epicor_kinetic.key_sets import KeySets
from tap_epicor_kinetic.key_values import KeyValues
from tap_epicor_kinetic.odata.metadata import Column
from tap_epicor_kinetic.verify import main

STREAMS = ["vendors", "purchase_orders", "purchase_order_lines"]
COMPANY = "EPIC06"


@pytest.fixture(autouse=True)
def _own_signals():
    """The tap takes over signals, and this process is pytest's."""
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in kept:
        signal.signal(number, handler)


class Loaded:
    """A tenant, and a SQLite database into which the tap's records were put, without any keys."""

    def __init__(self, folder, server, **overrides):
        self.folder = folder
        self.server = server
        self.tenant = server.tenant
        self.log = folder / "runs.jsonl"
        self.config = settings(server, run_log_path=str(self.log), **overrides)
        self.state = None
        self.warehouse = Warehouse()

    def copy(self, folder):
        copied = Loaded(folder, self.server)
        copied.state, copied.warehouse = self.state, self.warehouse
        return copied

    def run(self):
        """One run of the tap."""
        result = run_tap(self.folder, self.config, state=self.state)
        assert result.code == 0, result.stderr
        self.warehouse.load(result)
        self.state = result.state
        return result

    def open_keys(self, stream, company=COMPANY):
        """As the server writes them."""
        rows = self.tenant.rows(stream, company)
        return [
            tuple(row[name] for name in self.tenant.entity(stream).key)
            for row in rows
            if not self.tenant.is_closed(stream, row)
        ]

    def load(self, *, spelling=str, streams=STREAMS):
        """Put all that was sent into tables."""
        with closing(sqlite3.connect(self.folder / "db.sqlite")) as db, db:
            for stream in streams:
                rows = list(self.warehouse.tables[stream].values())
                names = ", ".join(f'"{spelling(name)}"' for name in rows[0])
                db.execute(f'DROP TABLE IF EXISTS "{spelling(stream)}"')
                db.execute(f'CREATE TABLE "{spelling(stream)}" ({names})')
                marks = ", ".join("?" * len(rows[0]))
                db.executemany(
                    f'INSERT INTO "{spelling(stream)}" VALUES ({marks})',
                    [[_stored(value) for value in row.values()] for row in rows],
                )

    def execute(self, statement):
        with closing(sqlite3.connect(self.folder / "db.sqlite")) as db, db:
            db.execute(statement)

    def against_table(self, *arguments):
        url = f"sqlite:///{self.folder}/db.sqlite"
        return self._arguments("--database", url, *arguments)

    def against_log(self, *arguments):
        return self._arguments("--run-log", str(self.log), *arguments)

    def _arguments(self, *arguments):
        for name, content in (("config", self.config), ("state", self.state)):
            (self.folder / f"{name}.json").write_text(json.dumps(content))
        return ["--config", str(self.folder / "config.json"), *arguments]

    def with_state(self):
        return ("--state", str(self.folder / "state.json"))


def _stored(value):
    """As loaders do: numbers that are exact become text here."""
    return str(value) if isinstance(value, Decimal) else value


@contextmanager
def first_sync(folder, profile):
    past = [timedelta(minutes=1)]  # so that no row is as young as the first run's mark
    tenant = Tenant(profile=profile, seed=7, scale=0.1, clock=lambda: utc_now() - past[0])
    past[0] = timedelta(0)
    with KineticServer(tenant) as server:
        loaded = Loaded(folder, server)
        loaded.run()
        loaded.load(streams=[s for s in loaded.warehouse.tables if s != AUDIT])
        yield loaded


@pytest.fixture(scope="module")
def synced(tmp_path_factory):
    """One first sync of each profile, for all tests that leave the tenant as it is."""
    with ExitStack() as stack:
        yield cache(
            lambda profile: stack.enter_context(
                first_sync(tmp_path_factory.mktemp(profile), profile)
            )
        )


@pytest.fixture
def loaded(request, synced, tmp_path):
    """Its files, for one test to spoil."""
    original = synced(getattr(request, "param", "real"))
    shutil.copytree(original.folder, tmp_path, dirs_exist_ok=True)
    yield original.copy(tmp_path)
    original.server.vices.clear()


@pytest.fixture
def moving(request, tmp_path):
    """A tenant of its own, for one test to change."""
    with first_sync(tmp_path, getattr(request, "param", "real")) as loaded:
        yield loaded


BY_VERSION_AND_TIME = ["real", "documented"]


@pytest.fixture
def verify(capsys):
    """Runs `verify --json`; gives the exit code and the findings by stream and company."""

    def run(arguments, *, streams="vendors"):
        capsys.readouterr()
        code = main([*arguments, "--json", "--streams", streams])
        out = capsys.readouterr().out
        found = json.loads(out)["streams"] if out else []
        return code, {(each["stream"], each["company"]): each for each in found}

    return run


def counts(found):
    return found["missing"], found["surplus"], found["doubled"], found["verdict"]


@pytest.mark.parametrize("loaded", BY_VERSION_AND_TIME, indirect=True)
def test_what_a_run_loaded_is_equal_in_every_stream(loaded, verify):
    streams = [s for s in loaded.warehouse.tables if s != AUDIT]

    code, found = verify(loaded.against_table(), streams=",".join(streams))

    assert (code, {each["verdict"] for each in found.values()}) == (0, {"equal"})
    assert found.keys() == {(s, c) for s in streams for c in loaded.tenant.companies}
    for (stream, company), each in found.items():
        rows = loaded.tenant.rows(stream, company)
        closed = sum(loaded.tenant.is_closed(stream, row) for row in rows)
        assert (each["tenant_closed"], each["tenant_open"]) == (closed, len(rows) - closed)
        assert each["other_side"] == each["tenant_open"]


def test_where_closed_rows_are_loaded_they_count_as_open(tmp_path, real_server, verify):
    loaded = Loaded(tmp_path, real_server, closed_records="include")
    loaded.run()
    loaded.load()

    code, found = verify(loaded.against_table())

    vendors = found["vendors", COMPANY]
    assert (code, vendors["tenant_closed"], vendors["verdict"]) == (0, 0, "equal")
    assert vendors["other_side"] == len(loaded.tenant.rows("vendors", COMPANY))


def test_a_row_that_was_lost_is_missing(loaded, verify):
    lost = next(r for r in loaded.tenant.rows("vendors", COMPANY) if not r["Inactive"])["VendorNum"]
    loaded.execute(f"DELETE FROM vendors WHERE VendorNum = {lost} AND Company = '{COMPANY}'")

    code, found = verify(loaded.against_table())

    assert code == 1
    assert counts(found["vendors", COMPANY]) == (1, 0, 0, "differs")
    assert found["vendors", COMPANY]["keys"]["missing"] == [[COMPANY, lost]]
    assert counts(found["vendors", "EPIC07"]) == (0, 0, 0, "equal")


def test_a_row_that_the_tenant_deleted_is_surplus(moving, verify):
    key = next(k for k in moving.warehouse.open_rows("purchase_order_lines", COMPANY))
    moving.tenant.delete("purchase_order_lines", COMPANY, key)

    code, found = verify(moving.against_table(), streams="purchase_order_lines")

    assert code == 1
    line = found["purchase_order_lines", COMPANY]
    assert counts(line) == (0, 1, 0, "differs")
    assert line["keys"]["surplus"] == [list(key)]


def test_a_row_that_is_there_twice_is_doubled(loaded, verify):
    loaded.execute(
        f"INSERT INTO vendors SELECT * FROM vendors WHERE Company = '{COMPANY}' "
        "AND _sdc_deleted_at IS NULL LIMIT 1"
    )

    code, found = verify(loaded.against_table())

    assert (code, counts(found["vendors", COMPANY])) == (1, (0, 0, 1, "differs"))
    assert found["vendors", COMPANY]["other_side"] == found["vendors", COMPANY]["tenant_open"] + 1


def test_a_closed_row_that_was_not_retracted_is_surplus_until_it_is(moving, verify):
    (key,) = moving.tenant.close_some("vendors", COMPANY, 1)

    code, found = verify(moving.against_table())
    assert (code, counts(found["vendors", COMPANY])) == (1, (0, 1, 0, "differs"))
    assert found["vendors", COMPANY]["keys"]["surplus"] == [list(key)]

    moving.run()
    moving.load()
    code, found = verify(moving.against_table())
    assert (code, counts(found["vendors", COMPANY])) == (0, (0, 0, 0, "equal"))


@pytest.mark.parametrize("moving", BY_VERSION_AND_TIME, indirect=True)
def test_what_changed_since_the_last_run_is_no_difference_where_state_is_given(moving, verify):
    (closed,) = moving.tenant.close_some("vendors", COMPANY, 1)
    moving.tenant.insert("vendors", COMPANY, VendorNum=987_654, VendorID="NEW", Name="New")

    code, found = verify(moving.against_table(*moving.with_state()))
    assert (code, counts(found["vendors", COMPANY])) == (0, (0, 0, 0, "equal"))
    assert found["vendors", COMPANY]["changed"] == 2

    code, found = verify(moving.against_table())
    assert (code, counts(found["vendors", COMPANY])) == (1, (1, 1, 0, "differs"))
    keys = found["vendors", COMPANY]["keys"]
    assert (keys["missing"], keys["surplus"]) == ([[COMPANY, 987_654]], [list(closed)])


def test_a_difference_is_asked_for_once_more_by_its_key(loaded, verify):
    """As where a row was deleted, or a load went on, between the two reads."""
    loaded.execute("UPDATE vendors SET VendorNum = -7 WHERE rowid = 1")
    loaded.server.requests.clear()

    verify(loaded.against_table())

    asked = [
        r.query["$filter"] for r in loaded.server.requests if " eq " in r.query.get("$filter", "")
    ]
    assert any("VendorNum eq -7" in text for text in asked)
    assert len([text for text in asked if "VendorNum eq" in text]) == 2


def test_folded_names_and_templates_are_found(loaded, verify):
    (loaded.folder / "db.sqlite").unlink()
    loaded.load(spelling=lambda name: f"RAW_{name.upper()}" if name in STREAMS else name.upper())

    code, _ = verify(loaded.against_table("--table-template", "raw_{stream}"))

    assert code == 0


@pytest.mark.parametrize(
    ("statement", "arguments", "told"),
    [
        ("DROP TABLE vendors", [], r"Table vendors of sqlite.* is not there; there are .*purchase"),
        ("ALTER TABLE vendors DROP COLUMN VendorNum", [], "has no column VendorNum; it has"),
        ("ALTER TABLE vendors DROP COLUMN _epicor_company", [], "no column _epicor_company"),
        (None, ["--streams", "vendor"], "--streams names vendor; there are ap_invoice_lines"),
        (None, ["--database", "nowhere"], "not a SQLAlchemy URL"),
        (None, ["--database", "nodb://u:hidden@h/x"], "nodb needs a driver that is not installed"),
        (None, ["--database", "sqlite:////no/such/db"], "cannot be opened: unable to open"),
        (None, ["--run-log", "no"], "'no' does not exist"),
        (None, ["--nothing"], "No such option '--nothing'"),
    ],
)
def test_a_setting_that_does_not_fit_is_told_in_one_sentence(
    loaded, statement, arguments, told, caplog
):
    if statement:
        loaded.execute(statement)
    streams = [] if "--streams" in arguments else ["--streams", "vendors"]

    assert main([*loaded.against_table(*streams), *arguments]) == 2

    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert re.search(told, error)
    assert "hidden" not in caplog.text


def test_both_sides_or_none_is_refused(loaded, caplog):
    both = loaded.against_table("--run-log", str(loaded.log))

    assert main(both) == 2
    assert main(both[:2]) == 2
    assert caplog.text.count("Name either --run-log or --database") == 2


@pytest.mark.parametrize(
    "url", ["sqlite:////no/such/place?token=hidden", "sqlite://me:hidden@host/place"]
)
def test_no_error_shows_a_password(loaded, caplog, url):
    assert main(loaded._arguments("--database", url, "--streams", "vendors")) == 2

    assert "`--database` " in caplog.text
    assert "hidden" not in caplog.text


def test_a_table_that_cannot_be_read_fails_and_the_others_are_compared(loaded, verify):
    loaded.execute("DROP TABLE vendors")
    loaded.execute(
        "CREATE VIEW vendors AS SELECT json('{') AS Company, 1 AS VendorNum, _epicor_company "
        "FROM purchase_orders"
    )

    code, found = verify(loaded.against_table(), streams="vendors,purchase_orders")

    assert code == 1
    assert found["vendors", COMPANY]["verdict"] == "failed"
    assert "malformed JSON" in found["vendors", COMPANY]["notes"][0]
    assert found["purchase_orders", COMPANY]["verdict"] == "equal"


def test_a_child_set_whose_filter_cannot_be_used_is_compared_whole(loaded, verify):
    loaded.server.vices.set("child_filter_on_parent", True)
    stream = "purchase_order_lines"

    code, found = verify(loaded.against_table(), streams=stream)
    assert (code, counts(found[stream, COMPANY])) == (0, (0, 0, 0, "equal"))
    closed = sum(loaded.tenant.is_closed(stream, r) for r in loaded.tenant.rows(stream, COMPANY))
    assert found[stream, COMPANY]["tenant_closed"] == closed > 0

    loaded.execute(f"UPDATE {stream} SET POLine = 99 WHERE rowid = 1")
    code, found = verify(loaded.against_table(), streams=stream)
    assert (code, counts(found[stream, COMPANY])) == (1, (1, 1, 0, "differs"))
    assert "none were asked for once more" in " ".join(found[stream, COMPANY]["notes"])


@pytest.mark.parametrize("vice", [{"page_cap": 7}, {"fail_503": 5}, {"change_between_pages": 1}])
def test_a_troubled_server_changes_no_verdict(loaded, verify, vice):
    for name, value in vice.items():
        loaded.server.vices.set(name, value)

    _, found = verify(loaded.against_table(), streams="purchase_order_lines")

    assert counts(found["purchase_order_lines", COMPANY])[:3] == (0, 0, 0)


class Restless:
    """A tenant in which a row opens or closes after the walk, before it is asked for again."""

    def __init__(self, source, tenant, key):
        self._source, self._tenant, self._key = source, tenant, key

    def __getattr__(self, name):
        return getattr(self._source, name)

    def page(self, query, decoder=None):
        if f"VendorNum eq {self._key[1]}" in query.filter:
            row = next(r for r in self._tenant.rows("vendors", COMPANY) if _has(r, self._key))
            self._tenant.update("vendors", COMPANY, self._key, Inactive=not row["Inactive"])
        return self._source.page(query, decoder)


def _has(row, key):
    return (row["Company"], row["VendorNum"]) == tuple(key)


@pytest.mark.parametrize("changes", ["closes", "opens"])
def test_what_changes_between_the_two_reads_is_no_difference(moving, verify, monkeypatch, changes):
    if changes == "opens":
        (key,) = moving.tenant.close_some("vendors", COMPANY, 1)
    else:
        key = moving.open_keys("vendors")[0]
        moving.execute(f"DELETE FROM vendors WHERE Company = '{COMPANY}' AND VendorNum = {key[1]}")
    source = verify_module._source
    monkeypatch.setattr(
        verify_module, "_source", lambda *given: Restless(source(*given), moving.tenant, key)
    )

    code, found = verify(moving.against_table())

    assert (code, counts(found["vendors", COMPANY])) == (0, (0, 0, 0, "equal"))


class Miscounting:
    """A server whose `$count` knows of one row more than its pages hold."""

    def __init__(self, source):
        self._source = source

    def __getattr__(self, name):
        return getattr(self._source, name)

    def count(self, query):
        return self._source.count(query) + 1


def test_a_walk_that_the_count_contradicts_proves_nothing(loaded, verify, monkeypatch):
    source = verify_module._source
    monkeypatch.setattr(verify_module, "_source", lambda *given: Miscounting(source(*given)))

    code, found = verify(loaded.against_table())

    assert (code, counts(found["vendors", COMPANY])) == (1, (0, 0, 0, "unproved"))
    assert "but the walk met" in found["vendors", COMPANY]["notes"][0]


def test_people_get_a_table_and_the_first_keys(loaded, capsys):
    loaded.execute(f"DELETE FROM purchase_orders WHERE Company = '{COMPANY}'")

    assert main([*loaded.against_table("--streams", "purchase_orders")]) == 1

    header, first, second, *details = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", header) == [
        "stream", "company", "tenant open", "tenant closed", "other side",
        "missing", "surplus", "doubled", "verdict",
    ]  # fmt: skip
    count = len(loaded.warehouse.open_rows("purchase_orders", COMPANY))
    assert re.split(r"  +", first)[4:] == ["0", str(count), "0", "0", "differs"]
    assert re.split(r"  +", second)[-1] == "equal"
    assert f"purchase_orders {COMPANY}, missing:" in details
    assert len([line for line in details if line.startswith(f'  ["{COMPANY}",')]) == 20
    assert f"  and {count - 20} more; --json shows all" in details


def edit_line(loaded, stream, **members):
    """Change the last line of a stream, as another run would have left it."""
    lines = [json.loads(line) for line in loaded.log.read_text().splitlines()]
    last = [x for x in lines if (x.get("stream"), x.get("company")) == (stream, COMPANY)][-1]
    last |= members
    loaded.log.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("loaded", BY_VERSION_AND_TIME, indirect=True)
def test_a_whole_read_is_proved_by_its_checksum(loaded, verify):
    streams = [s for s in loaded.warehouse.tables if s != AUDIT]

    code, found = verify(loaded.against_log(), streams=",".join(streams))

    assert {each["verdict"] for each in found.values()} == {"equal"}
    assert code == 0
    for (stream, company), each in found.items():
        assert each["other_side"] == len(loaded.warehouse.open_rows(stream, company))


@pytest.mark.parametrize("moving", BY_VERSION_AND_TIME, indirect=True)
def test_runs_that_found_nothing_new_leave_it_proved(moving, verify):
    moving.run()

    code, found = verify(moving.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (0, "equal")


@pytest.mark.parametrize("moving", BY_VERSION_AND_TIME, indirect=True)
def test_rows_that_changed_since_a_whole_read_are_no_difference(moving, verify):
    moving.tenant.touch("vendors", COMPANY, 3)

    code, found = verify(moving.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (0, "equal")
    assert found["vendors", COMPANY]["changed"] == 3


@pytest.mark.parametrize("loaded", BY_VERSION_AND_TIME, indirect=True)
def test_a_whole_read_that_sent_less_differs(loaded, verify):
    less = KeyChecksum()
    less.add(loaded.open_keys("vendors")[1:])
    edit_line(loaded, "vendors", key_count=less.count, key_checksum=less.text)

    code, found = verify(loaded.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "differs")
    assert found["vendors", COMPANY]["missing"] == 1


def test_a_whole_read_that_sent_other_keys_differs(loaded, verify):
    edit_line(loaded, "vendors", key_checksum="0" * 16)

    code, found = verify(loaded.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "differs")


def test_a_row_that_was_deleted_after_a_whole_read_differs(moving, verify):
    key = next(iter(moving.warehouse.open_rows("purchase_order_lines", COMPANY)))
    moving.tenant.delete("purchase_order_lines", COMPANY, key)

    code, found = verify(moving.against_log(), streams="purchase_order_lines")

    line = found["purchase_order_lines", COMPANY]
    assert (code, line["verdict"], line["surplus"]) == (1, "differs", 1)


def test_what_later_runs_sent_is_not_proved_by_their_number(moving, verify):
    moving.tenant.touch("vendors", COMPANY, 3)
    moving.tenant.close_some("vendors", COMPANY, 1)
    moving.run()

    code, found = verify(moving.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "unproved")
    assert "use --database" in found["vendors", COMPANY]["notes"][0]


def test_new_rows_that_later_runs_sent_are_not_proved_either(moving, verify):
    moving.tenant.insert("vendors", COMPANY, VendorNum=987_654, VendorID="NEW", Name="New")
    moving.run()

    code, found = verify(moving.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "unproved")


@pytest.mark.parametrize("moving", BY_VERSION_AND_TIME, indirect=True)
def test_later_runs_that_sent_less_than_changed_differ(moving, verify):
    moving.tenant.touch("vendors", COMPANY, 3)
    # Times are compared up to the second before the bookmark's.
    time.sleep(1.1)
    moving.tenant.touch("vendors", COMPANY, 1)
    moving.run()
    edit_line(moving, "vendors", rows_sent=1)

    code, found = verify(moving.against_log())

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "differs")
    assert found["vendors", COMPANY]["missing"] >= 1


def test_runs_that_leave_doubt_leave_it_unproved(moving, verify):
    moving.tenant.touch("vendors", COMPANY, 3)
    moving.run()
    for members, told in (
        ({"status": "failed"}, "did not complete"),
        ({"rows_sent": 0, "bookmark_before": "another"}, "a run was cut"),
    ):
        edit_line(moving, "vendors", **members)

        code, found = verify(moving.against_log())

        assert (code, found["vendors", COMPANY]["verdict"]) == (1, "unproved")
        assert told in " ".join(found["vendors", COMPANY]["notes"])


def test_a_log_without_checksums_proves_nothing(loaded, verify):
    edit_line(loaded, "vendors", key_checksum=None)

    code, found = verify(loaded.against_log(), streams="vendors,parts")

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "unproved")
    assert found["parts", COMPANY]["verdict"] == "equal"


def test_half_a_line_in_the_log_leaves_doubt_until_the_next_whole_read(moving, verify):
    whole = moving.log.read_text()
    moving.tenant.touch("vendors", COMPANY, 3)
    moving.run()
    edit_line(moving, "vendors", rows_sent=0)
    after = moving.log.read_text().removeprefix(whole)
    verdicts = []
    for log in (whole + after, whole + '{"run_id": "cut sho\n' + after, whole + after + whole):
        moving.log.write_text(log)
        _, found = verify(moving.against_log())
        verdicts.append(found["vendors", COMPANY]["verdict"])

    assert verdicts == ["differs", "unproved", "equal"]


def test_a_file_that_is_no_run_log_is_refused(loaded, caplog):
    loaded.log.write_text("{}\n")

    assert main(loaded.against_log()) == 2
    assert "has no line of a stream" in caplog.text


@pytest.mark.parametrize(
    ("edm_type", "of_tenant", "of_driver"),
    [
        ("Edm.Int32", 1001, Decimal(1001)),
        ("Edm.Int32", 1001, Decimal("1001.000")),
        ("Edm.Int32", 1001, 1001.0),
        ("Edm.Int64", 2**53 + 1, str(2**53 + 1)),
        ("Edm.Decimal", Decimal("1.50"), "1.5"),
        ("Edm.Decimal", Decimal("1.5"), 1.5),
        ("Edm.Boolean", True, 1),
        ("Edm.Boolean", False, "False"),
        ("Edm.String", "07", "07"),
        ("Edm.String", "x", b"x"),
        ("Edm.Guid", "6F9619FF-8B86-D011-B42D-00C04FC964FF",
         UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")),
        ("Edm.Guid", "6F9619FF-8B86-D011-B42D-00C04FC964FF",
         UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff").bytes),
        ("Edm.Guid", "", None),
        ("Edm.DateTimeOffset", "2023-04-11T21:23:44.0870000+10:00",
         datetime(2023, 4, 11, 11, 23, 44, 87000)),
        ("Edm.DateTimeOffset", "2023-04-11T00:00:00+10:00",
         datetime(2023, 4, 11, tzinfo=timezone.utc)),
        ("Edm.DateTimeOffset", "2023-04-11T21:23:44.12345678+10:00", "2023-04-11 11:23:44.123456"),
        ("Edm.Date", "2023-04-11", date(2023, 4, 11)),
        ("Edm.Date", "2023-04-11", datetime(2023, 4, 11)),
    ],
)  # fmt: skip
def test_a_drivers_value_is_the_tenants(edm_type, of_tenant, of_driver):
    values = KeyValues([Column("K", edm_type)])

    assert write_keys([values([of_tenant])]) == write_keys([values([of_driver])])


@pytest.mark.parametrize(
    ("edm_type", "one", "other"),
    [
        ("Edm.Int64", 2**53 + 1, float(2**53)),
        ("Edm.Int32", 1, "1x"),
        ("Edm.Int32", 1, 1.5),
        ("Edm.String", "7", "07"),
        ("Edm.String", "a", "A"),
        ("Edm.Boolean", True, "maybe"),
        ("Edm.DateTimeOffset", "2023-04-11T11:23:44.087Z", "no time"),
        ("Edm.Decimal", Decimal(1), "NaN"),
    ],
)
def test_what_is_no_value_of_a_columns_type_is_no_other_value_either(edm_type, one, other):
    values = KeyValues([Column("K", edm_type)])

    assert write_keys([values([one])]) != write_keys([values([other])])


def test_the_console_program_knows_verify(loaded):
    command = [*TAP, "verify", *loaded.against_table("--streams", "vendors")]

    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)

    assert (done.returncode, done.stdout.count(" equal\n")) == (0, 2)


@pytest.mark.full
def test_a_million_keys_are_compared_in_flat_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count, step = 1_000_000, 7919
    with KeySets() as sets:
        for start in range(0, count, 1000):
            numbers = [(n * step) % count for n in range(start, start + 1000)]
            sets.add_tenant([(b"%08d" % n, False) for n in numbers if n % 1000])
            sets.add_other([b"%08d" % n for n in numbers if n % 1000 != 1])
        missing = sum(map(len, sets.missing(changed=False)))
        surplus = sum(map(len, sets.surplus()))

    assert (missing, surplus) == (1000, 1000)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < 60  # MB
