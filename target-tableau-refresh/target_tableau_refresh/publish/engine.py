"""Tableau's own engine, in a process of its own: files attached, statements run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kinetic_batches.errors import LoadError

from target_tableau_refresh.errors import ConfigError

from .columns import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")
TABLE = ("Extract", "Extract")
"""Schema and table that Tableau expects of a file with one table."""
# No log file in the working folder; the third version of the format is the first with numbers of
# more than 18 digits.
_PARAMETERS = {"log_config": "", "default_database_version": "3"}


def vendor() -> Any:  # noqa: ANN401 - it has no types
    """Tableau's package, 290 MB that only `publish` needs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import tableauhyperapi  # type: ignore[import-untyped] # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "`mode` is publish, which needs Tableau's engine: install "
            "target-tableau-refresh[publish] (there is none for Linux on ARM)"
        ) from error
    return tableauhyperapi


class Engine:
    """Runs statements; ends with the process that started it.

    Raises:
        LoadError: it does not start.
    """

    def __init__(self) -> None:
        hyper = vendor()
        self._hyper = hyper
        self._process = self._tell(
            lambda: hyper.HyperProcess(
                hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters=_PARAMETERS
            )
        )
        self._connection = self._tell(lambda: hyper.Connection(self._process.endpoint))

    def close(self) -> None:
        """Write everything to its files and end."""
        self._connection.close()
        self._process.close()

    def attach(self, file: Path, alias: str, *, new: bool = False) -> None:
        """Open a file under a name for statements; `new` makes it, in place of what is there."""
        catalog = self._connection.catalog
        if new:
            file.unlink(missing_ok=True)
            self._tell(lambda: catalog.create_database(str(file)), file)
        self._tell(lambda: catalog.attach_database(str(file), alias), file)
        if new:
            self.run(f"CREATE SCHEMA {quoted(alias, TABLE[0])}")

    def detach(self, alias: str) -> None:
        """Close a file; everything is in it then."""
        self._tell(lambda: self._connection.catalog.detach_database(alias))

    def columns(self, alias: str) -> list[tuple[str, str]]:
        """Names and types of the columns of a file's table; none where it has no table."""
        name = self._hyper.TableName(alias, *TABLE)
        if not self._tell(lambda: self._connection.catalog.has_table(name)):
            return []
        table = self._tell(lambda: self._connection.catalog.get_table_definition(name))
        return [(column.name.unescaped, str(column.type)) for column in table.columns]

    def run(self, statement: str) -> int:
        """Run a statement; how many rows it changed."""
        return self._tell(lambda: self._connection.execute_command(statement)) or 0

    def _tell(self, action: Callable[[], _T], file: Path | None = None) -> _T:
        try:
            return action()
        except self._hyper.HyperException as error:
            place = f" for {file}" if file else ""
            raise LoadError(
                f"Tableau's engine refuses{place}: {str(error).partition(chr(10))[0]}"
            ) from error
