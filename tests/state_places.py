"""Places that keep Meltano's STATE between machines, each a program on loopback, and a Meltano."""

from __future__ import annotations

import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from environments import free_port, programs, wait_for_port
from harness import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "finance-state"


def meltano() -> Path:
    """Meltano with what these places need, as a user installs it."""
    found = programs("state", "meltano", "3.11", ("meltano[s3,postgres]==4.4.1",))
    return found / "meltano"


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """A third party's S3 with an empty bucket; the variables by which Amazon's library finds it."""
    found = programs("state", "s3", "3.12", ("moto[server]==5.2.5",))
    port = free_port()
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(
            [str(found / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
            stdout=log, stderr=log, env=environment(),
        )  # fmt: skip
    try:
        wait_for_port(port, process, folder / "s3.log")
        address = f"http://127.0.0.1:{port}"
        urllib.request.urlopen(
            urllib.request.Request(f"{address}/{BUCKET}", method="PUT"), timeout=20
        ).close()
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        process.terminate()
        process.wait(20)
