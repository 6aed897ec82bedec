"""Singer's side of publishing: rows, then extracts, then Tableau, then STATE."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, ClassVar

from kinetic_batches.target import BatchTarget

from target_tableau_refresh.clock import CLOCK
from target_tableau_refresh.config import REFRESH, Config
from target_tableau_refresh.errors import ConfigError
from target_tableau_refresh.settings import SETTINGS

from .engine import vendor
from .run import Run
from .stream import StreamTable
from .tell import Publisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_batches.columns import Column

_LOGGER = logging.getLogger("target-tableau-refresh.publish")
_MARKER = "last_complete_run"
_BATCH_ROWS = 50_000


class PublishTarget(BatchTarget):
    """Keeps an extract for each stream, and publishes those that changed."""

    name = "target-tableau-refresh"
    package_name = "target-tableau-refresh"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        vendor()
        self.batch_size_rows = _BATCH_ROWS
        self.settings = Config.of({**self.config, **REFRESH.of_environment(os.environ)})
        self.publisher = Publisher(self.settings, CLOCK) if self.settings.server_url else None
        self._held: dict[str, Any] | None = None
        folder = self.settings.publish_folder
        if folder is None:
            raise ConfigError("`publish_folder` is missing, which `mode` publish needs")
        if self.settings.publish_as != "overwrite" and not self.publisher:
            raise ConfigError("`server_url` is missing, which `publish_as` hyper_update needs")
        self.run = Run(
            folder,
            keeps_marked=self.settings.publish_deleted == "keep",
            sends_changes=self.settings.publish_as == "hyper_update",
        )

    def table(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> StreamTable:
        """The extract of a stream."""
        return StreamTable(self.run, stream, columns, keys)

    def place(self) -> None:
        """Make the folder."""
        self.run.folder.open()

    def emit(self, state: dict[str, Any]) -> None:
        """Hold STATE until the rows before it are where they belong."""
        self._held = state

    def process_endofpipe(self) -> None:
        """Take in what waits; of a complete run write and publish the extracts; let STATE out."""
        super().process_endofpipe()
        self._settle((self._held or {}).get(_MARKER))
        self.run.close()
        if self._held is not None:
            super().emit(self._held)

    def _settle(self, marker: dict[str, Any] | None) -> None:
        if marker:
            self.run.complete(str(marker.get("run_id")), self.publisher)
            return
        self.run.put_off()
        _LOGGER.warning(
            "the tap did not say that its run is complete (no `%s` in its last STATE): the rows "
            "are kept, and the next complete run brings them into the extracts", _MARKER,
        )  # fmt: skip

    def close(self) -> None:
        """Leave nothing open, whatever became of the run."""
        with suppress(BaseException):  # what it raises has been raised, or nobody waits for it
            self.behind.finish()
        self.run.close()
        if self.publisher:
            self.publisher.close()


def publish(given: dict[str, Any], lines: IO[bytes] | None = None) -> None:
    """Bring what a tap sends into extracts, and into Tableau.

    Args:
        given: settings.
        lines: of Singer; None: those of stdin.

    Raises:
        ConfigError, LoadError, TableauError: STATE is held back.
    """
    target = PublishTarget(config=given)
    try:
        target.listen(lines)  # type: ignore[arg-type] # the SDK's reader takes text, ours bytes
    finally:
        target.close()
