"""Parquet files on their way into a warehouse."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa


class Folder:
    """A folder of this process, gone when it ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="kinetic-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    @contextmanager
    def parquet(self, rows: pa.Table, metadata: Mapping[str, str] | None = None) -> Iterator[Path]:
        """Rows as a file of one row group, with a name that no other has."""
        file = self.path / f"{uuid.uuid4().hex}.parquet"
        if metadata:
            rows = rows.replace_schema_metadata(dict(metadata))
        pq.write_table(rows, file, row_group_size=rows.num_rows or None)
        try:
            yield file
        finally:
            file.unlink()
