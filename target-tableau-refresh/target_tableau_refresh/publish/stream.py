"""The batches of one stream on their way into its extract."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pyarrow as pa
from kinetic_batches.errors import LoadError

from .changes import cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_batches.batch import Batch
    from kinetic_batches.columns import Column

    from .run import Run

_LOGGER = logging.getLogger("target-tableau-refresh.publish")


class StreamTable:
    """The extract of a stream, as the target sees it.

    Args:
        run: keeps what came.
        stream: the stream.
        columns: what its rows have.
        keys: names of the columns that tell its rows apart; none: every record is a row.
    """

    def __init__(
        self, run: Run, stream: str, columns: Sequence[Column], keys: Sequence[str]
    ) -> None:
        self.name = run.folder.stem(stream)
        self._run = run
        self._stream = stream
        self._keys = keys
        self._given = pa.schema([(column.name, column.type) for column in columns])
        run.expect(stream, self._given, keys)

    def load(self, batch: Batch) -> None:
        """Take a batch in."""
        changes = self._run.changes(self._stream)
        rows = batch.table(self._given, self._keys)
        changes.add(cast(self._stream, rows, changes.fit(self._given, self._keys)))
        _LOGGER.info("%s: %d rows", self._stream, rows.num_rows)

    def retire(self, version: int) -> None:  # noqa: ARG002
        """Rows of older versions are not known here.

        Raises:
            LoadError: always.
        """
        raise LoadError(
            f"{self._stream} sends ACTIVATE_VERSION, which `mode` publish does not take: delete "
            f"{self._run.folder.extract(self._stream)} and load the stream anew"
        )
