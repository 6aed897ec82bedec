"""A BigQuery of one's own: a third party's emulator behind a front that can fail, and a client."""

from __future__ import annotations

import gzip
import http.client
import json
import subprocess
from contextlib import closing, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments import ROOT, free_port, programs, wait_for_port
from harness import environment
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARD = ROOT / "loaders" / "target-bigquery"
_EXTENSIONS = ("ducklake", "icu", "spatial")
_EMULATOR = (
    "local-bigquery==0.3.2", "duckdb==1.5.5", "duckdb-extensions==1.5.5",
    *(f"duckdb-extension-{each}==1.5.5" for each in _EXTENSIONS),
)  # fmt: skip
PROJECT, DATASET = "finance", "kinetic"
_GZIP = b"\x1f\x8b\x08"
_ROWS = """
import json, sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
client = bigquery.Client(project=sys.argv[1], credentials=AnonymousCredentials())
for number, statement in enumerate(sys.argv[2:]):
    for row in client.query(statement).result():
        print(json.dumps([number, {
            k: str(v) if v is not None and not isinstance(v, (bool, int)) else v
            for k, v in row.items()}]))
"""
"""Decimals and times as texts, so that no digit is lost on the way here."""


class Front(LoopbackService):
    """Unpacks what was sent packed, which the emulator cannot, and fails where it is told to.

    Attributes:
        fails: a request whose method and path hold this text is answered with `status`, or not
            at all where that is 0.
        passed: method and path of each request.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.fails, self.status, self.times = "", 0, 0
        self.passed: list[str] = []
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    def fail(self, what: str, status: int, times: int = 10**6) -> None:
        """From now on."""
        self.fails, self.status, self.times = what, status, times

    def judge(self, what: str) -> int | None:
        """The status to answer with in the emulator's place; None to pass it on."""
        self.passed.append(what)
        if not self.fails or self.fails not in what or self.times < 1:
            return None
        self.times -= 1
        return self.status


class _Server(LoopbackServer):
    owner: Front


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = self.server.owner.judge(f"{self.command} {self.path}")
        if status is None:
            self._pass_on(gzip.decompress(body) if body[:3] == _GZIP else body)
        elif status:
            reasons = {403: "accessDenied", 500: "backendError", 503: "backendError"}
            error = {"reason": reasons.get(status, "invalid"), "message": "told to fail"}
            told = {"error": {"code": status, "message": "told to fail", "errors": [error]}}
            self._answer(status, [("Content-Type", "application/json")], json.dumps(told).encode())
        else:
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _pass_on(self, body: bytes) -> None:
        kept = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
        own = {"transfer-encoding", "content-length", "connection"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.owner.upstream)) as far:
            far.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
            answer = far.getresponse()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in own]
            self._answer(answer.status, headers, answer.read())

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `passed`."""


class BigQuery:
    """The guarded loader and a client, both as Google's library makes them."""

    def __init__(self, front: Front, guard: Path, folder: Path) -> None:
        self.front = front
        self._guard = guard
        self._folder = folder
        # A token that needs no endpoint: nothing leaves the machine.
        login = {"type": "authorized_user", "client_id": "x", "client_secret": "x",
                 "refresh_token": "x", "token": "t", "expiry": "2099-01-01T00:00:00Z"}  # fmt: skip
        (folder / "login.json").write_text(json.dumps(login))
        self.configure()

    def configure(self, **settings: Any) -> None:
        """Write the loader's settings."""
        config = {"project": PROJECT, "dataset": DATASET, **settings}
        (self._folder / "target.json").write_text(json.dumps(config))

    @property
    def command(self) -> list[str]:
        """The loader."""
        program = self._guard / "kinetic-target-bigquery"
        return [str(program), "--config", str(self._folder / "target.json")]

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which Google's library finds the front."""
        return {
            **environment(),
            "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{self.front.port}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._folder / "login.json"),
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "PYTHONWARNINGS": "ignore",
        }

    def load(self, messages: bytes) -> subprocess.CompletedProcess[bytes]:
        """Load Singer messages."""
        return subprocess.run(
            self.command, input=messages, capture_output=True, env=self.variables,
            check=False, timeout=300,
        )  # fmt: skip

    def query(self, *statements: str) -> list[list[dict[str, Any]]]:
        """The rows of each query, decimals and times as texts."""
        done = subprocess.run(
            [str(self._guard / "python"), "-c", _ROWS, PROJECT, *statements],
            capture_output=True, text=True, env=self.variables, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found: list[list[dict[str, Any]]] = [[] for _ in statements]
        for line in done.stdout.splitlines():
            number, row = json.loads(line, parse_float=Decimal)
            found[number].append(row)
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return self.query(f"select * from `{PROJECT}.{DATASET}.{table}`")[0]

    def tables(self) -> set[str]:
        """What stands in the dataset."""
        names = f"select table_name from `{PROJECT}.{DATASET}`.INFORMATION_SCHEMA.TABLES"
        return {row["table_name"] for row in self.query(names)[0]}


@contextmanager
def emulator(folder: Path) -> Iterator[int]:
    """The emulator's port."""
    found = programs("bigquery", "emulator", "3.13", _EMULATOR)
    variables = {**environment(), "HOME": str(folder)}
    install = f"from duckdb_extensions import import_extension as i; [i(x) for x in {_EXTENSIONS}]"
    subprocess.run([str(found / "python"), "-c", install], env=variables, check=True)
    rest, grpc = free_port(), free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(found / "local-bigquery"), "serve", "--host", "127.0.0.1", "--port", str(rest),
             "--grpc-port", str(grpc), "--data-dir", str(folder / "data")],
            env=variables, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for_port(rest, process, folder / "log")
        yield rest
    finally:
        process.terminate()
        process.wait(20)


def guard() -> Path:
    """The guarded loader's programs."""
    return programs("bigquery", "guard", "3.11", ["-e", str(GUARD)], GUARD / "pyproject.toml")
