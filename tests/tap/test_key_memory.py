"""What a sweep calls gone is what was sent and not met, whatever is interrupted, and no more."""

import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.errors import SettingsError, TapError
from tap_epicor_kinetic.key_checksum import KeyChecksum
from tap_epicor_kinetic.key_form import read_key, write_keys
from tap_epicor_kinetic.key_memory import KeyMemory

ROOT = "https://host/instance"
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=4),
    st.booleans(),
    st.none(),
)
KEYS = st.lists(st.tuples(VALUES, VALUES))


def memory(folder, *, stream="vendors", company="EPIC06", root=ROOT, columns=("Company", "Num")):
    return KeyMemory(folder / "sweep", root, stream, company, columns)


def rows(*numbers):
    return [("EPIC06", number) for number in numbers]


def sweep(kept, *present, generation=None, **limits):
    kept.begin_sweep()
    kept.saw(rows(*present))
    pages = kept.finish_sweep(generation or kept.last_generation + 1, **limits)
    return [key for page in pages for key in page]


def gone(kept):
    return [key for page in kept.unconfirmed() for key in page]


@given(KEYS)
def test_a_key_comes_back_as_it_was_with_every_digit(keys):
    assert [read_key(line) for line in write_keys(keys)] == keys


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Decimal("1.50"), Decimal("1.5"), True),
        (Decimal("1E+3"), 1000, True),
        (Decimal("-0.00"), 0, True),
        (2**53, 2**53 + 1, False),
        (1, "1", False),
        (1, True, False),
        ("a", "A", False),
    ],
)
def test_two_values_make_one_key_only_where_they_are_equal(one, other, is_same):
    first, second = write_keys([(one,), (other,)])

    assert (first == second) is is_same


@given(KEYS, st.randoms(use_true_random=False))
def test_a_checksum_does_not_depend_on_order_or_pages(keys, dice):
    shuffled = dice.sample(keys, len(keys))
    whole, paged = KeyChecksum(), KeyChecksum()

    whole.add(keys)
    for key in shuffled:
        paged.add([key])

    assert (paged.count, paged.text) == (whole.count, whole.text)


def test_a_checksum_tells_keys_apart_that_exchange_their_digits():
    sums = []
    for keys in ([("10",), ("23",)], [("13",), ("20",)]):
        checksum = KeyChecksum()
        checksum.add(keys)
        sums.append(checksum.text)

    assert sums[0] != sums[1]


def test_a_checksum_is_the_same_in_every_version_of_the_tap():
    checksum = KeyChecksum()
    checksum.add(rows(1001, 1002))

    assert (checksum.count, checksum.text) == (2, "6e52de3f86e91756")


def test_a_row_that_was_sent_and_is_not_met_is_gone(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(1, 2, 2**60))

        assert sweep(kept, 1, 2**60) == rows(2)
        assert kept.remembered == 2


def test_a_row_that_was_never_sent_is_neither_gone_nor_remembered(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(1))

        assert sweep(kept, 1, 2) == []
        assert sweep(kept, 1) == []
        assert kept.remembered == 1


def test_gone_keys_come_again_until_the_target_has_confirmed_them(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(1, 2, 3))
        sweep(kept, 1, 3, generation=5)
    with memory(tmp_path) as kept:
        assert gone(kept) == rows(2)
        sweep(kept, 1, generation=6)
        kept.confirm(4)
        assert gone(kept) == rows(2, 3)
        kept.confirm(5)
        assert gone(kept) == rows(3)
        kept.add(rows(4))
        sweep(kept, 1, generation=8)
        kept.confirm(8)
    with memory(tmp_path) as kept:
        assert gone(kept) == []
        assert sweep(kept, 1) == []
        assert kept.last_generation == 9


