"""What every warehouse has to show through `meltano run`: its tables are the tenant's rows.

The tenant is read through its own API, page by page, by a reader that shares nothing with the tap;
the warehouse through its own client.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from harness import LINEAGE, Key, as_sent, deleted_rows, differences, plain
from kinetic_sandbox.kinetic import KineticServer, Tenant
from project import Project, assert_no_marker, processes, wait_for
from tap_epicor_kinetic.sensitive import SENSITIVE_COLUMNS, is_sensitive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kinetic_sandbox.kinetic import EntityFacts

_PAGE = 5_000
_MANY = 200_000
Row = dict[str, Any]


class Warehouse(Protocol):
    """One that a loader of meltano.yml reaches in the environment `prod`."""

    loader: str
    """Its plugin in meltano.yml."""
    process: str
    """What only the loader's command line holds, with underscores."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What Meltano's environment needs to reach it."""

    def rows(self, stream: str) -> Iterable[Row]:
        """A table's rows as its client has them, names in lower case, times with their zone."""


@pytest.mark.full
class ExactLoads:
    """Tests; a subclass gives the fixtures `warehouse`, new for each test, and `installed`."""

    @pytest.mark.parametrize("profile", ["documented", "real"])
    def test_two_runs_and_a_day_between_leave_the_tenants_open_rows(
        self, profile, installed, tmp_path, warehouse
    ):
        with KineticServer(Tenant(profile=profile, seed=7, scale=0.3)) as server:
            project = Project(installed, tmp_path, server)
            load(project, warehouse)
            assert_equal(server, warehouse)

            report = server.tenant.day_passes()
            load(project, warehouse)

            assert_equal(server, warehouse, but=deleted_rows(report))
            closed = {(s, tuple(key)) for s, rows in report.closed.items() for _, key in rows}
            assert closed
            marked = {stream for stream, _ in closed if has_marked_rows(warehouse, stream)}
            assert marked == {stream for stream, _ in closed}

    def test_rows_that_are_sent_again_are_not_there_twice(self, small_project, warehouse):
        load(small_project, warehouse)

        load(small_project, warehouse, "--full-refresh")

        assert_equal(small_project.server, warehouse)

    @pytest.mark.parametrize("victim", ["the tap", "the loader"])
    def test_a_run_that_was_killed_is_no_success_and_the_next_completes_it(
        self, victim, small_project, warehouse
    ):
        server = small_project.server
        server.vices.set("slow", 0.05)
        process = small_project.start(
            *command(warehouse), TAP_EPICOR_KINETIC_PAGE_SIZE="20", **warehouse.variables
        )
        wait_for(lambda: sum(r.kind == "rows" for r in server.requests) > 60)
        name = "tap_epicor_kinetic" if victim == "the tap" else warehouse.process
        for pid in processes(process.pid, name):
            os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
        server.vices.clear()

        assert process.returncode != 0, output[-3000:]
        assert_no_marker(small_project)
        load(small_project, warehouse)
        assert_equal(server, warehouse)

    def test_a_new_column_arrives_with_its_values(self, small_project, warehouse):
        server = small_project.server
        load(small_project, warehouse)
        server.tenant.add_column("vendors", "Zone_c", "Edm.String")
        server.tenant.add_column("vendors", "Weight_c", "Edm.Decimal")
        for number, key in enumerate(server.tenant.touch("vendors", "EPIC06", 9)):
            given = {"Zone_c": f"nörth '{number}'", "Weight_c": Decimal("0.00000001") + number}
            server.tenant.update("vendors", "EPIC06", key, **given)

        load(small_project, warehouse)

        assert_equal(server, warehouse)

    def test_a_decimal_that_got_wider_keeps_every_digit(self, small_project, warehouse):
        server = small_project.server
        server.tenant.add_column("vendors", "Weight_c", "Edm.Decimal", Decimal("0.12345678"))
        load(small_project, warehouse)
        assert_equal(server, warehouse)
        server.tenant.widen_decimal("vendors", "Weight_c", 28, 9)
        for number, key in enumerate(server.tenant.touch("vendors", "EPIC06", 9)):
            value = Decimal("1234567890123456789.123456789") - number
            server.tenant.update("vendors", "EPIC06", key, Weight_c=value)

        load(small_project, warehouse)

        assert_equal(server, warehouse)

    def test_200_000_rows_arrive(self, small_project, warehouse):
        server = small_project.server
        server.tenant.load_bulk("part_transactions", "EPIC06", _MANY)

        load(small_project, warehouse, TAP_EPICOR_KINETIC_PAGE_SIZE="5000")

        assert_equal(server, warehouse)

    def test_a_missing_row_a_cent_and_an_offset_are_noticed(self, small_project, warehouse):
        server = small_project.server
        load(small_project, warehouse)
        rows = list(warehouse.rows("ap_invoices"))
        first = next(row for row in rows if row["_sdc_deleted_at"] is None)
        others = [row for row in rows if row is not first]
        amount, moment = amount_and_moment(server.tenant.entity("ap_invoices"), first)
        assert_stream_equal(server, "ap_invoices", rows)

        for wrong in (
            others,
            [*rows, first],
            [*others, {**first, amount: first[amount] + Decimal("0.01")}],
            [*others, {**first, amount: float(first[amount])}],
            [*others, {**first, moment: first[moment] + timedelta(hours=1)}],
            [*others, {**first, moment: first[moment].replace(tzinfo=None)}],
        ):
            with pytest.raises(AssertionError):
                assert_stream_equal(server, "ap_invoices", wrong)


