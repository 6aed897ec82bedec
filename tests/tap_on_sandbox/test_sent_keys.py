"""`verify --sent-keys`: what a run sent is in the table as it was sent, and every way it is not."""

import gzip
import json
import re
import sqlite3
import subprocess
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from harness import AUDIT, TAP, Warehouse, environment, run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS as STREAMS
from tap_epicor_kinetic.verify import main

COMPANY = "EPIC06"


class Loaded:
    """A tenant, the file of sent keys, and a SQLite database that holds what the tap sent."""

    def __init__(self, folder, server, **overrides):
        self.folder, self.server, self.tenant = folder, server, server.tenant
        self.sent = folder / "sent" / "keys.jsonl.gz"
        self.config = settings(server, sent_keys_path=str(self.sent), **overrides)
        self.state = None
        self.warehouse = Warehouse()

    def run(self, code=0):
        """One run of the tap, and an upsert of all that it sent."""
        result = run_tap(self.folder, self.config, state=self.state)
        assert result.code == code, result.stderr
        self.warehouse.load(result)
        self.state = result.state
        self.load()
        return result

    def load(self):
        with closing(sqlite3.connect(self.folder / "db.sqlite")) as db, db:
            for stream, table in self.warehouse.tables.items():
                rows = list(table.values())
                columns = list(dict.fromkeys(name for row in rows for name in row))
                names = ", ".join(f'"{name}"' for name in columns)
                db.execute(f'DROP TABLE IF EXISTS "{stream}"')
                db.execute(f'CREATE TABLE "{stream}" ({names})')
                marks = ", ".join("?" * len(columns))
                values = [[_stored(row.get(name)) for name in columns] for row in rows]
                db.executemany(f'INSERT INTO "{stream}" VALUES ({marks})', values)

    def execute(self, statement):
        with closing(sqlite3.connect(self.folder / "db.sqlite")) as db, db:
            return db.execute(statement).fetchall()

    def arguments(self, *more):
        url = f"sqlite:///{self.folder}/db.sqlite"
        return ["--sent-keys", str(self.sent), "--database", url, *more]

    def lines(self):
        return gzip.decompress(self.sent.read_bytes()).decode().splitlines()


def _stored(value):
    return str(value) if isinstance(value, Decimal) else value


@pytest.fixture(params=[("real", "source"), ("documented", "snake_case")], ids=["real", "snake"])
def loaded(request, tmp_path):
    profile, naming = request.param
    with KineticServer(Tenant(profile=profile, seed=7, scale=0.1)) as server:
        loaded = Loaded(tmp_path, server, column_naming=naming)
        loaded.run()
        yield loaded


@pytest.fixture
def real(tmp_path):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.1)) as server:
        loaded = Loaded(tmp_path, server)
        loaded.run()
        yield loaded


@pytest.fixture
def prove(capsys):
    """Runs `verify --sent-keys --json`; gives the exit code and the findings."""

    def run(loaded, *more):
        capsys.readouterr()
        code = main([*loaded.arguments("--json"), *more])
        out = capsys.readouterr().out
        found = json.loads(out)["streams"] if out else []
        return code, {(each["stream"], each["company"]): each for each in found}

    return run


def counts(found):
    return found["missing"], found["surplus"], found["doubled"], found["verdict"]


def test_every_row_of_a_first_run_and_of_a_day_later_is_proved_without_asking_the_tenant(
    loaded, prove
):
    for day in (False, True):
        if day:
            loaded.tenant.day_passes()
            loaded.run()
        loaded.server.requests.clear()

        code, found = prove(loaded)

        assert code == 0, [f for f in found.values() if f["verdict"] != "equal"]
        sent = loaded.server.requests
        assert sent == []
        runs = loaded.warehouse.tables[AUDIT]
        ids = {json.loads(line)["run_id"] for line in loaded.lines() if '"run_id"' in line}
        (run_id,) = ids
        audited = {
            (row["stream"], row["company"]): row for row in runs.values() if row["run_id"] == run_id
        }
        assert found.keys() == audited.keys()
        for partition, row in audited.items():
            each = found[partition]
            assert each["tenant_open"] + each["tenant_closed"] <= row["rows_sent"], partition
            assert each["other_side"] == each["tenant_open"], partition
    assert sum(each["tenant_closed"] for each in found.values()) > 0


