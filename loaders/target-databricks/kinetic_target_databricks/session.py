"""The connection to a SQL warehouse: login, statements, patience."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from databricks import sql
from kinetic_batches.errors import LoadError

from .errors import LoginError
from .explain import EXPECTED, error_class, explain, first_line, is_passing, is_unauthorised

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from databricks.sql.client import Connection

    from .config import Config, Login

_LOGGER = logging.getLogger("target-databricks.session")
# Its every request, with lines for its own developers; and at the end of a program, behind our own
# words, sessions that it can no longer close.
logging.getLogger("databricks").setLevel(logging.CRITICAL)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class StatementError(LoadError):
    """Databricks refused a statement, or could not be reached; `code` is its error class."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class Session:
    """Runs statements, each of which may run twice: an answer can be lost.

    Args:
        config: the settings.
        folder: the only one from which files are sent.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._connection: Connection | None = None

    def run(self, statement: str) -> list[Any]:
        """A statement's rows, once it has ended.

        Raises:
            StatementError: one sentence with the remedy.
        """
        deadline = time.monotonic() + self._config.retry_deadline_seconds
        pause = _FIRST_PAUSE
        while True:
            was_open = self._connection is not None
            try:
                return self._run_once(statement)
            except EXPECTED as error:
                # A token that ran out before its time: a new connection asks for a new one.
                passes = is_passing(error) or (was_open and is_unauthorised(error))
                if not passes or time.monotonic() + pause > deadline:
                    text = explain(error, self._config)
                    raise StatementError(text, error_class(error)) from error
                _LOGGER.warning("%s; again in %.0f s", first_line(error), pause)
            self.close()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except Exception as error:  # noqa: BLE001 - it was given up anyway
                _LOGGER.debug("closing: %s", error)

    def _run_once(self, statement: str) -> list[Any]:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def _connect(self) -> Connection:
        patience = self._config.retry_deadline_seconds
        return sql.connect(
            server_hostname=self._config.host,
            http_path=self._config.http_path,
            staging_allowed_local_path=str(self._folder),
            user_agent_entry="kinetic-elt",
            enable_telemetry=False,
            _retry_stop_after_attempts_duration=patience,
            **_credentials(self._config.login, patience),
        )


def _credentials(login: Login, patience: int) -> dict[str, Any]:
    if login.token:
        return {"access_token": login.token}
    headers = _token_source(login, patience)
    return {"credentials_provider": lambda: headers}


def _token_source(login: Login, patience: int) -> Callable[[], dict[str, str]]:
    """What gives the header of a token that is valid now.

    Raises:
        LoginError: when the host does not say where its tokens are.
    """
    # Takes a second to import, while records are read.
    from databricks.sdk.core import Config as SdkConfig  # noqa: PLC0415
    from databricks.sdk.core import oauth_service_principal  # noqa: PLC0415

    try:
        # The way in is named: the library would take others from DATABRICKS_* of the environment.
        config = SdkConfig(
            host=f"https://{login.token_host}",
            client_id=login.client_id,
            client_secret=login.client_secret,
            account_id=login.account_id,
            auth_type="oauth-m2m",
            retry_timeout_seconds=patience,
        )
        headers: Callable[[], dict[str, str]] | None = oauth_service_principal(config)
    except ValueError as error:
        raise LoginError(str(error)) from error
    if headers is None:
        raise LoginError(f"{login.token_host} offers no OAuth for service principals")
    return headers
