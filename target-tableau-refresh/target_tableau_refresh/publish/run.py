"""One run: rows come, and when all are there extracts, Tableau and STATE move together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .changes import Changes
from .engine import Engine
from .extract import build, build_update
from .folder import Folder
from .tell import Update, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from .tell import Publisher

_LOGGER = logging.getLogger("target-tableau-refresh.publish")


class Run:
    """What one run brings.

    Args:
        folder: where the extracts are.
        keeps_marked: whether rows that are marked as deleted stay in the extracts.
        sends_changes: whether Tableau gets what changed in place of whole files.
    """

    def __init__(self, folder: Path, *, keeps_marked: bool, sends_changes: bool) -> None:
        self.folder = Folder(folder)
        self._keeps_marked = keeps_marked
        self._sends_changes = sends_changes
        self._engine: Engine | None = None
        self._expected: dict[str, tuple[pa.Schema, Sequence[str]]] = {}
        self._changes: dict[str, Changes] = {}

    def expect(self, stream: str, columns: pa.Schema, keys: Sequence[str]) -> None:
        """A stream is part of the run, whether or not rows come."""
        self._expected[stream] = columns, keys

    def changes(self, stream: str) -> Changes:
        """Where the rows of a stream go."""
        if stream not in self._changes:
            alias = f"changes {len(self._changes)}"
            self._changes[stream] = Changes(self._start(), self.folder, stream, alias)
        return self._changes[stream]

    def put_off(self) -> None:
        """The run was cut: keep its rows for the next complete one."""
        for changes in self._changes.values():
            changes.close()
        self.stop()
        for stream, changes in self._changes.items():
            self.folder.put(changes.file, self.folder.pending(stream))

    def complete(self, run_id: str, publisher: Publisher | None) -> None:
        """Write the extracts, let Tableau have them, and only then put them in their places.

        Args:
            run_id: the tap's.
            publisher: brings them to Tableau; None: they stay in the folder.
        """
        self.folder.open()
        published = self.folder.published()
        waiting = [
            found
            for stream in self._expected
            if (found := self._write(stream, publisher, published.get(stream)))
        ]
        self.stop()
        if publisher:
            for each in waiting:
                publisher.tell(each, run_id)
                published[each.stream] = publisher.place
                self.folder.note_published(published)
        elif stale := {each.stream for each in waiting if each.is_new} & published.keys():
            kept = {stream: place for stream, place in published.items() if stream not in stale}
            self.folder.note_published(kept)
        for each in waiting:
            if each.is_new:
                self.folder.put(each.file, self.folder.extract(each.stream))
                self.folder.pending(each.stream).unlink(missing_ok=True)

    def stop(self) -> None:
        """End the engine; what is attached is in its files."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def close(self) -> None:
        """Leave nothing behind but the extracts."""
        self.stop()
        self.folder.close()

    def _start(self) -> Engine:
        if self._engine is None:
            self.folder.open()
            self._engine = Engine()
        return self._engine

    def _write(
        self, stream: str, publisher: Publisher | None, published: str | None
    ) -> Waiting | None:
        """A stream's next extract; None where nothing is to be done."""
        is_elsewhere = publisher is not None and published != publisher.place
        file = self.folder.extract(stream)
        is_touched = stream in self._changes or self.folder.pending(stream).exists()
        if not is_touched and file.exists():
            return Waiting(stream, file, is_new=False) if is_elsewhere else None
        changes = self.changes(stream)
        changes.fit(*self._expected[stream])
        built, update = changes.file, None
        if not changes.is_extract:
            built = build(self._start(), self.folder, changes, keeps_marked=self._keeps_marked)
        if self._sends_changes and not is_elsewhere and changes.fits_extract and changes.keys:
            update = Update(
                *build_update(self._start(), self.folder, changes, keeps_marked=self._keeps_marked)
            )
        changes.close()
        if built == changes.file:
            built = self.folder.renamed(built, self.folder.work(stream, "hyper"))
        _LOGGER.info("%s: the extract has %.1f MB", stream, built.stat().st_size / 1e6)
        return Waiting(stream, built, is_new=True, update=update)
