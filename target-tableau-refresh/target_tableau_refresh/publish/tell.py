"""What Tableau gets of an extract: the whole file, or what changed."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LOGGER = logging.getLogger("target-tableau-refresh.publish")
_NAMESPACE = uuid.UUID("5a8ae1a3-6a5c-4f0e-9c5a-0b7f3e6f2d11")
"""Of request ids, so that they are this program's and no other's."""


class Publisher(Protocol):
    """What publishing needs of Tableau."""

    @property
    def place(self) -> str:
        """Server, site and project that data sources are published to."""

    def publish(self, file: Path, name: str) -> None:
        """Publish a file as a data source, in place of one of this name."""

    def update(
        self, name: str, file: Path, actions: Sequence[dict[str, Any]], request_id: str
    ) -> None:
        """Change the rows of a live-to-Hyper data source, and wait until it is done."""


@dataclass(frozen=True)
class Update:
    """What makes the last extract the next one.

    Attributes:
        file: the payload.
        actions: what is to be done with it; none: the extracts are the same.
    """

    file: Path
    actions: list[dict[str, Any]]


@dataclass(frozen=True)
class Waiting:
    """An extract that Tableau has not got yet.

    Attributes:
        stream: its stream, and the name of the data source.
        file: the whole of it.
        is_new: whether it is to take the place of the one in force.
        update: in place of the whole file, where Tableau has the extract before.
    """

    stream: str
    file: Path
    is_new: bool
    update: Update | None = None


def tell(publisher: Publisher, waiting: Waiting, run_id: str) -> None:
    """Let Tableau have an extract; returns when it has."""
    update = waiting.update
    if update is None:
        publisher.publish(waiting.file, waiting.stream)
        _LOGGER.info("%s: published to %s", waiting.stream, publisher.place)
    elif update.actions:
        request = str(uuid.uuid5(_NAMESPACE, f"{run_id} {waiting.stream}"))
        publisher.update(waiting.stream, update.file, update.actions, request)
        _LOGGER.info("%s: the change is in %s", waiting.stream, publisher.place)