def test_where_nothing_was_sent_no_table_is_looked_at(real, prove):
    kept = [line for line in real.lines() if not re.match(r"[+-]", line)]
    real.sent.write_bytes(gzip.compress("".join(f"{line}\n" for line in kept).encode()))
    real.execute("DROP TABLE vendors")

    code, found = prove(real)

    assert code == 0
    assert counts(found["vendors", COMPANY]) == (0, 0, 0, "equal")


def test_a_row_that_the_loader_lost_is_named(real, prove):
    ((number,),) = real.execute(
        f"SELECT VendorNum FROM vendors WHERE Company = '{COMPANY}' LIMIT 1"
    )
    real.execute(f"DELETE FROM vendors WHERE VendorNum = {number} AND Company = '{COMPANY}'")

    code, found = prove(real)

    assert (code, counts(found["vendors", COMPANY])) == (1, (1, 0, 0, "differs"))
    assert found["vendors", COMPANY]["keys"]["missing"] == [[COMPANY, number]]
    assert found["vendors", COMPANY]["notes"] == []
    assert counts(found["vendors", "EPIC07"]) == (0, 0, 0, "equal")


def test_a_row_that_still_is_as_an_older_run_left_it_is_missing_and_called_so(real, prove):
    """The key is there, so a comparison of keys alone would call the table equal."""
    real.tenant.touch("vendors", COMPANY, 3)
    before = real.execute("SELECT _epicor_run_id FROM vendors LIMIT 1")[0][0]
    real.run()
    assert prove(real)[0] == 0
    real.execute(
        f"UPDATE vendors SET _epicor_run_id = '{before}' WHERE rowid IN (SELECT rowid FROM vendors "
        f"WHERE Company = '{COMPANY}' AND _epicor_run_id <> '{before}' LIMIT 2)"
    )

    code, found = prove(real)

    assert (code, counts(found["vendors", COMPANY])) == (1, (2, 0, 0, "differs"))
    (note,) = found["vendors", COMPANY]["notes"]
    assert note.startswith("2 of the missing rows stand in the table as another run left them")


def test_a_row_that_is_there_twice_is_doubled_also_where_the_other_is_of_an_older_run(real, prove):
    real.tenant.touch("vendors", COMPANY, 1)
    real.execute("CREATE TABLE kept AS SELECT * FROM vendors")
    real.run()
    ((number,),) = real.execute(
        "SELECT VendorNum FROM vendors JOIN kept USING (Company, VendorNum) "
        f"WHERE Company = '{COMPANY}' AND vendors._epicor_run_id <> kept._epicor_run_id LIMIT 1"
    )
    real.execute(
        f"INSERT INTO vendors SELECT * FROM kept WHERE VendorNum = {number} "
        f"AND Company = '{COMPANY}'"
    )

    code, found = prove(real)

    assert (code, counts(found["vendors", COMPANY])) == (1, (0, 0, 1, "differs"))
    assert found["vendors", COMPANY]["keys"]["doubled"] == [[COMPANY, number]]


def test_a_retraction_may_be_kept_or_deleted_but_not_be_left_open(real, prove):
    closed = real.tenant.close_some("vendors", COMPANY, 2)
    real.execute("CREATE TABLE kept AS SELECT * FROM vendors")
    real.run()
    code, found = prove(real)
    assert (code, found["vendors", COMPANY]["tenant_closed"]) == (0, 2)

    real.execute("DELETE FROM vendors WHERE _sdc_deleted_at IS NOT NULL")
    assert prove(real)[0] == 0

    (_, number), *_ = closed
    real.execute(
        f"INSERT INTO vendors SELECT * FROM kept WHERE VendorNum = {number} "
        f"AND Company = '{COMPANY}'"
    )
    code, found = prove(real)
    assert (code, counts(found["vendors", COMPANY])) == (1, (0, 1, 0, "differs"))
    assert found["vendors", COMPANY]["keys"]["surplus"] == [[COMPANY, number]]
    assert "1 of the surplus rows were retracted" in found["vendors", COMPANY]["notes"][0]


def test_a_key_that_was_sent_twice_counts_once_as_it_was_sent_last(real, prove):
    """Rows move while pages are read, and close: both records go to the loader."""
    real.server.vices.set("change_between_pages", 1)
    real.state, real.config = None, {**real.config, "page_size": 7}
    real.run()
    real.server.vices.clear()
    keys = [line[1:] for line in real.lines() if line[0] in "+-"]
    assert len(set(keys)) < len(keys)

    code, found = prove(real)

    assert code == 0, [f for f in found.values() if f["verdict"] != "equal"]