@pytest.mark.parametrize("comes_back", ["is sent", "is met"])
def test_a_key_that_comes_back_is_no_longer_gone(tmp_path, comes_back):
    with memory(tmp_path) as kept:
        kept.add(rows(1, 2))
        sweep(kept, 1)
        if comes_back == "is sent":
            kept.add(rows(2))
        else:
            sweep(kept, 1, 2)

        assert gone(kept) == []
        assert kept.remembered == 2
        kept.confirm(kept.last_generation)
        assert sweep(kept, 1) == rows(2)


def test_a_row_that_is_sent_while_the_sweep_runs_is_not_gone(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(1, 2))
        kept.begin_sweep()
        kept.saw(rows(1))
        kept.add(rows(2, 3))

        assert list(kept.finish_sweep(1)) == []


def test_an_interrupted_sweep_changes_nothing(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(1, 2, 3))
        sweep(kept, 1, 2)
        swept_at = kept.last_swept_at
        kept.begin_sweep()
        kept.saw(rows(*range(60_000)))  # more than is held in memory
    with memory(tmp_path) as kept:
        assert gone(kept) == rows(3)
        assert (kept.last_generation, kept.last_swept_at) == (1, swept_at)
        assert sweep(kept, 1) == rows(2)


def test_the_memory_knows_when_it_was_swept(tmp_path):
    with memory(tmp_path) as kept:
        assert kept.last_swept_at is None
        before = datetime.now(timezone.utc).replace(microsecond=0)
        kept.begin_sweep()
        assert kept.last_swept_at is None
        list(kept.finish_sweep(1))
    with memory(tmp_path) as kept:
        assert before <= kept.last_swept_at <= before + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("sent", "met", "limit", "is_refused"),
    [
        (1000, 800, 20, False),
        (1000, 799, 20, True),
        (1000, 799, 21, False),
        (200, 100, 20, False),  # a hundred may vanish whatever their share
        (200, 99, 20, True),
        (3, 0, 99.9, True),
        (3, 0, 100, False),
        (0, 0, 20, False),
    ],
)
def test_too_many_gone_keys_stop_the_sweep(tmp_path, sent, met, limit, is_refused):
    with memory(tmp_path) as kept:
        kept.add(rows(*range(sent)))
        kept.begin_sweep()
        kept.saw(rows(*range(met)))
        if not is_refused:
            assert sum(map(len, kept.finish_sweep(1, limit))) == sent - met
            return
        with pytest.raises(TapError, match="sweep_limit_percent") as refused:
            kept.finish_sweep(1, limit)
    told = str(refused.value)
    assert "vendors" in told
    assert "EPIC06" in told
    assert f"{sent:,}" in told
    assert refused.value.exit_code == 1
    with memory(tmp_path) as kept:
        assert gone(kept) == []
        assert kept.remembered == sent


def test_gone_keys_come_in_pages(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(*range(2500)))
        kept.begin_sweep()
        pages = list(kept.finish_sweep(1, limit_percent=100))

        assert sorted(key for page in pages for key in page) == rows(*range(2500))
        assert max(map(len, pages)) <= 1000
        assert list(kept.unconfirmed()) == pages


def test_each_stream_and_company_has_a_file_of_its_own(tmp_path):
    for stream, company in (("vendors", "A/B"), ("vendors", "A.B"), ("parts", "A/B")):
        with memory(tmp_path, stream=stream, company=company) as kept:
            assert kept.remembered == 0
            kept.add(rows(1))

    names = sorted(path.name for path in (tmp_path / "sweep").iterdir())
    assert names == ["parts.A%2FB.sqlite", "vendors.A%2FB.sqlite", "vendors.A.B.sqlite"]


@pytest.mark.parametrize(
    ("other", "named"),
    [({"root": "https://host/pilot"}, "https://host/pilot"), ({"columns": ("Num",)}, "Company")],
)
def test_a_file_of_another_instance_or_key_is_refused(tmp_path, other, named):
    with memory(tmp_path) as kept:
        path = kept.path

    with pytest.raises(SettingsError, match="sweep_path") as refused:
        memory(tmp_path, **other)

    assert str(path) in str(refused.value)
    assert named in str(refused.value)
    assert "delete the file" in str(refused.value)


