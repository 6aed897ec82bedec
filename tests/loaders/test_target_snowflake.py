"""The guarded Snowflake loader on an emulator: every row and digit or exit 1, and nothing twice."""

import base64
import json
import re
import subprocess
import time
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from redirect import Redirect
from snowflake import (
    ACCOUNT,
    AMOUNT,
    EXPIRED,
    HOSTS,
    JWT_INVALID,
    MARK,
    NO_QUOTA,
    NO_RIGHT,
    NO_WAREHOUSE,
    ROLE,
    USER,
    WAREHOUSE,
    Fault,
    Front,
    Snowflake,
    emulator,
    lines,
    loader,
    messages,
    records,
    schema,
)
from unread import FULL, NOBODY, load_unread

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    assert loader()  # skips before the emulator is started
    with emulator(tmp_path_factory.mktemp("emulator")) as port:
        yield port


@pytest.fixture
def warehouse(port, tmp_path):
    with Front(port) as front, Redirect({HOSTS: front.port}, tmp_path) as redirect:
        yield Snowflake(front, redirect, tmp_path, "KINETIC")
        assert redirect.refused == []


ONE = [{"K": "a", "Amount": "1"}]
TWO = [{"K": "a", "Amount": "2"}]


def amounts(warehouse, stream) -> dict:
    rows = warehouse.rows(stream)
    assert len({row["k"] for row in rows}) == len(rows)
    return {row["k"]: row["amount"] for row in rows}


def types(warehouse, stream) -> dict:
    table = f"FINANCE.{warehouse.schema}.{stream}".upper()
    return {row["name"]: row["type"] for row in warehouse.query(f"describe table {table}")}


def refused(done, *words) -> str:
    """The sentence of a load that came to nothing."""
    assert (done.returncode, done.stdout) == (1, b""), done.stderr[-2000:]
    assert b"Traceback" not in done.stderr
    told = done.stderr.decode().strip().splitlines()[-1]
    assert "STATE stays behind" in told
    for word in words:
        assert word in told
    return told


def test_the_last_record_of_a_key_counts_and_every_digit_is_kept(warehouse):
    rows = [{"K": "a", "Amount": "1.5"}, {"K": "b", "Amount": "123456789012345.678"}]
    rows += [{"K": "a", "Amount": f"{n}.001"} for n in range(50)]
    # Batches of 7: the last record is in another batch than the first.
    warehouse.configure(batch_size_rows=7)

    done = warehouse.load(messages("last", rows))

    assert (done.returncode, json.loads(done.stdout)) == (0, {"seen": 1}), done.stderr[-2000:]
    assert amounts(warehouse, "last") == {
        "a": Decimal("49.001"), "b": Decimal("123456789012345.678")
    }  # fmt: skip


def test_a_batch_that_is_sent_again_changes_nothing_and_leaves_nothing_behind(warehouse):
    rows = [{"K": str(n), "Amount": "1"} for n in range(20)]
    for _ in range(2):
        assert warehouse.load(messages("again", rows)).returncode == 0

    assert len(amounts(warehouse, "again")) == 20
    said = [re.sub(r"\s+", " ", statement.lower()) for statement in warehouse.front.statements]
    for begun, ended in (
        ("put ", "remove "),
        ("create or replace file format", "drop file format"),
    ):
        assert sum(each.startswith(begun) for each in said)
        assert len([each for each in said if each.startswith(ended)]) == 2


