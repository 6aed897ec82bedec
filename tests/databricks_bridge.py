"""A Databricks workspace on loopback: Thrift over HTTP, OAuth, volumes; SQL runs in Sail.

Runs in the emulator's environment: `python databricks_bridge.py PORT FOLDER`. Faults are switched
by POST /bridge, what happened is told by GET /bridge.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import TCLIService
from databricks.sql.thrift_api.TCLIService import ttypes as t
from databricks_sail import Sail
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

CLIENT, SECRET, TOKEN, ACCOUNT = "app-1", "s3cret", "dapi-1", "account-1"
WAREHOUSE = "/sql/1.0/warehouses/w1"
_OKAY = t.TStatus(statusCode=t.TStatusCode.SUCCESS_STATUS)
_PROTOCOL = t.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V7


class Bridge:
    """What the workspace knows, and how it is to fail.

    Attributes:
        switches: `token_seconds`; `fault`, one of `{match, kind, times, ...}`: a statement, or a
            request's path, that holds `match` fails. Kinds: `error` (with `message`), `status`
            (with `status`), `cut_before`, `cut_after` (the statement ran, nobody hears of it).
        told: statements and requests, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.sail = Sail(folder)
        self.lock = threading.Lock()
        self.tokens: dict[str, float] = {TOKEN: float("inf")}
        self.told: list[str] = []
        self.switches: dict = {}
        self.reset()

    def reset(self) -> None:
        """As at the beginning, but for what is stored."""
        self.switches = {"token_seconds": 3600, "opaque": False, "fault": None}
        self.told.clear()

    def fault(self, what: str) -> dict | None:
        """The fault that this meets."""
        fault = self.switches["fault"]
        if not fault or fault["match"] not in what or fault.get("times", 1) < 1:
            return None
        fault["times"] = fault.get("times", 1) - 1
        return fault

    def issue(self, issuer: str) -> str:
        """A token that is a JWT, as the service's are, or an opaque one."""
        ends = time.time() + self.switches["token_seconds"]
        parts = (
            {"alg": "RS256"},
            {"iss": issuer, "sub": CLIENT, "jti": uuid.uuid4().hex, "exp": int(ends)},
            0,
        )
        encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
        token = ".".join(part.rstrip("=") for part in encoded)
        token = uuid.uuid4().hex if self.switches["opaque"] else token
        self.tokens[token] = ends
        return token


class Cut(Exception):
    """The connection ends here, without an answer."""


class Service:
    """The calls of Thrift that the connector makes."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.host = ""

    def OpenSession(self, request: t.TOpenSessionReq) -> t.TOpenSessionResp:  # noqa: N802
        """A session of no state."""
        return t.TOpenSessionResp(
            status=_OKAY, serverProtocolVersion=_PROTOCOL, configuration={},
            sessionHandle=t.TSessionHandle(sessionId=_handle(), serverProtocolVersion=_PROTOCOL),
            initialNamespace=request.initialNamespace, canUseMultipleCatalogs=True,
        )  # fmt: skip

    def CloseSession(self, _: object) -> t.TCloseSessionResp:  # noqa: N802
        """Nothing to do."""
        return t.TCloseSessionResp(status=_OKAY)

    def CloseOperation(self, _: object) -> t.TCloseOperationResp:  # noqa: N802
        """Nothing to do."""
        return t.TCloseOperationResp(status=_OKAY)

    def CancelOperation(self, _: object) -> t.TCancelOperationResp:  # noqa: N802
        """Nothing to do."""
        return t.TCancelOperationResp(status=_OKAY)

    def ExecuteStatement(self, request: t.TExecuteStatementReq) -> t.TExecuteStatementResp:  # noqa: N802
        """Run a statement to its end; the answer carries its rows."""
        statement, bridge = _with_values(request), self._bridge
        handle = t.TOperationHandle(operationId=_handle(), hasResultSet=True,
                                    operationType=t.TOperationType.EXECUTE_STATEMENT)  # fmt: skip
        with bridge.lock:
            bridge.told.append(statement)
            fault = bridge.fault(statement)
            kind = fault["kind"] if fault else ""
            if kind == "cut_before":
                raise Cut
            put = re.match(r"PUT '((?:[^'\\]|\\.)*)' INTO '((?:[^'\\]|\\.)*)'", statement)
            try:
                if kind == "error":
                    rows = _refuse(fault["message"])
                elif put:
                    bridge.sail.file(put[2])
                    url = f"https://{self.host}/upload{urllib.parse.quote(put[2])}"
                    rows = pa.table(
                        {
                            "operation": ["PUT"],
                            "localFile": [put[1]],
                            "presignedUrl": [url],
                            "headers": ["{}"],
                        }
                    )
                else:
                    rows = bridge.sail.run(statement)
            except ValueError as error:
                return t.TExecuteStatementResp(
                    status=_OKAY, operationHandle=handle, directResults=_failed(str(error))
                )
            if kind == "cut_after":
                raise Cut
        return t.TExecuteStatementResp(
            status=_OKAY, operationHandle=handle, directResults=_direct(rows, is_staging=bool(put))
        )

    def GetColumns(self, request: t.TGetColumnsReq) -> t.TGetColumnsResp:  # noqa: N802
        """A table's columns; of a table that is not there, none."""
        parts = (request.catalogName, request.schemaName, request.tableName)
        name = ".".join(f"`{part}`" for part in parts)
        with self._bridge.lock:
            self._bridge.told.append(f"GetColumns {name}")
            try:
                found = self._bridge.sail.run(f"DESCRIBE TABLE {name}")
            except ValueError:
                found = pa.table({"col_name": pa.array([], pa.string()), "data_type": []})
        nothing = pa.nulls(found.num_rows, pa.string())
        return t.TGetColumnsResp(
            status=_OKAY, directResults=_direct(pa.table({
                "COLUMN_NAME": found["col_name"].cast(pa.string()),
                "TYPE_NAME": [str(kind).upper() for kind in found["data_type"]],
                "NULLABLE": pa.array([1] * found.num_rows, pa.int64()),
                "COLUMN_DEF": nothing, "REMARKS": nothing,
            }), is_staging=False),
            operationHandle=t.TOperationHandle(operationId=_handle(), hasResultSet=True,
                                               operationType=t.TOperationType.GET_COLUMNS),
        )  # fmt: skip


