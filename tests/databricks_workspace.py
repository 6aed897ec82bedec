"""A Databricks workspace of one's own: Sail behind a bridge, the loader, and Databricks' client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from databricks import sql
from environments import ROOT, free_port, programs, wait_for_port
from harness import environment
from kinetic_target_databricks.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redirect import Redirect

_PACKAGES = ("pysail==0.7.2", "pyspark-client==4.2.0", "databricks-sql-connector[pyarrow]==4.9.0")
HOST = "dbc-a1b2c3d4-e5f6.cloud.databricks.com"
HTTP_PATH = "/sql/1.0/warehouses/w1"
CATALOG, SCHEMA = "main", "kinetic"
OAUTH = {"client_id": "app-1", "client_secret": "s3cret"}
TOKEN = {"token": "dapi-1"}
ACCOUNT = {**OAUTH, "account_id": "account-1"}
WORKSPACE = {"host": HOST, "http_path": HTTP_PATH, "catalog": CATALOG, **TOKEN}


def config(**settings: Any) -> Config:
    """The loader's settings, judged."""
    return Config.of({**WORKSPACE, **settings})


class Databricks:
    """The loader in its production configuration, and a reader."""

    loader = "target-databricks"
    process = "kinetic_target_databricks"

    def __init__(self, port: int, redirect: Redirect, folder: Path) -> None:
        self._port = port
        self.redirect = redirect
        self._file = folder / "target.json"
        self.switch(reset=True, forget=True)
        self.configure()

    def configure(self, login: dict[str, str] = OAUTH, **settings: Any) -> None:
        """Write the loader's settings."""
        config = {
            "host": HOST,
            "http_path": HTTP_PATH,
            "catalog": CATALOG,
            "schema": SCHEMA,
            **login,
            "retry_deadline_seconds": 60,
            **settings,
        }
        self._file.write_text(json.dumps(config))

    @property
    def command(self) -> list[str]:
        """The loader."""
        program = Path(sys.executable).with_name("kinetic-target-databricks")
        return [str(program), "--config", str(self._file)]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the schedule's command, and the way to the bridge."""
        return {
            "DATABRICKS_HOST": HOST,
            "DATABRICKS_HTTP_PATH": HTTP_PATH,
            "DATABRICKS_CLIENT_ID": OAUTH["client_id"],
            "DATABRICKS_CLIENT_SECRET": OAUTH["client_secret"],
            "DATABRICKS_CATALOG": CATALOG,
            "DATABRICKS_SCHEMA": SCHEMA,
            **self.redirect.variables,
        }

    def load(self, messages: bytes) -> subprocess.CompletedProcess[bytes]:
        """Load Singer messages."""
        return subprocess.run(
            self.command, input=messages, capture_output=True, check=False, timeout=300,
            env={**environment(), **self.redirect.variables},
        )  # fmt: skip

    def switch(self, **switches: Any) -> list[str]:
        """Set switches of the bridge; what it was asked until now."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/bridge", json.dumps(switches).encode()
        )
        told: list[str] = json.loads(urllib.request.urlopen(request, timeout=60).read())["told"]
        return told

    def fail(self, match: str, kind: str, times: int = 10**6, **more: Any) -> None:
        """Fail what holds a text from now on; see the bridge's `Bridge`."""
        self.switch(fault={"match": match, "kind": kind, "times": times, **more})

    def mend(self) -> None:
        """Work again."""
        self.switch(fault=None)

    @property
    def statements(self) -> list[str]:
        """What was run, in order, but for logins and uploads."""
        return [each for each in self.switch() if not each.startswith(("GET /", "POST /", "PUT /"))]

    def query(self, statement: str) -> list[dict[str, Any]]:
        """A statement's rows, as Databricks' client gives them; names in lower case."""
        with (
            patch.dict(os.environ, self.redirect.variables),
            closing(
                sql.connect(
                    server_hostname=HOST,
                    http_path=HTTP_PATH,
                    access_token=TOKEN["token"],
                    enable_telemetry=False,
                )
            ) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(statement)
            names = [column[0].lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return self.query(f"SELECT * FROM `{CATALOG}`.`{SCHEMA}`.`{stream}`")


@contextmanager
def workspace(folder: Path) -> Iterator[int]:
    """The bridge's port."""
    found = programs("databricks", "emulator", "3.12", _PACKAGES)
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(found / "python"),
                str(ROOT / "tests" / "databricks_bridge.py"),
                str(port),
                str(folder),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**environment(), "PYTHONWARNINGS": "ignore"},
        )
    try:
        wait_for_port(port, process, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(20)