VALUES = {
    "Int": ({"type": ["integer", "null"]}, 9223372036854775807),
    "Low": ({"type": ["integer", "null"]}, -9223372036854775808),
    "Wide": ({**AMOUNT, "precision": 38, "scale": 9}, "-12345678901234567890123456789.123456789"),
    "Rate": ({**AMOUNT, "precision": 12, "scale": 12}, "0.000000000001"),
    "Day": ({"type": ["string", "null"], "format": "date"}, "2026-02-28"),
    "Moment": (MARK, "2026-03-01T00:30:00+05:30"),
    "Precise": (MARK, "2026-03-01T00:30:00.123456Z"),
    "Long": (MARK, "0001-01-01T00:00:00Z"),
    "Flag": ({"type": ["boolean", "null"]}, True),
    "Real": ({"type": ["number", "null"]}, 0.1),
    "Guid": ({"type": ["string", "null"], "format": "uuid"},
             "6f1c1a70-7a3e-4c21-9d1e-0a7c3f5b8d42"),
    "Empty": ({"type": ["string", "null"]}, ""),
    "Nothing": ({"type": ["string", "null"]}, None),
    "NoDay": ({"type": ["string", "null"], "format": "date"}, None),
    "NoMoment": (MARK, None),
    "NoAmount": (AMOUNT, None),
    "Text": ({"type": ["string", "null"]},
             "Zoë 'O''Neil' \"x\" \\n back\\slash\nline\ttab € 漢字 🧾 $1:K %s"),
    "Order": ({"type": ["string", "null"]}, "reserved"),
    "User": ({"type": ["string", "null"]}, "reserved, too"),
    "ZIPCode_c": ({"type": ["string", "null"]}, "01234"),
}  # fmt: skip


def test_every_type_arrives_as_itself_under_a_name_in_upper_case(warehouse):
    more = {name: given for name, (given, _) in VALUES.items()}
    row = {"K": "", "Amount": "1.500", **{name: value for name, (_, value) in VALUES.items()}}
    for _ in range(2):  # the second meets a table that is there
        done = warehouse.load(messages("kinds", [row], more=more))
        assert done.returncode == 0, done.stderr[-2000:]

    (stored,) = warehouse.rows("kinds")
    expected = {
        **{name.lower(): value for name, value in row.items()},
        "amount": Decimal("1.5"),
        "wide": Decimal("-12345678901234567890123456789.123456789"),
        "rate": Decimal("0.000000000001"),
        "day": date(2026, 2, 28),
        "moment": datetime(2026, 2, 28, 19, 0, tzinfo=timezone.utc),
        "precise": datetime(2026, 3, 1, 0, 30, 0, 123456, tzinfo=timezone.utc),
        "long": datetime(1, 1, 1, tzinfo=timezone.utc),
    }
    assert {name: stored[name] for name in expected} == expected
    assert {name: type(stored[name]) for name in ("int", "amount", "flag", "real")} == {
        "int": int, "amount": Decimal, "flag": bool, "real": float
    }  # fmt: skip
    found = types(warehouse, "kinds")
    assert {name.upper() for name in expected} <= found.keys()
    assert found.keys() == {name.upper() for name in found}
    assert {name: found[name] for name in ("AMOUNT", "WIDE", "RATE", "INT", "DAY", "FLAG")} == {
        "AMOUNT": "NUMBER(18,3)", "WIDE": "NUMBER(38,9)", "RATE": "NUMBER(12,12)",
        "INT": "NUMBER(38,0)", "DAY": "DATE", "FLAG": "BOOLEAN",
    }  # fmt: skip
    assert found["MOMENT"].startswith("TIMESTAMP_TZ")
    assert found["TEXT"].startswith("VARCHAR")


def test_what_was_sent_of_a_time_reaches_snowflake_with_all_its_digits_and_its_offset(warehouse):
    """The emulator keeps microseconds in UTC; what was put into the stage is looked at."""
    sent = "2026-03-01T00:30:00.1234567+05:30"
    warehouse.front.staged.clear()

    done = warehouse.load(messages("ticks", [{**ONE[0], "Moment": sent}], more={"Moment": MARK}))

    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = warehouse.front.staged
    assert json.loads(line)["Moment"] == sent
    merge = next(each for each in warehouse.front.statements if each.startswith("merge"))
    assert '$1:"Moment"::TIMESTAMP_TZ' in merge


