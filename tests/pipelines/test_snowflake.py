"""`meltano run tap-epicor-kinetic target-snowflake` on an emulator: exactly the tenant's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import snowflake
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from exact_loads import ExactLoads, assert_equal, command, load
from project import install
from redirect import Redirect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Schema:
    """One schema of an account, as `exact_loads.Warehouse` wants it."""

    loader = "target-snowflake"
    process = "kinetic_target_snowflake"

    def __init__(self, front: snowflake.Front, redirect: Redirect, key: Path, name: str) -> None:
        self.front = front
        self._redirect = redirect
        self._key = key
        self.schema = name

    @property
    def variables(self) -> dict[str, str]:
        """What a user exports, and the way to the emulator."""
        return {
            **self._redirect.variables,
            "SNOWFLAKE_ACCOUNT": snowflake.ACCOUNT,
            "SNOWFLAKE_USER": snowflake.USER,
            "SNOWFLAKE_PRIVATE_KEY_PATH": str(self._key),
            "SNOWFLAKE_ROLE": snowflake.ROLE,
            "SNOWFLAKE_WAREHOUSE": snowflake.WAREHOUSE,
            "SNOWFLAKE_DATABASE": snowflake.DATABASE,
            "SNOWFLAKE_SCHEMA": self.schema,
        }

    def rows(self, stream: str) -> Iterator[dict[str, Any]]:
        """Through Snowflake's own client."""
        return snowflake.rows(self._redirect.variables, self.schema, stream)

    def execute(self, statement: str) -> None:
        """A statement of somebody else's."""
        list(snowflake.query(self._redirect.variables, statement))


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    with snowflake.emulator(folder) as port, snowflake.Front(port) as front:
        yield front


@pytest.fixture(scope="module")
def redirect(front, tmp_path_factory):
    folder = tmp_path_factory.mktemp("redirect")
    with Redirect({snowflake.HOSTS: front.port}, folder) as redirect:
        yield redirect
        assert redirect.refused == []


PASSPHRASE = "p@ss&w+rd%41/:?#"


def make_key(path: Path, passphrase: str = "") -> Path:
    """A key pair's private half, as `openssl genpkey` would write it."""
    made = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption(),
    )
    path.write_bytes(made)
    return path


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return make_key(tmp_path_factory.mktemp("key") / "rsa_key.p8")


@pytest.fixture(scope="module", autouse=True)
def loader(installed, front):
    install("target-snowflake", installed)


@pytest.fixture
def warehouse(front, redirect, key, tmp_path):
    yield Schema(front, redirect, key, f"KINETIC_{tmp_path.name}".replace("-", "_").upper())
    front.mend()


class TestSnowflake(ExactLoads):
    """All of it."""


@pytest.mark.full
@pytest.mark.parametrize("fault", ["NO_RIGHT", "NO_WAREHOUSE", "NO_QUOTA", "EXPIRED"])
def test_a_load_that_snowflake_refuses_is_no_success_and_the_next_run_makes_it_good(
    small_project, warehouse, fault
):
    load(small_project, warehouse)
    small_project.server.tenant.touch("vendors", "EPIC06", 3)
    small_project.server.tenant.close_some("vendors", "EPIC06", 2)
    warehouse.front.fail("merge into [^ ]*VENDORS", getattr(snowflake, fault))

    code, output = small_project.run(*command(warehouse), **warehouse.variables)

    assert code != 0
    assert "STATE stays behind" in output
    warehouse.front.mend()
    load(small_project, warehouse)
    assert_equal(small_project.server, warehouse)


@pytest.mark.full
def test_the_job_proves_its_load_and_a_row_that_is_gone_fails_the_proof(
    installed, small_project, warehouse
):
    install("proof-snowflake", installed)
    job = (installed / "meltano.yml").read_text().partition("\njobs:")
    (installed / "meltano.yml").write_text(job[0] + job[1] + job[2].replace("duckdb", "snowflake"))
    prod = ("--environment=prod", "run")
    encrypted = {
        **warehouse.variables,
        "SNOWFLAKE_PRIVATE_KEY_PATH": str(make_key(small_project.home / "a b.p8", PASSPHRASE)),
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": PASSPHRASE,
    }
    try:
        code, output = small_project.run(*prod, "documents-hourly", **encrypted)
        assert code == 0, output[-5000:]
        assert "purchase_orders" in output

        table = f"{snowflake.DATABASE}.{warehouse.schema}.PURCHASE_ORDERS"
        warehouse.execute(f"delete from {table}")
        code, output = small_project.run(*prod, "proof-snowflake:documents", **encrypted)
        assert code == 1
        assert "missing" in output
    finally:
        (installed / "meltano.yml").write_text("".join(job))
