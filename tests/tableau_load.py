"""Run logs as the tap writes them, a Tableau to refresh, and a clock that waits for nobody."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from kinetic_sandbox.tableau import sample
from target_tableau_refresh.clock import Clock
from target_tableau_refresh.commands import main
from target_tableau_refresh.marks import Marks, read_marks

if TYPE_CHECKING:
    from kinetic_sandbox.tableau import Site, TableauServer

PAYABLES = {
    "name": "payables", "streams": ["ap_*", "vendors"], "project": "Finance",
    "target": "AP Invoices",
}  # fmt: skip
LEDGER = {
    "name": "ledger", "streams": ["gl_*"], "project": "Finance", "target": "GL Balances",
}  # fmt: skip
PLANT_TOKEN = "sbxSecondTokenForPlant=="


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def last(self) -> str:
        """The last line on stderr, which has no traceback above it."""
        assert "Traceback" not in self.stderr, self.stderr
        return self.stderr.splitlines()[-1]


@dataclass
class Here:
    """A folder with a run log, marks and an audit, and a Tableau to refresh."""

    server: TableauServer
    folder: Path
    settings: dict[str, Any]
    pauses: list[float] = field(default_factory=list)
    _runs: int = 0
    _ahead: float = 0
    _bookmarks: dict[str, str] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        return self.server.tableau.site(sample.SITE)

    @property
    def run_log(self) -> Path:
        return self.folder / "runs.jsonl"

    @property
    def marks(self) -> Marks:
        return read_marks(self.folder / "marks.json")

    @property
    def audit(self) -> list[dict[str, Any]]:
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def started(self) -> list[str]:
        """Requests that start a refresh, in their order, whatever came of them."""
        return [
            f"{call}: {call.status}"
            for call in self.server.calls
            if call.method == "POST" and call.path.endswith(("/refresh", "/runNow"))
        ]

    @property
    def sign_ins(self) -> int:
        return self.server.asked.count("POST auth/signin")

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(seconds=self._ahead)

    def pass_time(self, seconds: float) -> None:
        """Time passes here and at Tableau, at once."""
        self._ahead += seconds
        self.server.let_pass(seconds)

    @property
    def clock(self) -> Clock:
        def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            self.pass_time(seconds)

        return Clock(lambda: time.monotonic() + self._ahead, self.now, pause)

    def load(self, *, complete: bool = True, **rows: int) -> str:
        """A run that sent so many rows of each stream, as its lines in the run log."""
        self._runs += 1
        run = f"run-{self._runs}"
        lines: list[dict[str, Any]] = [
            {"run_id": run, "company": "EPIC06", "stream": stream, "rows_sent": count,
             "rows_retracted": 0, "status": "complete",
             "bookmark_before": self._bookmarks.get(stream),
             "bookmark_after": self._move(stream, count)}
            for stream, count in rows.items()
        ]  # fmt: skip
        at = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if complete:
            lines.append({"run_id": run, "status": "complete", "completed_at": at})
        with self.run_log.open("a") as log:
            log.writelines(json.dumps(line) + "\n" for line in lines)
        # The loader ends, and Meltano starts what comes after it.
        self.pass_time(3)
        return run

    def _move(self, stream: str, rows: int) -> str:
        before = int(self._bookmarks.get(stream, "0"))
        self._bookmarks[stream] = str(before + rows)
        return self._bookmarks[stream]

    def settings_file(self) -> Path:
        file = self.folder / "settings.json"
        file.write_text(json.dumps(self.settings))
        return file

    def command(self, *arguments: str, **environment: str) -> Done:
        """`tableau-refresh` in this process: what it prints, and how it would end."""
        out, err = io.StringIO(), io.StringIO()
        handlers = logging.root.handlers[:]
        signals = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            with (
                patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err),
                patch("target_tableau_refresh.commands.CLOCK", self.clock),
            ):  # fmt: skip
                main([*arguments, "--config", str(self.settings_file())])
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            logging.root.handlers[:] = handlers
            for each, handler in signals.items():
                signal.signal(each, handler)
        return Done(code, out.getvalue(), err.getvalue())

    def refresh(self, expected: int = 0) -> Done:
        """`tableau-refresh run`."""
        done = self.command("run")
        assert done.returncode == expected, done.stderr
        return done

    def process(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """`tableau-refresh` as a process of its own, by the real clock."""
        command = [sys.executable, "-m", "target_tableau_refresh.commands", *arguments,
                   "--config", str(self.settings_file())]  # fmt: skip
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
        )

    def target(self, lines: str, *arguments: str) -> Done:
        """`target-tableau-refresh`, with these lines on stdin."""
        done = subprocess.run(
            [sys.executable, "-m", "target_tableau_refresh.cli", "--config",
             str(self.settings_file()), *arguments],
            input=lines, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)


def here(server: TableauServer, folder: Path, **settings: Any) -> Here:
    """Two rules, on the first site of the sample."""
    given = {
        "server_url": server.url,
        "site": sample.SITE,
        "token_name": sample.TOKEN_NAME,
        "token_secret": sample.TOKEN_SECRET,
        "rules": [PAYABLES, LEDGER],
        "run_log_path": str(folder / "runs.jsonl"),
        "marks_path": str(folder / "marks.json"),
        "audit_path": str(folder / "audit.jsonl"),
        "timeout_seconds": 5,
        **settings,
    }
    return Here(server, folder, given)


def two_sites(server: TableauServer) -> dict[str, Any]:
    """The setting `sites` for the second site of the sample, whose token is in SBX_PLANT."""
    server.tableau.users[0].tokens["plant"] = PLANT_TOKEN
    return {"plant": {"site": "plant", "token_name": "plant", "token_secret_env": "SBX_PLANT"}}