def test_a_retraction_marks_its_row_and_a_reopening_clears_the_mark(warehouse):
    for mark in (None, "2026-11-21T12:00:00Z", None):
        done = warehouse.load(messages("marked", [{**ONE[0], "_sdc_deleted_at": mark}]))
        assert done.returncode == 0, done.stderr[-2000:]
        (row,) = warehouse.rows("marked")
        assert row["_sdc_deleted_at"] == (
            mark and datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
        )
        assert row["amount"] == 1


def test_a_new_column_is_added_and_old_rows_have_none(warehouse):
    warehouse.load(messages("grown", ONE))

    rows = [{"K": "b", "Amount": "2", "Note": "new", "Order": "x"}]
    text = {"type": ["string", "null"]}
    for _ in range(2):
        done = warehouse.load(messages("grown", rows, more={"Note": text, "Order": text}))
        assert done.returncode == 0, done.stderr[-2000:]

    found = {row["k"]: (row["note"], row["order"]) for row in warehouse.rows("grown")}
    assert found == {"a": (None, None), "b": ("new", "x")}


@pytest.mark.parametrize(
    ("stream", "wider", "value"),
    [
        ("more_whole", {"precision": 28, "scale": 3}, "1234567890123456789012345.678"),
        ("more_scale", {"precision": 28, "scale": 9}, "1234567890123456789.123456789"),
        ("less_whole", {"precision": 18, "scale": 9}, "123456789.123456789"),
    ],
)
def test_a_decimal_that_got_wider_keeps_every_digit_old_and_new(warehouse, stream, wider, value):
    old = "123456789012345.678"
    warehouse.load(messages(stream, [{"K": "old", "Amount": old}]))

    rows = [{"K": "new", "Amount": value}]
    done = warehouse.load(messages(stream, rows, amount={**AMOUNT, **wider}))

    assert done.returncode == 0, done.stderr[-2000:]
    assert amounts(warehouse, stream) == {"old": Decimal(old), "new": Decimal(value)}
    # A narrower schema, such as an older catalog has, changes nothing any more.
    before = types(warehouse, stream)
    assert warehouse.load(messages(stream, TWO)).returncode == 0
    assert types(warehouse, stream) == before


def test_an_integer_that_became_a_decimal_is_refused_not_rounded(warehouse):
    warehouse.load(messages("cents", [{"K": "a", "Amount": 5}], amount={"type": "integer"}))

    done = warehouse.load(messages("cents", [{"K": "b", "Amount": "0.005"}]))

    refused(done, "is NUMBER(38, 0) in Snowflake and would have to be NUMBER(18, 3)")
    assert amounts(warehouse, "cents") == {"a": 5}


@pytest.mark.parametrize("where", ["update", "alter table .* rename"])
def test_a_widening_that_was_interrupted_is_finished_by_the_next_run(warehouse, where):
    stream = f"cut_{where.split()[-1]}"
    warehouse.load(messages(stream, ONE))
    wide = {**AMOUNT, "precision": 28, "scale": 9}
    warehouse.front.fail(where, NO_WAREHOUSE)
    refused(warehouse.load(messages(stream, TWO, amount=wide)), "warehouse")
    warehouse.front.mend()

    rows = [{"K": "b", "Amount": "0.123456789"}]
    done = warehouse.load(messages(stream, rows, amount=wide))

    assert done.returncode == 0, done.stderr[-2000:]
    assert amounts(warehouse, stream) == {"a": 1, "b": Decimal("0.123456789")}
    assert types(warehouse, stream)["AMOUNT"] == "NUMBER(28,9)"
    assert not [name for name in types(warehouse, stream) if "WIDER" in name]