def test_rows_that_a_sweep_retracts_are_proved_as_well(tmp_path, prove):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.1)) as server:
        loaded = Loaded(
            tmp_path, server, sweep_streams=["purchase_order_lines"],
            sweep_path=str(tmp_path / "sweep"), sweep_every_hours=0,
        )  # fmt: skip
        loaded.run()
        key = next(iter(loaded.warehouse.open_rows("purchase_order_lines", COMPANY)))
        loaded.execute("CREATE TABLE kept AS SELECT * FROM purchase_order_lines")
        loaded.tenant.delete("purchase_order_lines", COMPANY, key)
        loaded.run()
        code, found = prove(loaded)
        assert code == 0
        assert found["purchase_order_lines", COMPANY]["tenant_closed"] == 1

        loaded.execute("DROP TABLE purchase_order_lines")
        loaded.execute("ALTER TABLE kept RENAME TO purchase_order_lines")
        code, found = prove(loaded)
        lines = found["purchase_order_lines", COMPANY]
        assert (code, lines["surplus"], lines["verdict"]) == (1, 1, "differs")


def test_a_table_that_is_not_there_fails_and_the_others_are_compared(real, prove):
    real.execute("DROP TABLE vendors")

    code, found = prove(real)

    assert (code, found["vendors", COMPANY]["verdict"]) == (1, "failed")
    assert "Table vendors of sqlite" in found["vendors", COMPANY]["notes"][0]
    assert found["parts", COMPANY]["verdict"] == "equal"


def test_people_see_the_table_the_numbers_and_what_to_do(real, capsys, caplog):
    real.execute(f"DELETE FROM vendors WHERE Company = '{COMPANY}'")

    assert main(real.arguments("--streams", "vendors")) == 1

    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "stream"
    assert re.search(r"sent +retracted +in the table +missing +surplus +doubled", header)
    count = sum(1 for line in real.warehouse.open_rows("vendors", COMPANY))
    assert first.split() == [
        "vendors", COMPANY, str(count), "0", "0", str(count), "0", "0", "differs",
    ]  # fmt: skip
    assert "send it again with `replay_since` or the job full-refresh" in caplog.text


def test_the_command_of_the_page_works(real):
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^tap-epicor-kinetic verify --sent-keys .*$", page, re.MULTILINE)
    (real.folder / "sent.gz").write_bytes(real.sent.read_bytes())

    done = subprocess.run(
        command.replace("--schema kinetic", "--schema main"), shell=True, cwd=real.folder,
        env={**environment(), "PATH": str(Path(TAP[0]).parent), "WAREHOUSE_URL": "sqlite:///db.sqlite"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  equal") == len(STREAMS) * len(real.tenant.companies)


def test_a_run_that_was_cut_proves_nothing(real, caplog):
    whole = real.sent.read_bytes()
    *lines, _ = gzip.decompress(whole).splitlines(keepends=True)
    for cut in (whole[: len(whole) // 2], b"", gzip.compress(b"".join(lines))):
        real.sent.write_bytes(cut)
        caplog.clear()

        assert main(real.arguments()) == 1

        assert "ends before its run does" in caplog.text


def test_a_run_that_failed_leaves_a_file_that_proves_nothing(real, caplog):
    real.server.vices.set("fail_reads", "Erp.BO.GLJrnDtlSvc")
    real.config = {**real.config, "retry_deadline_seconds": 1}
    real.run(code=1)

    assert main(real.arguments()) == 1

    assert "that run was cut; load again" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--sent-keys needs --database"),
        (["--database", "sqlite://", "--streams", "nothing"], "--streams nothing names nothing"),
        (["--database", "nodb://x/y"], "nodb needs a driver"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(real, arguments, told, caplog):
    assert main(["--sent-keys", str(real.sent), *arguments]) == 2

    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told in error


def test_another_file_is_refused(real, caplog):
    real.sent.write_bytes(gzip.compress(b'{"something": "else"}\n'))

    assert main(real.arguments()) == 2

    assert "is not what the tap writes to `sent_keys_path`" in caplog.text


def test_a_file_that_cannot_be_kept_is_told_before_anything_is_read(tmp_path, real_server):
    result = run_tap(tmp_path, settings(real_server, sent_keys_path="/proc/nowhere/keys"))

    assert result.code == 2
    assert "`sent_keys_path` /proc/nowhere/keys cannot be written" in result.stderr
