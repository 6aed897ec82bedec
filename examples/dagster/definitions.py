"""Kinetic streams as Dagster assets: one run of the tap, an asset for each stream it sent.

    pip install ../../tap-epicor-kinetic -r requirements.txt
    dagster dev -f definitions.py

The environment says what runs: KINETIC_CONFIG, the tap's configuration; KINETIC_TARGET, the
target's command line; KINETIC_FOLDER, where STATE and the run log are kept. Each asset shows what
the tap's run log says of its stream: rows sent and retracted, and the run's id, which stands in
`_epicor_run_id` of the rows.
"""

import json
import os
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetSpec,
    Definitions,
    Failure,
    MaterializeResult,
    ScheduleDefinition,
    define_asset_job,
    multi_asset,
)

STREAMS = ("vendors", "customers", "parts", "purchase_orders", "ap_invoices", "gl_transactions")
SYNC = Path(__file__).parents[1] / "pipe" / "sync.sh"


@multi_asset(specs=[AssetSpec(name, group_name="kinetic", kinds={"epicor"}) for name in STREAMS])
def kinetic(context: AssetExecutionContext) -> Iterator[MaterializeResult]:
    """Run tap and target once; the run log tells what came of each stream."""
    folder = Path(os.environ["KINETIC_FOLDER"])
    run_log = folder / f"run-{context.run_id}.jsonl"
    settings = json.loads(Path(os.environ["KINETIC_CONFIG"]).read_text(encoding="utf-8"))
    config = folder / f"config-{context.run_id}.json"
    config.touch(mode=0o600)  # it holds what the configuration holds
    config.write_text(json.dumps({**settings, "run_log_path": str(run_log)}), encoding="utf-8")
    target = shlex.split(os.environ["KINETIC_TARGET"])
    try:
        done = subprocess.run([SYNC, config, folder / "state.json", *target], check=False)
    finally:
        config.unlink()
    if done.returncode:
        raise Failure(f"tap or target ended with exit code {done.returncode}; see its log above")
    for stream, account in _accounts(run_log).items():
        if stream in STREAMS:
            yield MaterializeResult(asset_key=stream, metadata=account)


def _accounts(run_log: Path) -> dict[str, dict[str, Any]]:
    """What the run log says of each stream, all companies together."""
    lines = [json.loads(line) for line in run_log.read_text(encoding="utf-8").splitlines()]
    accounts: dict[str, dict[str, Any]] = defaultdict(lambda: {"rows_sent": 0, "rows_retracted": 0})
    for line in lines:
        if "stream" in line:
            account = accounts[line["stream"]]
            account["run_id"] = line["run_id"]
            account["rows_sent"] += line["rows_sent"]
            account["rows_retracted"] += line["rows_retracted"]
    return dict(accounts)


hourly = ScheduleDefinition(job=define_asset_job("kinetic_hourly"), cron_schedule="0 * * * *")
defs = Definitions(assets=[kinetic], schedules=[hourly])