def _with_values(request: t.TExecuteStatementReq) -> str:
    """The statement with its named parameters, which are texts, in their places."""
    given = {each.name: each.value.stringValue for each in request.parameters or ()}
    if not given:
        return request.statement
    quoted = {name: "'" + re.sub(r"(['\\])", r"\\\1", text) + "'" for name, text in given.items()}
    return re.sub(r":`(\w+)`", lambda found: quoted[found[1]], request.statement)


def _refuse(message: str) -> pa.Table:
    raise ValueError(message)


def _handle() -> t.THandleIdentifier:
    return t.THandleIdentifier(guid=uuid.uuid4().bytes, secret=uuid.uuid4().bytes)


def _failed(text: str) -> t.TSparkDirectResults:
    return t.TSparkDirectResults(operationStatus=t.TGetOperationStatusResp(
        status=_OKAY, operationState=t.TOperationState.ERROR_STATE, errorMessage=text,
        displayMessage=text, diagnosticInfo=text, sqlState="42000"))  # fmt: skip


def _direct(rows: pa.Table, *, is_staging: bool) -> t.TSparkDirectResults:
    """Rows as Arrow; what a statement without rows gives is one column without rows."""
    if not rows.num_columns:
        rows = pa.table({"Result": pa.array([], pa.string())})
    batches = [
        t.TSparkArrowBatch(batch=batch.serialize().to_pybytes(), rowCount=batch.num_rows)
        for batch in rows.combine_chunks().to_batches()
    ]
    described = [
        t.TColumnDesc(columnName=field.name, position=number, typeDesc=t.TTypeDesc(types=[
            t.TTypeEntry(primitiveEntry=_thrift_type(field.type))]))
        for number, field in enumerate(rows.schema, 1)
    ]  # fmt: skip
    return t.TSparkDirectResults(
        operationStatus=t.TGetOperationStatusResp(
            status=_OKAY, operationState=t.TOperationState.FINISHED_STATE, hasResultSet=True),
        resultSetMetadata=t.TGetResultSetMetadataResp(
            status=_OKAY, schema=t.TTableSchema(columns=described), lz4Compressed=False,
            isStagingOperation=is_staging, resultFormat=t.TSparkRowSetType.ARROW_BASED_SET,
            arrowSchema=rows.schema.serialize().to_pybytes()),
        resultSet=t.TFetchResultsResp(status=_OKAY, hasMoreRows=False, results=t.TRowSet(
            startRowOffset=0, rows=[], arrowBatches=batches)),
        closeOperation=t.TCloseOperationResp(status=_OKAY),
    )  # fmt: skip


def _thrift_type(kind: pa.DataType) -> t.TPrimitiveTypeEntry:
    names = {"int64": "BIGINT", "bool": "BOOLEAN", "double": "DOUBLE", "date32[day]": "DATE"}
    if pa.types.is_decimal(kind):
        digits = {"precision": t.TTypeQualifierValue(i32Value=kind.precision),
                  "scale": t.TTypeQualifierValue(i32Value=kind.scale)}  # fmt: skip
        qualifiers = t.TTypeQualifiers(qualifiers=digits)
        return t.TPrimitiveTypeEntry(type=t.TTypeId.DECIMAL_TYPE, typeQualifiers=qualifiers)
    name = "TIMESTAMP" if pa.types.is_timestamp(kind) else names.get(str(kind), "STRING")
    return t.TPrimitiveTypeEntry(type=getattr(t.TTypeId, f"{name}_TYPE"))


