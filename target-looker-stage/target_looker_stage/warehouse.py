"""The connection to a warehouse: what is there, and transactions that are tried again."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from .dialects import dialect_of
from .errors import ConfigError, LoadError
from .explain import explain, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.engine import Connection, Engine

    from .config import Config
    from .dialects.base import Dialect, TableColumn

_LOGGER = logging.getLogger("target-looker-stage.warehouse")
_PAUSES = (1, 2, 4, 8, 15, 30)
"""Seconds before what a broken connection has cut is tried again."""


class Warehouse:
    """The configured schema of the configured warehouse.

    Args:
        config: the settings.
        engine: of SQLAlchemy.
        dialect: statements of this kind of warehouse.
    """

    def __init__(self, config: Config, engine: Engine, dialect: Dialect) -> None:
        self.config = config
        self.dialect = dialect
        self._engine = engine
        driver: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._expected: tuple[type[Exception], ...] = (
            SQLAlchemyError,
            driver,
            OSError,
            *dialect.errors(),
        )

    def attempt(self, job: Callable[[Connection], None], *, is_repeatable: bool = True) -> None:
        """Do something in a transaction, and again where the connection broke.

        Args:
            job: what is done; twice, maybe, as the answer to a commit can be lost.
            is_repeatable: whether that is as good as once.

        Raises:
            LoadError: one sentence with the remedy.
        """
        for pause in (*_PAUSES, None):
            try:
                with self._engine.begin() as connection:
                    self.dialect.begin(connection)
                    job(connection)
            except self._expected as error:
                if pause is None or not is_repeatable or not is_passing(error):
                    raise LoadError(explain(error, self.config)) from error
                _LOGGER.warning("%s; again in %d s", explain(error, self.config), pause)
            else:
                return
            self._engine.dispose()
            time.sleep(pause)

    def make_schema(self) -> None:
        """Make the schema where it is missing; what is there needs no right to be made."""

        def make(connection: Connection) -> None:
            if not self.dialect.has_schema(connection):
                connection.exec_driver_sql(self.dialect.create_schema())

        self.attempt(make)

    def tables(self) -> list[str]:
        """Names of the schema's tables."""
        with self._connected() as connection:
            return self.dialect.tables(connection)

    def columns(self, table: str) -> list[TableColumn]:
        """The columns of a table in their order; none where there is no such table."""
        with self._connected() as connection:
            return self.dialect.columns(connection, table)

    def execute(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """What a statement returns, in a transaction of its own.

        Args:
            sql: parameters stand as `:name`.
            parameters: their values.
        """
        with self._connected() as connection:
            return self.dialect.rows(connection, sql, parameters or {})

    def close(self) -> None:
        """End the connections."""
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                self.dialect.begin(connection)
                yield connection
        except self._expected as error:
            raise LoadError(explain(error, self.config)) from error


def open_warehouse(config: Config) -> Warehouse:
    """A warehouse; it is connected to when it is first asked.

    Raises:
        ConfigError: when the driver is not installed.
    """
    dialect = dialect_of(config)
    try:
        engine = create_engine(
            dialect.url(),
            connect_args=dialect.connect_arguments(),
            pool_pre_ping=dialect.TOUCHES,
        )
        return Warehouse(config, engine, dialect)
    except (ImportError, NoSuchModuleError) as error:
        raise ConfigError(
            f"the driver for `sqlalchemy_url` is not installed ({error}): install "
            f"target-looker-stage[{config.warehouse}]"
        ) from error
    except SQLAlchemyError as error:
        raise ConfigError(f"`sqlalchemy_url`: {explain(error, config)}") from error
