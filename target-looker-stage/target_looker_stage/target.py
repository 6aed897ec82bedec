"""Singer's side: data, then the audit, then STATE, then Looker."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_batches.target import BatchTarget

from .audit import SyncAudit
from .config import STAGE, Config
from .errors import LookerError
from .run import MARKER, Run
from .settings import SETTINGS
from .stream import StreamTable
from .warehouse import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_batches.columns import Column

_LOGGER = logging.getLogger("target-looker-stage")


class LookerStageTarget(BatchTarget):
    """Loads streams into the schema that Looker reads."""

    name = "target-looker-stage"
    package_name = "target-looker-stage"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.settings = Config.of({**self.config, **STAGE.of_environment(os.environ)})
        self.batch_size_rows = self.settings.batch_size_rows
        self.warehouse = open_warehouse(self.settings)
        self.audit = SyncAudit(self.warehouse)
        self._run = Run(self.audit, wants_looker=bool(self.settings.looker_url))

    def table(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> StreamTable:
        """The table of a stream."""
        return StreamTable(self.warehouse, self._run, stream, columns, keys)

    def place(self) -> None:
        """Make the schema."""
        self.warehouse.make_schema()

    def emit(self, state: dict[str, Any]) -> None:
        """Write STATE; the one that ends a complete run, when the run is accounted for."""
        self._run.see(state)
        super().emit(state)

    def process_endofpipe(self) -> None:
        """Load what waits, account for it, and tell Looker if the run is complete."""
        super().process_endofpipe()
        if self._run.has_loaded and not self._run.is_complete:
            self._run.account()
            _LOGGER.warning(
                "the tap did not say that its run is complete (no `%s` in its last STATE): the "
                "rows are loaded, Looker is told after the next complete run", MARKER,
            )  # fmt: skip
        if self._run.is_complete and self.settings.looker_url:
            self._tell()
        self.warehouse.close()

    def _tell(self) -> None:
        from .looker.tell import tell  # noqa: PLC0415 - only where Looker is to be told

        try:
            tell(self.settings, self.audit)
        except LookerError as error:
            if self.settings.on_looker_error == "fail":
                raise
            _LOGGER.warning("everything is loaded, but Looker does not know: %s", error)
