"""What each kind of warehouse wants said and done differently."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_looker_stage.config import Config

    from .base import Dialect


def dialect_of(config: Config) -> Dialect:
    """That of the configured warehouse; the others' modules are not imported."""
    module = import_module(f".{config.warehouse}", __name__)
    dialect: Dialect = module.DIALECT(config)
    return dialect
