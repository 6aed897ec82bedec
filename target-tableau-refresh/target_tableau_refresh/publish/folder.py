"""The folder of the extracts: what is in force, what a run works on, what a cut run left."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from kinetic_batches.errors import LoadError

from target_tableau_refresh.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO_FILE_NAME = re.compile(r"[^\w.-]|^\.")


class Folder:
    """A folder with one `.hyper` for each stream.

    Files change by being renamed into place when they are whole and on the disk; a process that is
    killed leaves the ones before.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._run = root / ".run"
        self._pending = root / ".pending"
        self._published = root / ".published.json"
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Make it, see that no other run works in it, and clear what a killed run left.

        Raises:
            ConfigError: it cannot be written.
            LoadError: another run is under way.
        """
        if self._lock is not None:
            return
        try:
            for each in (self.root, self._run, self._pending):
                each.mkdir(parents=True, exist_ok=True)
            self._lock = (self.root / ".lock").open("w")
        except OSError as error:
            raise ConfigError(
                f"`publish_folder`: {self.root} cannot be written: {error.strerror}"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LoadError(
                f"another run is at work in {self.root}; let it end, or give this one a "
                "`publish_folder` of its own"
            ) from error
        for left in self._run.iterdir():
            left.unlink()

    @staticmethod
    def stem(stream: str) -> str:
        """What a stream's files are called."""
        return _NO_FILE_NAME.sub("_", stream)

    def extract(self, stream: str) -> Path:
        """What the last complete run left."""
        return self.root / f"{self.stem(stream)}.hyper"

    def pending(self, stream: str) -> Path:
        """Rows that runs loaded which were cut; not in the extract yet."""
        return self._pending / f"{self.stem(stream)}.hyper"

    def work(self, stream: str, kind: str) -> Path:
        """A file of this run."""
        return self._run / f"{self.stem(stream)}.{kind}"

    def put(self, file: Path, place: Path) -> None:
        """Bring a file of this run into its place, on the disk before its name is."""
        with self.writing():
            _flush(file)
            file.replace(place)
            _flush(place.parent)

    def published(self) -> dict[str, str]:
        """Where Tableau has what the extracts hold, by stream."""
        try:
            found: dict[str, str] = json.loads(self._published.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise LoadError(
                f"{self._published} is no JSON ({error}); delete it, and every extract is "
                "published again"
            ) from error
        return found

    def note_published(self, places: dict[str, str]) -> None:
        """Keep where Tableau has the extracts."""
        file = self._run / "published.json"
        with self.writing():
            file.write_text(json.dumps(places, indent=1, sort_keys=True), encoding="utf-8")
        self.put(file, self._published)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Says that a file could not be written as a person on call reads it."""
        try:
            yield
        except OSError as error:
            raise LoadError(
                f"{self.root} cannot be written: {error.strerror or error}; make room, or correct "
                "its rights, and run again"
            ) from error

    def renamed(self, file: Path, name: Path) -> Path:
        """Give a file of this run another name."""
        with self.writing():
            return file.replace(name)

    def copy(self, file: Path, place: Path) -> None:
        """Copy a file."""
        with self.writing():
            shutil.copyfile(file, place)

    def close(self) -> None:
        """Leave nothing of the run, and let another one in."""
        shutil.rmtree(self._run, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _flush(path: Path) -> None:
    """To the disk, be it a file or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
