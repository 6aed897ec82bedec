"""What is said to Snowflake: logging in, making tables, widening columns."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.sql.connector import SQLConnector
from snowflake.connector.errors import Error as SnowflakeError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import text
from target_snowflake.connector import SnowflakeConnector

from kinetic_target_snowflake.columns import DECIMAL, change, check_decimal
from kinetic_target_snowflake.errors import GuardError
from kinetic_target_snowflake.key import key_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.sql.connector import FullyQualifiedName
    from sqlalchemy.engine import Engine
    from sqlalchemy.types import TypeEngine

    from kinetic_target_snowflake.columns import ColumnType

PATIENCE = "retry_deadline_seconds"
"""The setting that says how long a request is tried again; Snowflake's client does so for ever."""
PATIENCE_SECONDS = 600
_WIDER = "__kinetic_wider"


class GuardedConnector(SnowflakeConnector):  # type: ignore[misc] # it has no types
    """Overrides what drops a table, rounds a number or hides what went wrong."""

    def get_connect_args(self) -> dict[str, Any]:
        """The community's, and an end to patience."""
        patience = self.config.get(PATIENCE, PATIENCE_SECONDS)
        arguments = super().get_connect_args()
        return {**arguments, "login_timeout": patience, "network_timeout": patience}

    def create_engine(self) -> Engine:
        """Log in; what the community raises as a bare exception names the setting."""
        try:
            engine: Engine = super().create_engine()
        except (GuardError, SnowflakeError, SQLAlchemyError):
            raise
        except ConfigValidationError as error:
            raise GuardError(
                "there has to be one way in, and no more: `private_key_path`, `private_key`, "
                "`password`, which takes an access token as well, or `oauth_access_token`"
            ) from error
        except Exception as error:
            raise GuardError(
                f"{error} Write `database` in upper case, as `show databases` has it, and grant "
                "USAGE on it to `role`."
            ) from error
        return engine

    def get_private_key(self) -> bytes:
        """The key of the settings, mended and without its passphrase."""
        setting = "private_key_path" if "private_key_path" in self.config else "private_key"
        try:
            key: bytes = super().get_private_key()
        except FileNotFoundError as error:
            raise GuardError(f"`private_key_path`: {error}") from error
        except OSError as error:
            raise GuardError(f"`private_key_path` cannot be read: {error.strerror}") from error
        except TypeError as error:  # a passphrase too many, or none where one is needed
            raise GuardError(
                f"`{setting}` and `private_key_passphrase` do not go together: {error}"
            ) from error
        except ValueError as error:
            raise GuardError(
                f"`{setting}` cannot be read: it is not whole, or no key in PEM or base64, or "
                "`private_key_passphrase` is another key's"
            ) from error
        return key

    def _get_private_key_content(self) -> bytes:
        if "private_key" in self.config:
            return base64.b64decode(key_body(self.config["private_key"]))
        content: bytes = super()._get_private_key_content()
        return content

    @staticmethod
    def _convert_type(sql_type: TypeEngine[Any]) -> TypeEngine[Any]:
        """As it is: the community's forgets precision and scale."""
        return sql_type

    def prepare_table(
        self,
        full_table_name: str | FullyQualifiedName,
        schema: Mapping[str, Any],
        primary_keys: Sequence[str],
        partition_keys: list[str] | None = None,
        as_temp_table: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Create a table, or add and widen its columns; never drop it, as the SDK can.

        The SDK drops a table that another loader made after it had looked.
        """
        for name, each in schema["properties"].items():
            if each.get("format") == DECIMAL:
                check_decimal(f"{full_table_name}.{name}", each)
        if not self.table_exists(full_table_name):
            self.logger.info("Creating empty table %s", full_table_name)
            self.create_empty_table(
                full_table_name, schema, primary_keys, partition_keys, as_temp_table
            )
            return
        self._finish_widening(full_table_name)
        for name, each in schema["properties"].items():
            self.prepare_column(full_table_name, name, self.to_sql_type(each))

    def prepare_column(
        self,
        full_table_name: str | FullyQualifiedName,
        column_name: str,
        sql_type: TypeEngine[Any],
    ) -> None:
        """Add or widen a column; without the community's traceback."""
        SQLConnector.prepare_column(
            self, full_table_name, self.format_identifier(column_name), sql_type
        )

    def _adapt_column_type(
        self,
        full_table_name: str | FullyQualifiedName,
        column_name: str,
        sql_type: TypeEngine[Any],
    ) -> None:
        """Widen a column; the SDK leaves a NUMBER as it is, and Snowflake rounds into it."""
        stored = self._get_column_type(full_table_name, column_name)
        needed = change(f"{full_table_name}.{column_name}", str(stored), str(sql_type))
        if needed:
            self.logger.info("Widening %s.%s: %s to %s", full_table_name, column_name, *needed)
            self._widen(str(full_table_name), column_name, *needed)
            self.invalidate_table_cache(full_table_name)

    def _widen(self, table: str, column: str, now: ColumnType, wider: ColumnType) -> None:
        name = self.format_identifier(column, safe=True)
        if now.scale == wider.scale:
            self._execute(f"alter table {table} alter column {name} set data type {wider}")
            return
        # Snowflake changes no scale: the column is made anew, and takes the old one's place.
        spare = self.format_identifier(f"{column}{_WIDER}", safe=True)
        self._execute(f"alter table {table} add column {spare} {wider}")
        self._execute(f"update {table} set {spare} = {name}")
        self._execute(f"alter table {table} drop column {name}")
        self._execute(f"alter table {table} rename column {spare} to {name}")

    def _finish_widening(self, table: str | FullyQualifiedName) -> None:
        """What a run that was killed has left: a spare column, with or without the old one."""
        columns = self.get_table_columns(table)
        lower = {name.lower() for name in columns}
        for spare in [name for name in columns if name.lower().endswith(_WIDER)]:
            name = spare[: -len(_WIDER)]
            quoted = self.format_identifier(spare, safe=True)
            if name.lower() in lower:
                self._execute(f"alter table {table} drop column {quoted}")
            else:
                old = self.format_identifier(name, safe=True)
                self._execute(f"alter table {table} rename column {quoted} to {old}")
            self.invalidate_table_cache(table)

    def _execute(self, statement: str) -> None:
        with self._connect() as connection, connection.begin():
            connection.execute(text(statement))
