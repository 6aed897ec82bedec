"""Programs of Debian's packages, unpacked into .tools by anybody, root or not."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from pathlib import Path

from environments import ROOT

_DEPENDS = (
    "apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks "
    "--no-replaces --no-enhances"
)
_ADDRESSES = (
    "apt-get -qq -o Debug::NoLocking=1 --print-uris --no-install-recommends install --reinstall"
)


def unpacked(package: str) -> Path | None:
    """The folder that stands for / with a package and what it needs beside what is installed.

    Returns:
        None where the machine has no packages of Debian to offer.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    folder = ROOT / ".tools" / "debian" / package
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it
        if (folder / "ready").exists() or _unpack(package, folder):
            return folder
    return None


def _unpack(package: str, folder: Path) -> bool:
    names = _missing(package)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "archives").mkdir(parents=True)
    if not names or _run(["apt-get", "download", *names], folder / "archives").returncode:
        return False
    for archive in sorted((folder / "archives").glob("*.deb")):
        if _run(["dpkg", "-x", str(archive), str(folder)], folder).returncode:
            return False
    shutil.rmtree(folder / "archives")
    (folder / "ready").touch()
    return True


def _missing(package: str) -> list[str]:
    """Packages that an installation would bring, as far as the machine's lists know them."""
    depends = _run([*_DEPENDS.split(), package]).stdout
    versions = set(re.findall(rf"^{package}-(?:client-)?\d+$", depends, re.MULTILINE))
    asked = [*_ADDRESSES.split(), package, *sorted(versions)]
    lines = _run(asked).stdout.splitlines()
    return [line.split()[1].partition("_")[0] for line in lines if line.startswith("'")]


def _run(command: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