def command(warehouse: Warehouse, *options: str) -> list[str]:
    """The headline command."""
    return ["--environment=prod", "run", *options, "tap-epicor-kinetic", warehouse.loader]


def load(project: Project, warehouse: Warehouse, *options: str, **more: str) -> str:
    """A run that has to end well; its output."""
    patient = replace(project, patience=900)
    code, output = patient.run(*command(warehouse, *options), **warehouse.variables, **more)
    assert code == 0, output[-5000:]
    return output


def assert_equal(
    server: KineticServer, warehouse: Warehouse, *, but: set[tuple[str, Key]] = frozenset()
) -> None:
    """Every table's open rows are the tenant's open rows: keys, values, types, nothing twice.

    Args:
        server: the truth.
        warehouse: what was loaded.
        but: (stream, key) of rows that the tenant deleted outright, which stay until a key sweep.
    """
    for stream in server.tenant.streams:
        gone = {key for name, key in but if name == stream}
        assert_stream_equal(server, stream, warehouse.rows(stream), gone)


def assert_stream_equal(
    server: KineticServer, stream: str, rows: Iterable[Row], gone: set[Key] = frozenset()
) -> None:
    """One table; see `assert_equal`."""
    facts = server.tenant.entity(stream)
    types = {name.lower(): column.type for name, column in facts.columns.items()}
    key = [name.lower() for name in facts.key]
    expected = {
        (company, *(row[name] for name in key)): row
        for company in server.tenant.companies
        for row in open_rows(server, stream, company)
    }
    loaded = {}
    counted: Counter[Key] = Counter()
    for row in rows:
        if row["_sdc_deleted_at"] is not None:
            continue
        found = {k: as_loaded(v, types.get(k)) for k, v in row.items() if k in types}
        address = (row["_epicor_company"], *(found[name] for name in key))
        if tuple(found[name] for name in key) in gone and address not in expected:
            continue
        assert row.keys() >= LINEAGE
        counted[address] += 1
        loaded[address] = found
    assert not [address for address, times in counted.items() if times > 1], stream
    assert loaded.keys() == expected.keys(), (stream, [*loaded.keys() ^ expected.keys()][:5])
    for address, row in expected.items():
        wrong = differences(loaded[address], row)
        assert not wrong, (stream, address, wrong)


def open_rows(server: KineticServer, stream: str, company: str) -> Iterator[Row]:
    """What the tenant shows as open, as the product page says that it arrives."""
    facts = server.tenant.entity(stream)
    for row in api_rows(server, facts, company):
        if facts.is_closed(row) or (stream == "companies" and row["Company1"] != company):
            continue
        yield {
            name.lower(): as_typed(as_sent(value, facts.columns[name].type), facts, name)
            for name, value in row.items()
            if not is_sensitive(name, SENSITIVE_COLUMNS)
        }


def api_rows(server: KineticServer, facts: EntityFacts, company: str) -> Iterator[Row]:
    """All rows of an entity set, in the order of its key."""
    login = base64.b64encode(f"{server.username}:{server.password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "x-api-key": server.api_key}
    root = f"{server.url}/api/v2/odata/{company}/{facts.service}/{facts.entity_set}"
    seen = 0
    while True:
        options = {"$orderby": ",".join(facts.key), "$top": _PAGE, "$skip": seen}
        request = urllib.request.Request(f"{root}?{urllib.parse.urlencode(options)}", None, headers)
        with urllib.request.urlopen(request) as answer:
            page = json.loads(answer.read(), parse_float=Decimal)["value"]
        if not page:
            return
        yield from page
        seen += len(page)


def as_typed(value: Any, facts: EntityFacts, name: str) -> Any:
    """A sent value as a warehouse has to have it."""
    if value is not None and facts.columns[name].type == "Edm.DateTimeOffset":
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc)
    return plain(value)


def as_loaded(value: Any, edm_type: str | None) -> Any:
    """A value that a client gave; a float in place of a decimal, or a time without zone, is told.

    What is compared is exact: a float equals no decimal here unless the tenant's type is a double.
    """
    if value is None:
        return None
    if edm_type == "Edm.Decimal" and not isinstance(value, Decimal):
        return f"{type(value).__name__} {value}"
    if edm_type == "Edm.DateTimeOffset":
        if not isinstance(value, datetime) or value.tzinfo is None:
            return f"without a zone: {value}"
        return value.astimezone(timezone.utc)
    return plain(value)


def has_marked_rows(warehouse: Warehouse, stream: str) -> bool:
    """Whether a table holds a row that was retracted."""
    return any(row["_sdc_deleted_at"] is not None for row in warehouse.rows(stream))


def amount_and_moment(facts: EntityFacts, row: Row) -> tuple[str, str]:
    """Names of a column with an amount and of one with a time, both filled."""
    filled = [
        (name.lower(), column.type)
        for name, column in facts.columns.items()
        if row.get(name.lower()) is not None and name not in facts.key
    ]
    amount = next(name for name, kind in filled if kind == "Edm.Decimal" and row[name])
    moment = next(name for name, kind in filled if kind == "Edm.DateTimeOffset")
    return amount, moment
