"""Singer's side: settings and tables; what is common to loaders is in kinetic-batches."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_batches.target import BatchTarget

from .config import Config
from .place import make_place
from .session import Session
from .settings import SETTINGS
from .statements import check_columns
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_batches.columns import Column


class DatabricksTarget(BatchTarget):
    """Loads streams into a schema of Unity Catalog."""

    name = "target-databricks"
    package_name = "kinetic-target-databricks"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    another_table: ClassVar[str] = "give one of them another table (`table_names`)"

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.settings = Config.of(self.config)
        self.batch_size_rows = self.settings.batch_size_rows
        self._folder = Path(tempfile.mkdtemp(prefix="kinetic-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._session = Session(self.settings, self._folder)
        self._appends = False

    def table(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> Table:
        """The table of a stream."""
        check_columns(stream, [column.name for column in columns])
        if self.settings.appends(stream):
            keys = ()
        self._appends = self._appends or not keys
        return Table(self.settings, self._session, self._folder, stream, columns, keys)

    def place(self) -> None:
        """Make schema and volume."""
        make_place(self.settings, self._session)

    def process_endofpipe(self) -> None:
        """Load what waits, wait for all of it, and only then be done."""
        super().process_endofpipe()
        self._session.close()

    def _handle_max_record_age(self) -> None:
        """Load what is old; but where a file's name counts, no clock says where one ends."""
        if not self._appends:
            super()._handle_max_record_age()