@pytest.mark.parametrize(
    ("value", "fits"),
    [("1.5000000", True), ("1.5001", False), ("1234567890123456", False), ("1E-3", True)],
)
def test_a_number_that_would_be_rounded_is_refused(warehouse, value, fits):
    stream = f"fit_{abs(hash(value))}"
    done = warehouse.load(messages(stream, [*ONE, {"K": "b", "Amount": value}]))

    if fits:
        assert done.returncode == 0, done.stderr[-2000:]
        assert amounts(warehouse, stream)["b"] == Decimal(value)
    else:
        refused(done, f"{stream}.Amount is {value}", "into NUMBER(18, 3) unrounded")
        assert amounts(warehouse, stream) == {}


@pytest.mark.parametrize("value", [1.5, 0.999, "0.5"])
def test_a_fraction_in_an_integer_column_is_refused(warehouse, value):
    row = {**ONE[0], "N": value}

    done = warehouse.load(messages("halves", [row], more={"N": {"type": ["integer", "null"]}}))

    refused(done, f"halves.N is {value} in the row of K a", "into NUMBER(38, 0) unrounded")


def test_a_key_is_in_a_file_once_and_its_last_row_is_the_one(warehouse):
    rows = [{"K": key, "Amount": f"{n}"} for n in range(3) for key in "ab"]
    warehouse.front.staged.clear()

    done = warehouse.load(messages("once", rows))

    assert done.returncode == 0, done.stderr[-2000:]
    staged = [json.loads(line) for line in warehouse.front.staged]
    assert sorted((row["K"], row["Amount"]) for row in staged) == [("a", "2"), ("b", "2")]
    assert amounts(warehouse, "once") == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("stream", "first", "then", "words"),
    [
        ("float", {"type": "number"}, AMOUNT, "is FLOAT in Snowflake and would have to be NUMBER"),
        ("day", {"type": "string", "format": "date"}, MARK, "is DATE in Snowflake"),
        ("bare", None, {"type": "string", "format": "x-singer.decimal"}, "without precision"),
        ("long", None, {**AMOUNT, "precision": 50, "scale": 3}, "50 digits"),
    ],
)
def test_a_change_of_type_that_would_lose_something_is_refused(
    warehouse, stream, first, then, words
):
    value = {"float": 1, "day": "2026-01-01"}.get(stream)
    if first:
        warehouse.load(messages(f"typed_{stream}", [{"K": "a", "Amount": value}], amount=first))

    done = warehouse.load(messages(f"typed_{stream}", ONE, amount=then))

    refused(done, words)


FAULTS = [
    ("merge", NO_RIGHT, "OWNERSHIP"),
    ("create or replace file format", NO_RIGHT, "CREATE FILE FORMAT"),
    ("put ", NO_RIGHT, "Grant `role`"),
    ("merge", NO_WAREHOUSE, "auto_resume = true"),
    ("merge", NO_QUOTA, "resource monitor"),
    ("merge", EXPIRED, "credentials"),
    ("show databases", EXPIRED, "credentials"),
    ("merge", Fault("100038", "22018", "Numeric value 'x' is not recognized"), "not recognized"),
]


@pytest.mark.parametrize(("where", "fault", "remedy"), FAULTS)
def test_whatever_snowflake_refuses_is_exit_1_without_state_and_a_sentence(
    warehouse, where, fault, remedy
):
    stream = f"fault_{FAULTS.index((where, fault, remedy))}"
    warehouse.front.fail(where, fault)

    done = warehouse.load(messages(stream, ONE))

    told = refused(done, remedy)
    assert " ".join(fault.message.split())[:40] in told
    assert b"secret" not in done.stderr


def test_after_a_refusal_the_table_is_as_it_was_and_the_next_run_makes_it_good(warehouse):
    assert warehouse.load(messages("good", ONE)).returncode == 0
    warehouse.front.fail("merge", NO_RIGHT)
    refused(warehouse.load(messages("good", TWO)))
    warehouse.front.mend()
    assert amounts(warehouse, "good") == {"a": 1}

    assert warehouse.load(messages("good", TWO)).returncode == 0

    assert amounts(warehouse, "good") == {"a": 2}


