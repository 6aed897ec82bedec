"""The community's DbSync, with each batch loaded exactly and in one transaction."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_duckdb.db_sync import DbSync, primary_column_names, safe_column_name

from kinetic_target_duckdb.exact import encoder_for, exact_column_type, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import duckdb

# read_json's own default; a longer row asks for more.
MIN_OBJECT_SIZE = 16 * 1024 * 1024


class GuardError(Exception):
    """Something that ends the load; its text is the one sentence the user reads."""


class ExactDbSync(DbSync):  # type: ignore[misc]  # the community's package has no types
    """Overrides what loses data; everything else is the community's."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        connection_config: Mapping[str, Any],
        stream_schema_message: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(connection, connection_config, stream_schema_message)
        if not (connection_config.get("database") or connection_config.get("dbname")):
            # The community guesses from the file's name, and `erp.2026.duckdb` is `erp` to DuckDB.
            self.catalog_name = connection.execute("SELECT current_database()").fetchall()[0][0]
        if stream_schema_message is not None:
            self.stream: str = stream_schema_message["stream"]
            self.keys: list[str] = stream_schema_message["key_properties"]
            self.types = {name: exact_column_type(s) for name, s in self.flatten_schema.items()}
            self.encoders = {name: encoder_for(kind) for name, kind in self.types.items()}

    def table_name(
        self,
        stream_name: str,
        is_temporary: bool = False,  # noqa: FBT001, FBT002 - the community's signature
        without_schema: bool = False,  # noqa: FBT001, FBT002
    ) -> str:
        """Keep a stream's whole name: `a-x` and `b-x` must not meet in a table `x`."""
        if not self.connection_config.get("schema_mapping"):
            stream_name = stream_name.replace("-", "_")
        return str(super().table_name(stream_name, is_temporary, without_schema))

    def record_primary_key_string(self, record: Mapping[str, Any]) -> str | None:
        """One string per key; a plain join with commas makes different keys meet."""
        if not self.keys:
            return None
        flat = _flatten(record, self.types)
        for name in self.keys:
            if flat.get(name) is None:
                raise GuardError(f"stream {self.stream}: a row has no value in key column {name}")
        return json.dumps([self._encode(name, flat[name]) for name in self.keys])

    def record_to_flattened(self, record: Mapping[str, Any]) -> list[str | None]:
        """Text for each column; null and the empty string stay apart."""
        flat = _flatten(record, self.types)
        return [
            None if (value := flat.get(name)) is None else self._encode(name, value)
            for name in self.types
        ]

    def load_rows(self, records: Iterable[Mapping[str, Any]], count: int, temp_dir: str) -> None:
        """Stage the batch with explicit types, then update and insert as one."""
        self.logger.info("Loading %d rows into '%s'", count, self.table_name(self.stream))
        batch = self.table_name(self.stream, is_temporary=True)
        with tempfile.TemporaryDirectory(dir=temp_dir) as folder:
            file = Path(folder) / "batch.ndjson"
            self.conn.execute(self._stage_query(batch, file, self._write(file, records)))
        with _transaction(self.conn):
            if self.keys and (update := self.update_from_temp_table(batch)):
                self.conn.execute(update)
            self.conn.execute(self.insert_from_temp_table(batch))
        self.conn.execute(f"DROP TABLE {batch}")

    def create_table_query(
        self,
        table_name: str | None = None,
        is_temporary: bool = False,  # noqa: FBT001, FBT002 - the community's signature
    ) -> str:
        """As the community's, with the exact types."""
        table = table_name or self.table_name(self.stream, is_temporary)
        clauses = [f"{safe_column_name(name)} {kind}" for name, kind in self.types.items()]
        if self.keys:
            keys = primary_column_names(self.stream_schema_message)
            clauses.append(f"PRIMARY KEY ({', '.join(keys)})")
        return f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(clauses)})"

    def update_columns(self) -> None:
        """Add new columns, widen numbers in place, and set aside a column of another type."""
        table = self.table_name(self.stream, without_schema=True)
        found = {
            column["column_name"].lower(): column["data_type"].lower()
            for column in self.get_table_columns(table)
        }
        for name, kind in self.types.items():
            self._sync_column(name, kind, found.get(name.lower()))

    def _sync_column(self, name: str, kind: str, found: str | None) -> None:
        column = safe_column_name(name)
        if found is None:
            self.add_column(f"{column} {kind}", self.stream)
        elif holds(found, kind):
            return
        elif name in self.keys:
            raise GuardError(
                f"stream {self.stream}: key column {name} was {found} and is now {kind}; "
                "load it into a new table",
            )
        elif holds(kind, found):
            table = self.table_name(self.stream)
            self.conn.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {kind}")
        else:
            self.version_column(column, self.stream)
            self.add_column(f"{column} {kind}", self.stream)

    def _encode(self, name: str, value: object) -> str:
        try:
            return self.encoders[name](value)
        except ValueError as error:
            raise GuardError(
                f"stream {self.stream}, column {name} ({self.types[name]}): {value!r} {error}",
            ) from None

    def _write(self, file: Path, records: Iterable[Mapping[str, Any]]) -> int:
        """Write one JSON object a row, its keys the columns' positions; the longest row's size."""
        positions = [str(position) for position in range(len(self.types))]
        longest = 0
        with file.open("wb") as out:
            for record in records:
                row = dict(zip(positions, self.record_to_flattened(record), strict=True))
                line = self._to_utf8(row)
                longest = max(longest, out.write(line))
        return longest

    def _to_utf8(self, row: Mapping[str, str | None]) -> bytes:
        try:
            return (json.dumps(row, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError as error:
            # JSON may spell half a surrogate pair; no database text can hold it.
            raise GuardError(
                f"stream {self.stream}: a row holds text that is not Unicode: {error.object!r:.200}"
            ) from None

    def _stage_query(self, batch: str, file: Path, longest: int) -> str:
        """Nothing is sniffed: all columns are read as text and cast to their declared type."""
        path = str(file).replace("'", "''")
        read = ", ".join(f"'{position}': 'VARCHAR'" for position in range(len(self.types)))
        cast = ", ".join(
            f'"{position}"::{kind} AS {safe_column_name(name)}'
            for position, (name, kind) in enumerate(self.types.items())
        )
        return (  # names come from the schema, quoted; the path is the guard's own
            f"CREATE TEMP TABLE {batch} AS SELECT {cast} FROM read_json('{path}', "
            f"format = 'newline_delimited', compression = 'uncompressed', auto_detect = false, "
            f"maximum_object_size = {max(MIN_OBJECT_SIZE, longest + 1)}, columns = {{{read}}})"
        )


def _flatten(record: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    """Nested objects become `parent__child` where the schema was flattened that way."""
    if all(name in columns or not isinstance(record[name], dict) for name in record):
        return record
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name in columns or not isinstance(value, dict):
            flat[name] = value
        else:
            children = {f"{name}__{child}": inner for child, inner in value.items()}
            flat |= _flatten(children, columns)
    return flat


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