class Handler(BaseHTTPRequestHandler):
    """HTTP: tokens, Thrift, uploads, switches."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Any request."""
        bridge, path = self.server.bridge, self.path.partition("?")[0]
        body = self._body()
        if path == "/bridge":
            self._switch(body)
            return
        is_thrift = path == WAREHOUSE
        bridge.told.append(f"{self.command} {path}")
        fault = bridge.fault(f"{self.command} {path}")
        if fault and fault["kind"].startswith("cut"):
            self.close_connection = True
        elif fault:
            self._answer(fault["status"], {"error_code": "FAULT", "message": "told to fail"})
        elif path.startswith("/.well-known/"):
            host = self.headers.get("Host", "")
            level = f"/accounts/{ACCOUNT}" if host.startswith("accounts.") else ""
            self._answer(200, {"oidc_endpoint": f"https://{host}/oidc{level}"})
        elif "/oidc/" in path:
            self._oauth(path, dict(urllib.parse.parse_qsl(body.decode())))
        elif path.startswith("/upload/"):
            bridge.sail.file(urllib.parse.unquote(path.removeprefix("/upload"))).write_bytes(body)
            self._answer(200, {})
        elif not self._is_known():
            self._answer(401, {"error_code": "UNAUTHENTICATED", "message": "expired or unknown"})
        elif is_thrift:
            self._thrift(body)
        else:
            self._answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": path})

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _switch(self, body: bytes) -> None:
        bridge = self.server.bridge
        given = json.loads(body or b"{}")
        if given.pop("reset", False):
            bridge.reset()
        if given.pop("forget", False):
            bridge.sail.forget()
        if "sql" in given:
            bridge.sail.run(given.pop("sql"))
        bridge.switches.update(given)
        self._answer(200, {"told": bridge.told})

    def _oauth(self, path: str, form: dict[str, str]) -> None:
        host = self.headers.get("Host", "")
        if path.endswith("/.well-known/oauth-authorization-server"):
            base = f"https://{host}{path.partition('/.well-known')[0]}"
            self._answer(200, {"authorization_endpoint": f"{base}/v1/authorize",
                               "token_endpoint": f"{base}/v1/token"})  # fmt: skip
            return
        kind = form.get("grant_type", "")
        basic = (self.headers.get("Authorization") or "Basic ").partition(" ")[2]
        login = tuple(base64.b64decode(basic).decode().split(":")) if basic else ()
        is_account = path == f"/oidc/accounts/{ACCOUNT}/v1/token" and host.startswith("accounts.")
        is_workspace = path == "/oidc/v1/token" and not host.startswith("accounts.")
        if kind.endswith("token-exchange"):
            good = is_workspace and self._is_known(form.get("subject_token", ""))
        else:
            good = (is_account or is_workspace) and login == (CLIENT, SECRET)
        if not good:
            self._answer(
                401,
                {"error": "invalid_client", "error_description": "Client authentication failed"},
            )
            return
        seconds = self.server.bridge.switches["token_seconds"]
        token = self.server.bridge.issue(f"https://{host}/oidc")
        self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    def _is_known(self, token: str | None = None) -> bool:
        given = token or (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        return self.server.bridge.tokens.get(given, 0) > time.time()

    def _thrift(self, body: bytes) -> None:
        service = Service(self.server.bridge)
        service.host = self.headers.get("Host", "")
        asked, answer = TMemoryBuffer(body), TMemoryBuffer()
        processor = TCLIService.Processor(service)
        try:
            # Not `process`, which would make an answer of a connection that is to be cut.
            name, _, number = TBinaryProtocol(asked).readMessageBegin()
            _call(processor, service, name, number, asked, answer)
        except Cut:
            self.close_connection = True
            return
        self._answer(200, answer.getvalue(), "application/x-thrift")

    def _body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, content: object, kind: str = "application/json") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `told`."""


def _call(
    processor: TCLIService.Processor, service: Service, name: str, number: int,
    asked: TMemoryBuffer, answer: TMemoryBuffer,
) -> None:  # fmt: skip
    """One call, as the processor would make it."""
    arguments = getattr(TCLIService, f"{name}_args")()
    protocol = TBinaryProtocol(asked)
    arguments.read(protocol)
    protocol.readMessageEnd()
    result = getattr(TCLIService, f"{name}_result")()
    result.success = getattr(service, name)(arguments.req)
    out = TBinaryProtocol(answer)
    out.writeMessageBegin(name, 2, number)  # 2: a reply
    result.write(out)
    out.writeMessageEnd()


class Server(ThreadingHTTPServer):
    """Knows the bridge."""

    daemon_threads = True
    bridge: Bridge


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    server.bridge = Bridge(Path(sys.argv[2]))
    server.serve_forever()