@pytest.mark.parametrize("refuses", [False, True])
def test_every_session_is_ended_so_that_none_holds_a_lock(warehouse, refuses):
    """Streams are merged at once; where one is refused, others are in the middle of it."""
    front = warehouse.front
    front.logins.clear()
    front.logouts.clear()
    if refuses:
        front.fail("merge into [^ ]*REFUSED", NO_RIGHT)

    done = warehouse.load(
        b"".join(messages(stream, [{"K": "a", "Amount": "1"}]) for stream in ("one", "refused"))
    )

    assert done.returncode == int(refuses)
    assert front.logins
    assert len(front.logouts) == len(front.logins)


def test_a_second_batch_that_fails_holds_the_state_of_the_first_back(warehouse):
    warehouse.configure(batch_size_rows=10)
    told = [{"type": "STATE", "value": {"seen": n}} for n in (1, 2)]
    rows = records("second", [{"K": str(n), "Amount": "1"} for n in range(20)])
    # The first batch is merged, and the second refused.
    warehouse.front.fail(r"merge", NO_RIGHT, times=1, after=1)

    done = warehouse.load(
        lines(schema("second"), *rows[:10], told[0], *rows[10:], told[1])
    )  # fmt: skip

    refused(done)
    warehouse.front.mend()
    assert len(amounts(warehouse, "second")) == 10


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", ["put ", "merge", "commit"])
def test_a_line_that_is_cut_for_a_moment_costs_nothing(warehouse, where, after):
    stream = f"moment_{where.strip()}_{after}"
    warehouse.front.cut(where, times=2, after=after)

    done = warehouse.load(messages(stream, [*TWO, {"K": "b", "Amount": "3"}], state=2))

    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {"seen": 2}
    assert amounts(warehouse, stream) == {"a": 2, "b": 3}


@pytest.mark.parametrize(("where", "after"), [("put ", False), ("merge", False), ("merge", True)])
def test_a_line_that_stays_cut_ends_the_load_and_the_next_one_is_whole(warehouse, where, after):
    stream = f"cut_{where.strip()}_{after}"
    warehouse.configure(retry_deadline_seconds=5)
    warehouse.front.cut(where, after=after)

    refused(warehouse.load(messages(stream, ONE)), "check the network")

    warehouse.front.mend()
    assert amounts(warehouse, stream) == {}  # what was merged was not committed
    assert warehouse.load(messages(stream, TWO)).returncode == 0
    assert amounts(warehouse, stream) == {"a": 2}


def test_a_network_that_breaks_in_the_middle_of_a_file_ends_the_load(warehouse):
    rows = [{"K": str(n), "Amount": str(n * 7919 % 100_003)} for n in range(9_000)]
    assert warehouse.load(messages("broken", ONE)).returncode == 0
    warehouse.configure(retry_deadline_seconds=5)
    warehouse.redirect.cut(after_bytes=60_000)

    done = warehouse.load(messages("broken", rows))

    assert (done.returncode, done.stdout) == (1, b"")
    warehouse.redirect.mend()
    assert amounts(warehouse, "broken") == {"a": 1}


def test_a_loader_that_is_stopped_ends_without_success_and_the_next_run_is_whole(warehouse):
    has_come = warehouse.front.hold("merge")
    with subprocess.Popen(
        warehouse.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=warehouse.variables,
    ) as process:  # fmt: skip
        process.stdin.write(messages("stopped", ONE))
        process.stdin.close()
        assert has_come.wait(60)
        process.terminate()
        time.sleep(1)
        warehouse.front.mend()
        told, state = process.stderr.read(), process.stdout.read()

    assert (process.returncode, state) == (1, b"")
    assert b"was stopped by SIGTERM" in told
    assert warehouse.load(messages("stopped", TWO)).returncode == 0
    assert amounts(warehouse, "stopped") == {"a": 2}