def test_a_file_of_another_format_is_refused(tmp_path):
    with memory(tmp_path) as kept:
        path = kept.path
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE facts SET value = '99' WHERE name = 'format'")

    with pytest.raises(SettingsError, match="format '99'"):
        memory(tmp_path)


def test_a_file_that_is_something_else_is_refused(tmp_path):
    with memory(tmp_path) as kept:
        path = kept.path
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(SettingsError, match=r"vendors\.EPIC06\.sqlite is not the sweep's memory"):
        memory(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "sweep").write_text("a file")

    with pytest.raises(SettingsError, match=r"`sweep_path` .*sweep cannot be made: File exists"):
        memory(tmp_path)


def test_a_full_disk_is_told_and_changes_nothing(tmp_path):
    with memory(tmp_path) as kept:
        kept.add(rows(1))
        kept._db.execute("PRAGMA max_page_count = 8")

        with pytest.raises(TapError, match=r"full.*check `sweep_path`, its rights and the disk"):
            kept.add(rows(*range(10_000)))

        assert kept.remembered == 1


def test_a_second_run_is_told_at_once_that_the_file_is_in_use(tmp_path):
    with memory(tmp_path):
        began = time.monotonic()
        with pytest.raises(TapError, match=r"in use: another run reads vendors of company EPIC06"):
            memory(tmp_path)
        assert time.monotonic() - began < 1
    memory(tmp_path).close()


WORKER = """
import sys
from tap_epicor_kinetic.key_memory import KeyMemory
memory = KeyMemory(sys.argv[1], "https://host/instance", "vendors", "EPIC06", ["Company", "Num"])
number = 0
while True:
    memory.add([("EPIC06", n) for n in range(number, number + 500)])
    number += 500
    print(number, flush=True)
    if number % 2000 == 0:
        generation = memory.last_generation + 1
        memory.begin_sweep()
        memory.saw([("EPIC06", n) for n in range(number - 50)])
        list(memory.finish_sweep(generation, 100))
        memory.add([("EPIC06", n) for n in range(number - 50, number)])
        memory.confirm(generation)
"""


def kill_a_worker(folder, seconds):
    """Let a process work on a memory, kill it; returns how many keys it said were added."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder / "sweep")], stdout=subprocess.PIPE, text=True
    )
    first = process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = [first, *process.communicate()[0].splitlines()]
    return int([line for line in said if line.strip()][-1])


def check_survives(folder, dice):
    said = kill_a_worker(folder, dice.uniform(0, 0.2))
    with memory(folder) as kept:
        assert kept._one("SELECT count(*) FROM keys")[0] >= said - 50
        assert kept._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept.begin_sweep()
        list(kept.finish_sweep(kept.last_generation + 1, 100))
        assert len(gone(kept)) >= said - 50
        kept.confirm(kept.last_generation)
        assert (gone(kept), kept.remembered) == ([], 0)


def test_a_killed_run_leaves_a_memory_that_holds_what_was_added(tmp_path):
    dice = random.Random(1)
    for _ in range(4):
        check_survives(tmp_path, dice)


@pytest.mark.full
def test_many_killed_runs_leave_a_memory_that_holds_what_was_added(tmp_path):
    dice = random.Random(2)
    for _ in range(60):
        check_survives(tmp_path, dice)


@pytest.mark.full
@pytest.mark.parametrize("step", [1, 7919], ids=["in order", "scattered"])
def test_a_sweep_of_a_million_keys_keeps_memory_flat(tmp_path, step):
    count = 1_000_000

    def pages():
        for start in range(0, count, 1000):
            numbers = ((n * step) % count for n in range(start, start + 1000))
            yield [("EPIC06", number) for number in numbers]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with memory(tmp_path) as kept:
        for page in pages():
            kept.add(page)
        kept.begin_sweep()
        for page in pages():
            kept.saw([key for key in page if key[1] % 10])
        found = sum(map(len, kept.finish_sweep(1)))

    assert found == count // 10
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < 60  # MB
