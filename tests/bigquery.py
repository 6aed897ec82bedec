"""A BigQuery of one's own: a third party's emulator behind a front that can fail, and a client."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import subprocess
import threading
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from environments import ROOT, free_port, programs, wait_for_port
from harness import environment
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService
from page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GUARD = ROOT / "loaders" / "target-bigquery"
_EXTENSIONS = ("ducklake", "icu", "spatial")
_EMULATOR = (
    "local-bigquery==0.3.2", "duckdb==1.5.5", "duckdb-extensions==1.5.5",
    *(f"duckdb-extension-{each}==1.5.5" for each in _EXTENSIONS),
)  # fmt: skip
PAGE = Page("docs/warehouses/bigquery.md")
PROJECT, DATASET = "finance", "kinetic"
AMOUNT = {"type": ["string", "null"], "format": "x-singer.decimal", "precision": 18, "scale": 3}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
TEXT = {"type": ["string", "null"]}
_GZIP = b"\x1f\x8b\x08"
_WIDER = re.compile(r"ALTER TABLE (\S+) ALTER COLUMN (\S+) SET DATA TYPE (\w+)")
_REASONS = {
    401: "authError", 403: "accessDenied", 404: "notFound", 429: "rateLimitExceeded",
    500: "backendError", 503: "backendError",
}  # fmt: skip
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


@dataclass
class Fault:
    """What goes wrong with a request.

    Attributes:
        what: a part of its method, path or statement; several have a bar between them.
        status: to answer with; 0 cuts the connection.
        times: how often.
        reason: BigQuery's word; by status where it is empty.
        moment: `before` it is passed on, `after`, or `during`: with its body still on the way.
        body: of the answer, in place of an error.
        hold: whether to keep the client waiting, until the front stops.
        statement: to run in place of the one that was sent.
    """

    what: str
    status: int
    times: int
    reason: str = ""
    moment: str = "before"
    body: dict[str, Any] | None = None
    hold: bool = False
    statement: str = ""
    reached: threading.Event = field(default_factory=threading.Event)


class Front(LoopbackService):
    """Does what the emulator cannot, and fails where it is told to.

    It unpacks what was sent packed, makes a decimal wider by way of a copy, and gives tokens.

    Attributes:
        passed: method and path of each request.
        statements: of query jobs, as they were sent.
        uploads: rows of load jobs, unpacked.
        tokens: that came with requests.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.passed: list[str] = []
        self.statements: list[str] = []
        self.uploads: list[bytes] = []
        self.tokens: set[str] = set()
        self.stopping = threading.Event()
        self._faults: list[Fault] = []
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    def fail(self, what: str, status: int, times: int = 10**6, **how: Any) -> Fault:
        """From now on; an empty text ends it."""
        self._faults.clear()
        return self.also_fail(what, status, times, **how)

    def also_fail(self, what: str, status: int, times: int = 10**6, **how: Any) -> Fault:
        """Beside what fails already."""
        fault = Fault(what, status, times, **how)
        if what:
            self._faults.append(fault)
        return fault

    def hold(self, what: str, moment: str = "before") -> threading.Event:
        """Keep a request waiting; the event says that it has come."""
        return self.fail(what, 0, moment=moment, hold=True).reached

    def judge(self, what: str, *moments: str) -> Fault | None:
        """What goes wrong with a request now."""
        for fault in self._faults:
            if fault.moment not in moments or fault.times < 1:
                continue
            if any(part in what for part in fault.what.split("|")):
                fault.times -= 1
                return fault
        return None

    def stop(self) -> None:
        """Stop answering, also those that wait."""
        self.stopping.set()
        super().stop()


class _Server(LoopbackServer):
    owner: Front


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        front = self.server.owner
        what = f"{self.command} {self.path}"
        front.passed.append(what)
        front.tokens.add(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if front.judge(what, "during"):
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if body[:3] == _GZIP:
            body = gzip.decompress(body)
            front.uploads.append(body)
        statement = self._statement(body)
        fault = front.judge(f"{what} {statement}", "before", "after")
        if fault:
            body = _with_statement(body, fault.statement) if fault.statement else body
        if fault is None or fault.moment == "after" or fault.statement:
            status, headers, answer = self._answer_of(_emulated(body, statement))
        if fault:
            fault.reached.set()
        if fault is None or fault.statement:
            self._answer(status, headers, answer)
            return
        if fault.hold:
            front.stopping.wait(120)
        if not fault.status:
            self.close_connection = True
            return
        reason = fault.reason or _REASONS.get(fault.status, "invalid")
        message = f"told to fail: {reason}"
        errors = [{"reason": reason, "message": message}]
        error = {"error": {"code": fault.status, "message": message, "errors": errors}}
        told = json.dumps(fault.body or error).encode()
        self._answer(fault.status, [("Content-Type", "application/json")], told)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _statement(self, body: bytes) -> str:
        path = self.path.partition("?")[0]
        if self.command != "POST" or not path.endswith(("/jobs", "/queries")):
            return ""
        asked = json.loads(body)
        if path.endswith("/queries"):
            return str(asked.get("query", ""))
        query = asked.get("configuration", {}).get("query")
        if not query:
            return ""
        self.server.owner.statements.append(query["query"])
        return str(query["query"])

    def _answer_of(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self.path == "/token":
            token = {"access_token": "given", "expires_in": 3600, "token_type": "Bearer"}
            return 200, [("Content-Type", "application/json")], json.dumps(token).encode()
        kept = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
        own = {"transfer-encoding", "content-length", "connection"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.owner.upstream)) as far:
            far.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
            answer = far.getresponse()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in own]
            return answer.status, headers, answer.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `passed`."""


def _emulated(body: bytes, statement: str) -> bytes:
    """A job that the emulator can do."""
    wider = _WIDER.fullmatch(statement)
    if wider is None:
        return body
    table, column, kind = wider.groups()
    return _with_statement(
        body,
        f"create or replace table {table} as "
        f"select * replace (cast({column} as {kind}) as {column}) from {table}",
    )


def _with_statement(body: bytes, statement: str) -> bytes:
    job = json.loads(body)
    job.get("configuration", {"query": job})["query"]["query"] = statement
    return json.dumps(job).encode()


def documented_tables() -> dict[str, dict[str, Any]]:
    """The example of the setting `tables`, as the page has it."""
    (example,) = PAGE.blocks("yaml")
    (environment,) = yaml.safe_load(example)["environments"]
    (loader,) = environment["config"]["plugins"]["loaders"]
    return dict(loader["config"]["tables"])


def messages(
    stream: str,
    rows: list[dict[str, Any]],
    *,
    amount: dict[str, Any] = AMOUNT,
    more: dict[str, Any] | None = None,
    keys: Sequence[str] = ("K",),
    extracted: str | None = "2026-11-21T12:00:00.000Z",
    state: int = 1,
) -> bytes:
    """Singer messages: a schema with `K` and `Amount`, rows, a state."""
    properties = {
        "K": {"type": "string"},
        "Amount": amount,
        **(more or {}),
        "_sdc_deleted_at": MOMENT,
    }
    schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties},
              "key_properties": list(keys)}  # fmt: skip
    at = {"time_extracted": extracted} if extracted else {}
    records = [
        {"type": "RECORD", "stream": stream, "record": {"_sdc_deleted_at": None, **row}, **at}
        for row in rows
    ]
    lines = [schema, *records, {"type": "STATE", "value": {"seen": state}}]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


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

    def start(self, messages: bytes) -> subprocess.Popen[bytes]:
        """Begin to load Singer messages, few enough to fit into a pipe."""
        loader = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.variables,
        )  # fmt: skip
        loader.stdin.write(messages)
        loader.stdin.close()
        return loader

    def jobs(self) -> list[str]:
        """Ids, the newest last."""
        root = f"http://127.0.0.1:{self.front.upstream}/bigquery/v2/projects/{PROJECT}/jobs"
        with urllib.request.urlopen(root) as answer:
            found = json.load(answer).get("jobs", [])
        return [job["jobReference"]["jobId"] for job in reversed(found)]

    def resource(self, path: str) -> dict[str, Any]:
        """What the API says of a table or a dataset."""
        root = f"http://127.0.0.1:{self.front.upstream}/bigquery/v2/projects/{PROJECT}/datasets"
        with urllib.request.urlopen(f"{root}/{path}") as answer:
            return json.load(answer)

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

    def amounts(self, table: str) -> dict[str, Decimal]:
        """Of each key; none is there twice."""
        rows = self.rows(table)
        assert len({row["K"] for row in rows}) == len(rows), table
        return {row["K"]: Decimal(row["Amount"]) for row in rows}

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
