"""An audit with something to tell, a Looker to tell it to, and a clock that waits for nobody."""

from __future__ import annotations

import io
import json
import logging
import os
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import pyarrow as pa
from target_looker_stage.audit import Loaded, SyncAudit
from target_looker_stage.commands import main
from target_looker_stage.config import Config
from target_looker_stage.looker.clock import Clock
from target_looker_stage.looker.tell import tell
from target_looker_stage.run import Run
from target_looker_stage.warehouse import Warehouse, open_warehouse

if TYPE_CHECKING:
    from kinetic_sandbox.looker import LookerServer

MODEL = "epicor_kinetic"
ONE_NOTICE = ["POST /login", "GET /datagroups", "PATCH /datagroups/1", "DELETE /logout"]


@dataclass
class Stage:
    """A DuckDB file with an audit, and settings that lead to a Looker."""

    server: LookerServer
    folder: Path
    settings: dict[str, Any]
    pauses: list[float] = field(default_factory=list)
    _runs: int = 0
    _ahead: float = 0

    @property
    def config(self) -> Config:
        return Config.of(self.settings)

    @property
    def warehouse(self) -> Warehouse:
        return open_warehouse(self.config)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: time.monotonic() + self._ahead, pause=self.pause)

    def pause(self, seconds: float) -> None:
        """Time passes here and at Looker, at once."""
        self.pauses.append(seconds)
        self._ahead += seconds
        self.server.looker.let_pass(seconds)

    def load(self, *streams: str, complete: bool = True) -> str:
        """A run that brought rows of some streams; its id."""
        self._runs += 1
        run = f"run-{self._runs}"
        at = datetime.now(timezone.utc) + timedelta(seconds=self._runs)
        loads = {stream: Loaded(at, upserted=3) for stream in streams}
        warehouse = self.warehouse
        SyncAudit(warehouse).write(run, loads, complete=complete, wants_looker=True)
        warehouse.close()
        return run

    def running(self) -> Running:
        """A run that loads batch after batch."""
        return Running(self.warehouse)

    def tell(self) -> None:
        """As the target does it after a load."""
        warehouse = self.warehouse
        try:
            tell(self.config, SyncAudit(warehouse), self.clock)
        finally:
            warehouse.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        warehouse = self.warehouse
        try:
            return warehouse.execute(sql)
        finally:
            warehouse.close()

    @property
    def states(self) -> dict[tuple[str, str], str]:
        """The state of each row of the audit, without those of whole runs."""
        sql = (
            "SELECT run_id, stream, looker_status FROM epicor_stage._sync_audit WHERE stream <> '*'"
        )
        return {(run, stream): state for run, stream, state in self.rows(sql)}

    @property
    def waiting(self) -> list[str]:
        """Streams of which Looker does not know."""
        return sorted({stream for (_, stream), state in self.states.items() if state == "pending"})

    def command(self, *arguments: str, **environment: str) -> Done:
        """`looker-refresh` in this process: what it prints, and how it would end."""
        file = self.folder / "settings.json"
        file.write_text(json.dumps(self.settings))
        out, err = io.StringIO(), io.StringIO()
        kept = logging.root.handlers[:]
        try:
            with (
                patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err),
            ):  # fmt: skip
                main([*arguments, "--config", str(file)])
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            logging.root.handlers[:] = kept
        return Done(code, out.getvalue(), err.getvalue())


class Running:
    """A run that has not ended."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._run = Run(SyncAudit(warehouse), wants_looker=True)
        warehouse.make_schema()

    def load(self, stream: str) -> None:
        """A batch of one row, without its table."""
        rows = pa.table({"_epicor_run_id": ["running"]})
        self._warehouse.attempt(lambda connection: self._run.announce(connection, stream, rows))
        self._run.count(stream, rows)
        self._warehouse.close()

    def end(self) -> None:
        """It was complete."""
        self._run.see({"last_complete_run": {"run_id": "running"}})
        self._warehouse.close()


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def stage(server: LookerServer, folder: Path, **settings: Any) -> Stage:
    """Patient for seconds."""
    user = server.looker.users[0]
    given = {
        "sqlalchemy_url": f"duckdb:///{folder / 'stage.duckdb'}",
        "looker_url": server.url,
        "looker_client_id": user.client_id,
        "looker_client_secret": user.client_secret,
        "looker_timeout_seconds": 5,
        **settings,
    }
    return Stage(server, folder, given)
