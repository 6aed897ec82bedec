"""What came of a stream since its extract was written: each key once, marked rows included."""

# Names come from schemas, in quotes; values never do.
# ruff: noqa: S608

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from kinetic_batches.columns import spoken
from kinetic_batches.errors import LoadError
from kinetic_batches.sink import DELETED_AT

from .columns import hyper_type, quoted, schema_of, union
from .engine import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .engine import Engine
    from .folder import Folder

_LOGGER = logging.getLogger("target-tableau-refresh.publish")
_OLD = "extract"


class Changes:
    """Rows of one stream on their way into its extract.

    Args:
        engine: holds them.
        folder: where their file is.
        stream: the stream.
        alias: of the file in statements.
    """

    def __init__(self, engine: Engine, folder: Folder, stream: str, alias: str) -> None:
        self.stream = stream
        self.table = quoted(alias, *TABLE)
        self.keys: tuple[str, ...] = ()
        self.schema = pa.schema([])
        self.has_rows = False
        self._is_plain = True
        self.file = folder.work(stream, "changes.hyper")
        self._alias = alias
        self._engine = engine
        self._folder = folder
        self._place = str(folder.extract(stream))
        self.extract_schema = self._read_extract()
        self._open()

    def fit(self, wanted: pa.Schema, keys: Sequence[str]) -> pa.Schema:
        """Make or rebuild the table so that it holds what is there and what comes.

        Args:
            wanted: columns that come.
            keys: names of those that tell rows apart.

        Returns:
            The types that rows have to be given.

        Raises:
            LoadError: a column of the extract cannot hold what comes.
        """
        self.keys = tuple(keys)
        known = union(self._place, union(self._place, self.extract_schema, self.schema), wanted)
        names = dict.fromkeys([*self.schema.names, *wanted.names])
        schema = pa.schema([known.field(name) for name in names])
        if schema != self.schema:
            self._rebuild(schema)
            self._tell_of(wanted)
        return pa.schema([schema.field(name) for name in wanted.names])

    def add(self, rows: pa.Table) -> None:
        """Rows with the types that `fit` returned, each key of which is there once."""
        file = self._folder.work(self.stream, "parquet")
        with self._folder.writing():
            pq.write_table(
                rows, file, compression="none", use_dictionary=False, write_statistics=False
            )
        source = f"external({_text(str(file))}, FORMAT => 'parquet')"
        if DELETED_AT in rows.schema.names and rows[DELETED_AT].null_count < rows.num_rows:
            self._is_plain = False
        if self.keys and self.has_rows:
            again = self._engine.run(
                f"DELETE FROM {self.table} t WHERE EXISTS "
                f"(SELECT FROM {source} s WHERE {same_key(self.keys, 't', 's')})"
            )
            self._is_plain = self._is_plain and not again
        names = listed(rows.schema.names)
        self._engine.run(f"INSERT INTO {self.table} ({names}) SELECT {names} FROM {source}")
        self.has_rows = True
        file.unlink()

    @property
    def is_extract(self) -> bool:
        """Whether its file may be the first extract as it is: no row of it was ever taken out."""
        return self._is_plain and not self.extract_schema.names

    @property
    def fits_extract(self) -> bool:
        """Whether the extract has these columns and types already, in any order."""
        return all(
            field.name in self.extract_schema.names
            and field.type == self.extract_schema.field(field.name).type
            for field in self.schema
        )

    def close(self) -> None:
        """Bring it to its file."""
        self._engine.detach(self._alias)

    def _read_extract(self) -> pa.Schema:
        file = self._folder.extract(self.stream)
        if not file.exists():
            return pa.schema([])
        self._engine.attach(file, _OLD)
        columns = self._engine.columns(_OLD)
        self._engine.detach(_OLD)
        return schema_of(str(file), columns)

    def _open(self) -> None:
        pending = self._folder.pending(self.stream)
        if not pending.exists():
            self._engine.attach(self.file, self._alias, new=True)
            return
        self._folder.copy(pending, self.file)
        self._engine.attach(self.file, self._alias)
        self.schema = schema_of(str(pending), self._engine.columns(self._alias))
        self.has_rows = True
        self._is_plain = False

    def _rebuild(self, schema: pa.Schema) -> None:
        beside = quoted(self._alias, TABLE[0], "Wider")
        self._engine.run(f"CREATE TABLE {beside} ({defined(schema)})")
        if self.schema.names:
            self._is_plain = False
            self._engine.run(
                f"INSERT INTO {beside} SELECT {fitted(schema, self.schema)} FROM {self.table}"
            )
            self._engine.run(f"DROP TABLE {self.table}")
        self._engine.run(f"ALTER TABLE {beside} RENAME TO {quoted(TABLE[1])}")
        self.schema = schema

    def _tell_of(self, wanted: pa.Schema) -> None:
        """What of the extract will have changed."""
        for name in wanted.names if self.extract_schema.names else ():
            kind = self.schema.field(name).type
            if name not in self.extract_schema.names:
                _LOGGER.info("%s: new column %s", self.stream, name)
            elif kind != self.extract_schema.field(name).type:
                _LOGGER.info("%s: column %s is %s now", self.stream, name, spoken(kind))


def defined(schema: pa.Schema) -> str:
    """Columns of a table that is made."""
    return ", ".join(f"{quoted(field.name)} {hyper_type(field.type)}" for field in schema)


def listed(names: Sequence[str]) -> str:
    """Names of columns."""
    return ", ".join(map(quoted, names))


def fitted(schema: pa.Schema, given: pa.Schema) -> str:
    """Expressions that make rows of `schema` from rows of `given`."""
    return ", ".join(
        f"CAST({quoted(field.name) if field.name in given.names else 'NULL'} "
        f"AS {hyper_type(field.type)})"
        for field in schema
    )


def same_key(keys: Sequence[str], one: str, other: str) -> str:
    """The condition that two rows are of one key."""
    return " AND ".join(f"{one}.{quoted(key)} = {other}.{quoted(key)}" for key in keys)


def cast(stream: str, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the types of their table.

    Raises:
        LoadError: a value does not fit.
    """
    try:
        return rows.cast(schema)
    except pa.ArrowInvalid as error:
        raise LoadError(f"{stream}: a value does not fit its column: {error}") from error


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