def test_a_disk_that_is_full_is_one_sentence_and_no_rows_stay_on_it(warehouse, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    rows = [{"K": str(n), "Amount": str(n * 7919 % 100_003)} for n in range(9_000)]
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh", *warehouse.command]

    done = subprocess.run(
        limited, input=messages("full", rows), capture_output=True, check=False, timeout=300,
        env={**warehouse.variables, "TMPDIR": str(folder)}, cwd=tmp_path,
    )  # fmt: skip

    refused(done, "File too large", "make room there, or name another folder in TMPDIR")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert amounts(warehouse, "full") == {}


@pytest.mark.parametrize("output", [NOBODY, FULL])
def test_a_state_that_nobody_takes_is_one_sentence_and_exit_1(warehouse, output):
    done = load_unread(warehouse, messages("unread", ONE), output)

    assert done.returncode == 1, done.stderr[-2000:]
    told = done.stderr.decode().strip().splitlines()[-1]
    assert "The rows are in Snowflake, and STATE could not be written to stdout" in told
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert amounts(warehouse, "unread") == {"a": 1}


def test_a_row_without_its_key_is_refused(warehouse):
    refused(warehouse.load(messages("keyless", [{"K": None, "Amount": "1"}])), "has no K")


def test_a_value_that_the_schema_does_not_know_is_refused(warehouse):
    refused(warehouse.load(messages("beyond", [{**ONE[0], "Extra": "1"}])), "has Extra")


def test_two_streams_are_not_mixed_in_one_table(warehouse):
    both = messages("east-orders", ONE) + messages("west-orders", TWO)
    done = warehouse.load(both)

    assert done.returncode == 0, done.stderr[-2000:]
    assert amounts(warehouse, "east_orders") == {"a": 1}
    assert amounts(warehouse, "west_orders") == {"a": 2}
    same = messages("north-orders", ONE) + messages("north_orders", TWO)
    refused(warehouse.load(same), "north_orders would both be loaded into")


def test_a_schema_that_comes_again_in_mid_run_lets_no_older_row_win(warehouse):
    warehouse.configure(batch_size_rows=5)
    more = {"Note": {"type": ["string", "null"]}}
    newer = [{"K": str(n), "Amount": "2"} for n in range(5)]

    done = warehouse.load(
        lines(schema("twice"), *records("twice", [{"K": "0", "Amount": "1"}]),
              schema("twice", more=more), *records("twice", newer))
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    assert amounts(warehouse, "twice") == dict.fromkeys("01234", Decimal(2))


def test_a_table_that_another_loader_has_made_meanwhile_is_not_dropped(warehouse):
    assert warehouse.load(messages("meanwhile", ONE)).returncode == 0
    absent = Fault("002003", "02000", "Table 'MEANWHILE' does not exist or not authorized.")
    warehouse.front.fail("desc table", absent, times=1)
    warehouse.front.statements.clear()

    warehouse.load(messages("meanwhile", [{"K": "b", "Amount": "2"}]))

    assert not [each for each in warehouse.front.statements if "drop table" in each.lower()]
    assert amounts(warehouse, "meanwhile")["a"] == 1


def test_a_stream_without_rows_makes_its_table_and_keeps_its_state(warehouse):
    done = warehouse.load(messages("empty", []))

    assert (done.returncode, json.loads(done.stdout)) == (0, {"seen": 1}), done.stderr[-2000:]
    assert warehouse.rows("empty") == []


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


def pem(key, passphrase="") -> str:
    how = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, how).decode()


def body(text) -> str:
    return "".join(text.splitlines()[1:-1])


WAYS = {
    "a file with a passphrase": lambda key, path: {
        "private_key_path": written(path, pem(key, "open")), "private_key_passphrase": "open",
    },
    "PEM": lambda key, _: {"private_key": pem(key)},
    "PEM on one line": lambda key, _: {"private_key": pem(key).replace("\n", "\\n")},
    "base64 with a passphrase": lambda key, _: {
        "private_key": body(pem(key, "open")), "private_key_passphrase": "open",
    },
}  # fmt: skip


def written(path, text) -> str:
    (path / "key.p8").write_text(text)
    return str(path / "key.p8")


@pytest.mark.parametrize("way", WAYS)
def test_a_key_pair_logs_in_however_the_key_is_given(warehouse, key, tmp_path, way):
    warehouse.configure(password=None, **WAYS[way](key, tmp_path))

    done = warehouse.load(messages("keyed", ONE))

    assert done.returncode == 0, done.stderr[-2000:]
    sent = warehouse.front.logins[0]
    assert (sent["AUTHENTICATOR"], sent["LOGIN_NAME"]) == ("SNOWFLAKE_JWT", USER)
    assert (sent["warehouse"], sent["roleName"]) == (WAREHOUSE, ROLE)
    head, claims, signature = sent["TOKEN"].split(".")
    public = key.public_key()
    public.verify(
        decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    assert json.loads(decoded(claims))["iss"].startswith(f"{ACCOUNT}.{USER}.SHA256:")
    assert b"BEGIN" not in done.stderr


def decoded(part) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("token", ["eyJraWQiOiIx.abc-_x.9", "p@ss w%rd/+:?#é"])
def test_an_access_token_is_sent_as_the_password_letter_by_letter(warehouse, token):
    warehouse.configure(password=token, private_key="", private_key_path="")

    done = warehouse.load(messages("token", ONE))

    assert done.returncode == 0, done.stderr[-2000:]
    assert warehouse.front.logins[0]["PASSWORD"] == token
    assert token.encode() not in done.stderr


BAD = {
    "`private_key_path`: Private key file not found": {"private_key_path": "/no/such/key.p8"},
    "`private_key` cannot be read": {"private_key": "rubbish"},
    "there has to be one way in": {},
    "one way in, and no more": {"private_key": "rubbish", "password": "secret"},
}


@pytest.mark.parametrize("words", BAD)
def test_a_way_in_that_is_none_is_one_sentence(warehouse, words):
    warehouse.configure(**{"password": None, **BAD[words]})

    refused(warehouse.load(messages("wayless", ONE)), words)


def test_a_passphrase_that_is_missing_or_wrong_is_one_sentence(warehouse, key):
    for given in ({}, {"private_key_passphrase": "shut"}):
        warehouse.configure(password=None, private_key=pem(key, "open"), **given)
        refused(warehouse.load(messages("locked", ONE)), "private_key_passphrase")


def test_credentials_that_snowflake_does_not_take_are_one_sentence(warehouse, key):
    warehouse.configure(password=None, private_key=pem(key))
    warehouse.front.login_fault = JWT_INVALID

    refused(warehouse.load(messages("stranger", ONE)), "JWT token is invalid", "RSA_PUBLIC_KEY")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timestamp_type": "TIMESTAMP_NTZ"}, '`timestamp_type` can only be "TIMESTAMP_TZ"'),
        ({"load_method": "append-only"}, "`load_method` can only be"),
        ({"add_record_metadata": False}, "`add_record_metadata` can only be true"),
        ({"hard_delete": True}, "there is no setting hard_delete"),
        ({"account": None}, "'account' is a required property"),
        ({"warehous": "X"}, "there is no setting warehous"),
        ({"database": "finance"}, "Write `database` in upper case"),
        ({"default_target_schema": None}, "`default_target_schema` is missing"),
    ],
)
def test_a_setting_that_would_lose_something_is_refused(warehouse, settings, words):
    warehouse.configure(**settings)

    done = warehouse.load(messages("settings", ONE))

    assert (done.returncode, done.stdout) == (1, b"")
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr
