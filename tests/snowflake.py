"""A Snowflake of one's own: a third party's emulator behind a front that can fail, and a client."""

from __future__ import annotations

import gzip
import http.client
import json
import pickle
import re
import subprocess
import threading
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from environments import ROOT, free_port, programs, wait_for_port
from harness import environment
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService
from redirect import Redirect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

GUARD = ROOT / "loaders" / "target-snowflake"
HOSTS = "*.snowflakecomputing.com"
ACCOUNT, USER, ROLE = "ACMEMFG-PROD01", "KINETIC_LOADER", "KINETIC_LOADER"
WAREHOUSE, DATABASE = "KINETIC_LOAD", "FINANCE"
_CLIENT = "snowflake-connector-python==4.8.1"
_EMULATOR = ("fakesnow[server]==0.12.1", _CLIENT)
_USERS = f"{DATABASE}.EMULATED_USERS"
_STAGE = f"{_USERS}.STAGE"
"""Stands for the stage that each user has, which the emulator has not."""
_ANY = re.DOTALL | re.IGNORECASE
_GZIP = b"\x1f\x8b"
_NOTHING = re.compile("$^")
_PUT = re.compile(r"\s*put (?P<file>'file:[^']+') '@~/(?P<path>[^']+)'", _ANY)
_REMOVE = re.compile(r"\s*remove '@~/(?P<path>[^']+?)/?'", _ANY)
_DROP_FORMAT = re.compile(r"\s*drop file format ", _ANY)
_TEMPORARY = re.compile(r"\s*create or replace temporary table ", _ANY)
_COPY = re.compile(
    r"\s*copy into (?P<table>\S+) (?P<names>\(.*?\)) from "
    r"\(select (?P<columns>.*) from '@~/(?P<path>[^']+)'\)\s*file_format",
    _ANY,
)
_MERGE = re.compile(
    r"\s*merge into (?P<table>\S+) d using \(select (?P<columns>.*?) from '@~/(?P<path>[^']+)'"
    r"\(file_format => [^)]+\)(?P<last>.*?)\) s (?P<rest>on .*)",
    _ANY,
)
_ROWS = """
import pickle, sys
from datetime import datetime, timezone
import snowflake.connector
account, user, database, query = sys.argv[1:]
def plain(value):
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value
with snowflake.connector.connect(
    account=account, user=user, password="reader", database=database
) as connection:
    cursor = connection.cursor()
    if query.startswith("table "):
        # The emulator gives a null time as the first of 1970.
        home = query.removeprefix("table ")
        times = [row[0] for row in cursor.execute(f"describe table {home}")
                 if row[1].startswith("TIMESTAMP")]
        nulls = "".join(f', "{name}" is null as "{name} is null"' for name in times)
        query = f"select *{nulls} from {home}"
    cursor.execute(query)
    names = [column.name.lower() for column in cursor.description]
    while rows := cursor.fetchmany(10_000):
        found = [dict(zip(names, map(plain, row))) for row in rows]
        pickle.dump(found, sys.stdout.buffer)
"""
"""Each value with the type that Snowflake's client gives it; times in UTC."""
_NULL = " is null"
AMOUNT = {"type": ["string", "null"], "format": "x-singer.decimal", "precision": 18, "scale": 3}
MARK = {"type": ["string", "null"], "format": "date-time"}


@dataclass(frozen=True)
class Fault:
    """An answer in Snowflake's own form."""

    code: str
    state: str
    message: str


NO_RIGHT = Fault(
    "003001", "42501", "SQL access control error:\nInsufficient privileges to operate on table"
)
NO_WAREHOUSE = Fault(
    "000606", "57P03",
    "No active warehouse selected in the current session.  Select an active warehouse with the "
    "'use warehouse' command.",
)  # fmt: skip
NO_QUOTA = Fault(
    "090073", "22000",
    "Warehouse 'KINETIC_LOAD' cannot be resumed because resource monitor 'MONTHLY' has exceeded "
    "its quota.",
)  # fmt: skip
EXPIRED = Fault("390114", "08001", "Authentication token has expired. The user must log in again.")
JWT_INVALID = Fault("390144", "08001", "JWT token is invalid. [5b8b7a9e]")


class Front(LoopbackService):
    """Rewrites what the emulator lacks, and fails where it is told to.

    Attributes:
        logins: what was sent to log in, in order.
        logouts: tokens of the sessions that were ended.
        statements: each statement as the client sent it.
        staged: lines of the files that were put into the stage.
        login_fault: answers each login where set.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.logins: list[dict[str, Any]] = []
        self.logouts: set[str] = set()
        self.statements: list[str] = []
        self.staged: list[bytes] = []
        self.login_fault: Fault | None = None
        self._what, self._times, self._spared = _NOTHING, 0, 0
        self._held, self._has_come = _NOTHING, threading.Event()
        self._let_go = threading.Event()
        self._fault: Fault | None = None
        self._is_done_first = False
        self._answered: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}
        self._copies: dict[str, str] = {}
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    def fail(self, what: str, fault: Fault, times: int = 10**6, *, after: int = 0) -> None:
        """Answer statements that begin with a pattern with a fault; `after` so many of them."""
        self._set(what, fault, times, is_done_first=False)
        self._spared = after

    def cut(self, what: str, times: int = 10**6, *, after: bool = False) -> None:
        """Hang up instead of answering such statements, before or after they were executed."""
        self._set(what, None, times, is_done_first=after)

    def hold(self, what: str) -> threading.Event:
        """Keep such statements waiting until `mend`; set when one has come."""
        self._held, self._let_go = re.compile(what, _ANY), threading.Event()
        self._has_come.clear()
        return self._has_come

    def wait(self, statement: str) -> None:
        """While it is held."""
        if self._held.match(statement.strip()):
            self._has_come.set()
            self._let_go.wait(60)

    def mend(self) -> None:
        """End all of it."""
        self._held = _NOTHING
        self._let_go.set()
        self._set(_NOTHING.pattern, None, 0, is_done_first=False)
        self.login_fault = None

    def _set(self, what: str, fault: Fault | None, times: int, *, is_done_first: bool) -> None:
        self._what, self._times, self._spared = re.compile(what, _ANY), times, 0
        self._fault, self._is_done_first = fault, is_done_first

    def judge(self, statement: str) -> tuple[bool, Fault | None, bool]:
        """Whether a statement fails, with what fault (None: hung up on), and whether it is done."""
        self.statements.append(statement)
        fails = bool(self._times > 0 and self._what.match(statement.strip()))
        if fails and self._spared:
            self._spared -= 1
            fails = False
        self._times -= fails
        return fails, self._fault, self._is_done_first

    def once(self, request: str) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """The answer to a request that was answered before: Snowflake executes it once."""
        return self._answered.get(request)

    def keep(self, request: str, answer: tuple[int, list[tuple[str, str]], bytes]) -> None:
        """Remember an answer."""
        self._answered[request] = answer

    def copies(self) -> dict[str, str]:
        """Tables of the emulator that hold staged files, by their path in the stage."""
        return self._copies


class _Server(LoopbackServer):
    owner: Front


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the network broke
            self.close_connection = True
            return
        if body.startswith(_GZIP) and not self.path.startswith("/fs_bucket"):
            body = gzip.decompress(body)
        if self.path.startswith("/session/v1/login-request"):
            self._log_in(body)
        elif self.path.startswith("/queries/v1/query-request"):
            self._query(body)
        elif self.path.startswith("/fs_bucket"):
            if body.startswith(_GZIP):
                self.server.owner.staged += gzip.decompress(body).splitlines()
            self._answer(*self._pass_on(self.command, self.path, body))
        else:
            if self.path.startswith("/session?delete=true"):
                self.server.owner.logouts.add(self.headers["Authorization"])
            self._answer(*self._pass_on(self.command, self.path, body))

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815

    def _log_in(self, body: bytes) -> None:
        owner = self.server.owner
        owner.logins.append({**json.loads(body)["data"], **_one(self.path)})
        if owner.login_fault:
            self._refuse(owner.login_fault)
        else:
            status, headers, answer = self._pass_on("POST", self.path, body)
            told = json.loads(answer)
            # Without one, the client does not end its session.
            told["data"]["masterToken"] = "of the emulator"
            self._answer(status, headers, json.dumps(told).encode())

    def _query(self, body: bytes) -> None:
        owner, asked = self.server.owner, json.loads(body)
        request = _one(self.path).get("requestId", "")
        owner.wait(asked["sqlText"])
        fails, fault, is_done_first = owner.judge(asked["sqlText"])
        if fails and fault:
            self._refuse(fault)
            return
        if fails and not is_done_first:
            self.close_connection = True
            return
        answer = owner.once(request)
        if answer is None:
            try:
                asked["sqlText"] = self._in_the_emulators_words(asked["sqlText"])
            except _Refused as error:
                self._refuse(Fault("002003", "42000", str(error)))
                return
            answer = self._pass_on("POST", self.path, json.dumps(asked).encode())
            # Two statements at once may meet in the emulator, which then does neither of them.
            if answer[0] < HTTPStatus.INTERNAL_SERVER_ERROR:
                owner.keep(request, answer)
        if fails:
            self.close_connection = True
        else:
            self._answer(*answer)

    def _in_the_emulators_words(self, statement: str) -> str:  # noqa: PLR0911 - one each
        copies = self.server.owner.copies()
        if found := _PUT.match(statement):
            return f"put {found['file']} @{_STAGE}/{found['path']}"
        if found := _REMOVE.match(statement):
            for path in [each for each in copies if each.startswith(found["path"])]:
                self._run(f"drop table {copies.pop(path)}")
            return "select 'removed' as result"
        if _DROP_FORMAT.match(statement):
            return "select 'dropped' as status"
        if found := _TEMPORARY.match(statement):
            return f"create or replace table {statement[found.end() :]}"
        if found := _COPY.match(statement):
            source = self._copy_of(found["path"], found["columns"], "")
            self._run(f"insert into {found['table']} {found['names']} select * from {source}")
            return (
                f"select 'file' as file, 'LOADED' as status, count(*) as rows_parsed, "
                f"count(*) as rows_loaded from {source}"
            )
        if found := _MERGE.match(statement):
            last = found["last"].replace("SEQ8()", "rowid")
            source = self._copy_of(found["path"], found["columns"], last)
            database, schema = found["table"].split(".")[:2]
            self._run(f"use schema {database}.{schema}")
            return f"merge into {found['table']} d using {source} s {found['rest']}"
        return statement

    def _copy_of(self, path: str, columns: str, last: str) -> str:
        """A table with what a query of a staged file returns."""
        name = f"{_USERS}.T{uuid.uuid4().hex}"
        self._run(f"create table {name}_raw (v variant)")
        self._run(f"copy into {name}_raw from @{_STAGE}/{path} file_format=(type='JSON')")
        columns = columns.replace("$1:", "v:")
        self._run(f"create table {name} as select {columns} from {name}_raw {last}")
        self._run(f"drop table {name}_raw")
        self.server.owner.copies()[path] = name
        return name

    def _run(self, statement: str) -> None:
        """A statement of ours in the session of the client."""
        asked = {"sqlText": statement, "asyncExec": False, "sequenceId": 1}
        _, _, answer = self._pass_on(
            "POST", f"/queries/v1/query-request?requestId={uuid.uuid4()}",
            json.dumps(asked).encode(),
        )  # fmt: skip
        told = json.loads(answer)
        if not told.get("success"):
            raise _Refused(told.get("message"))

    def _pass_on(
        self, method: str, path: str, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        own = {"content-encoding", "accept-encoding", "content-length", "connection"}
        kept = {k: v for k, v in self.headers.items() if k.lower() not in own}
        kept["X-Forwarded-Proto"] = "https"  # so that it tells where to put files with https
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.owner.upstream)) as far:
            far.request(method, path, body, {**kept, "Content-Length": str(len(body))})
            answer = far.getresponse()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() == "content-type"]
            return answer.status, headers, answer.read()

    def _refuse(self, fault: Fault) -> None:
        data = {"errorCode": fault.code, "sqlState": fault.state, "queryId": str(uuid.uuid4())}
        told = {"data": data, "code": fault.code, "message": fault.message, "success": False}
        self._answer(200, [("Content-Type", "application/json")], json.dumps(told).encode())

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `statements`."""


class _Refused(Exception):
    """The emulator could not execute a statement of ours."""


def _one(path: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


class Snowflake:
    """The loader and a client, both as they are for a production account."""

    def __init__(self, front: Front, redirect: Redirect, folder: Path, schema: str) -> None:
        self.front = front
        self.redirect = redirect
        self.schema = schema
        self._folder = folder
        self.configure()

    def configure(self, **settings: Any) -> None:
        """Write the loader's settings; a None takes one out."""
        config = {
            "account": ACCOUNT, "user": USER, "password": "secret", "role": ROLE,
            "database": DATABASE, "warehouse": WAREHOUSE, "default_target_schema": self.schema,
            "timestamp_type": "TIMESTAMP_TZ", "uuid_format": "string",
            "use_raw_stream_names": True, **settings,
        }  # fmt: skip
        kept = {name: value for name, value in config.items() if value is not None}
        (self._folder / "target.json").write_text(json.dumps(kept))

    @property
    def command(self) -> list[str]:
        """The loader."""
        return [str(loader()), "--config", str(self._folder / "target.json")]

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which Snowflake's client finds the front."""
        return {**environment(), **self.redirect.variables}

    def load(self, messages: bytes, timeout: float = 300) -> subprocess.CompletedProcess[bytes]:
        """Load Singer messages."""
        return subprocess.run(
            self.command, input=messages, capture_output=True, env=self.variables,
            check=False, timeout=timeout, cwd=self._folder,
        )  # fmt: skip

    def query(self, statement: str) -> list[dict[str, Any]]:
        """A query's rows, or what any other statement answers."""
        return list(query(self.redirect.variables, statement))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return list(rows(self.redirect.variables, self.schema, table))


def rows(variables: Mapping[str, str], schema: str, table: str) -> Iterator[dict[str, Any]]:
    """All rows of a table through Snowflake's own client.

    Names are in lower case; decimals are Decimal, times aware and in UTC.
    """
    for row in query(variables, "table " + f"{DATABASE}.{schema}.{table}".upper()):
        yield {
            name: None if row.get(name + _NULL) else value
            for name, value in row.items()
            if not name.endswith(_NULL)
        }


def query(variables: Mapping[str, str], statement: str) -> Iterator[dict[str, Any]]:
    """What a statement answers, row by row."""
    client = programs("snowflake", "emulator", "3.12", _EMULATOR) / "python"
    with subprocess.Popen(
        [str(client), "-c", _ROWS, ACCOUNT, USER, DATABASE, statement],
        env={**environment(), **variables}, stdout=subprocess.PIPE,
    ) as reader:  # fmt: skip
        while True:
            try:
                yield from pickle.load(reader.stdout)
            except EOFError:
                break
    assert reader.returncode == 0


@contextmanager
def emulator(folder: Path) -> Iterator[int]:
    """The emulator's port; with the database, and the stage that stands for each user's."""
    found = programs("snowflake", "emulator", "3.12", _EMULATOR)
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(found / "fakesnow"), "-s", "-p", str(port)],
            env=environment(), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for_port(port, process, folder / "log")
        with Front(port) as front, Redirect({HOSTS: front.port}, folder) as redirect:
            for statement in (
                f"create schema {_USERS}", f"create stage {_STAGE}"
            ):  # fmt: skip
                list(query(redirect.variables, statement))
        yield port
    finally:
        process.terminate()
        process.wait(20)


def loader() -> Path:
    """The guarded loader's program."""
    constraints = GUARD / "constraints.txt"
    packages = ["-e", str(GUARD), "-c", str(constraints)]
    made_of = (GUARD / "pyproject.toml", constraints)
    folder = programs("snowflake", "guard", "3.12", packages, *made_of)
    return folder / "kinetic-target-snowflake"


def schema(stream, *, amount=AMOUNT, more=None) -> dict:
    """A SCHEMA message: a key, an amount, the mark, and more."""
    properties = {
        "K": {"type": "string"},
        "Amount": amount,
        **(more or {}),
        "_sdc_deleted_at": MARK,
    }
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties},
            "key_properties": ["K"]}  # fmt: skip


def records(stream, rows) -> list:
    """RECORD messages."""
    return [
        {"type": "RECORD", "stream": stream, "record": {"_sdc_deleted_at": None, **row},
         "time_extracted": "2026-11-21T12:00:00.000Z"}
        for row in rows
    ]  # fmt: skip


def lines(*messages) -> bytes:
    """What a tap writes."""
    return "".join(json.dumps(message) + "\n" for message in messages).encode()


def messages(stream, rows, *, amount=AMOUNT, more=None, state=1) -> bytes:
    """A stream and its STATE."""
    told = {"type": "STATE", "value": {"seen": state}}
    return lines(schema(stream, amount=amount, more=more), *records(stream, rows), told)
