"""Databricks' SQL on Sail, a third party's Spark with Delta tables: what Sail lacks is rewritten.

Runs in the emulator's environment. Everything that is rewritten here is named in
docs/warehouses/databricks.md as not proven.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

CATALOG = "main"
os.environ["SAIL_CATALOG__LIST"] = (
    f'[{{type="memory",name="{CATALOG}",initial_database=["default"]}}]'
)
os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = CATALOG

import pyarrow as pa  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

_NAME = r"((?:`[^`]+`|\w+)(?:\.(?:`[^`]+`|\w+))*)"
_TEXT = r"'((?:[^'\\]|\\.)*)'"
_IN_SCHEMA = {"USE SCHEMA", "CREATE TABLE", "CREATE VOLUME"}
_IN_VOLUME = {"READ VOLUME", "WRITE VOLUME"}
_IN_TABLE = {"SELECT", "MODIFY"}
_PRIVILEGES = {
    "CATALOG": {"USE CATALOG", "CREATE SCHEMA", *_IN_SCHEMA, *_IN_VOLUME, *_IN_TABLE},
    "SCHEMA": {*_IN_SCHEMA, *_IN_VOLUME, *_IN_TABLE},
    "VOLUME": _IN_VOLUME,
    "TABLE": _IN_TABLE,
}
"""Of Unity Catalog's, those that a load has to do with, by what they can be granted on."""
_NOTHING = pa.table({})
_MISSING = {"Database not found": "SCHEMA_NOT_FOUND", "Table not found": "TABLE_OR_VIEW_NOT_FOUND"}


class Sail:
    """Runs statements.

    Args:
        folder: for tables and volumes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = SparkConnectServer("127.0.0.1", 0)
        self._server.start(background=True)
        _, port = self._server.listening_address
        builder = SparkSession.builder.remote(f"sc://127.0.0.1:{port}")
        builder = builder.config("spark.sql.warehouse.dir", str(folder / "tables"))
        self._spark = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
        self._copied: set[tuple[str, str]] = set()

    def run(self, statement: str) -> pa.Table:
        """A statement's rows; raises what Databricks would say, in its words."""
        for pattern, method in _REWRITTEN:
            if found := re.fullmatch(pattern, statement.strip(), re.IGNORECASE | re.DOTALL):
                return method(self, *found.groups())
        return self._plain(statement)

    def file(self, path: str) -> Path:
        """Where a file of a volume is."""
        root = (self._folder / "volumes").resolve()
        found = (root / path.removeprefix("/Volumes/")).resolve()
        if root not in found.parents:
            raise ValueError(f"[INVALID_PATH] {path}")
        if not found.parent.is_dir():
            raise ValueError(f"[VOLUME_DOES_NOT_EXIST] Volume of '{path}' does not exist")
        return found

    def _plain(self, statement: str) -> pa.Table:
        local = re.sub(
            r"parquet\.`(/Volumes/[^`]+)`", lambda m: f"parquet.`{self.file(m[1])}`", statement
        )
        try:
            return self._spark.sql(local).toArrow()
        except Exception as error:
            text = str(error).partition("\n")[0]
            code = next((code for sign, code in _MISSING.items() if sign in text), None)
            raise ValueError(f"[{code}] {text}" if code else text) from error

    def _describe(self, table: str) -> pa.Table:
        """Sail's catalog does not learn of columns that were added."""
        fields = self._plain(f"SELECT * FROM {table} LIMIT 0").schema
        types = [self._spark_type(field.type) for field in fields]
        return pa.table({"col_name": fields.names, "data_type": types,
                         "comment": pa.nulls(len(types), pa.string())})  # fmt: skip

    @staticmethod
    def _spark_type(kind: pa.DataType) -> str:
        names = {
            "int64": "bigint",
            "bool": "boolean",
            "date32[day]": "date",
            "large_string": "string",
            "int32": "int",
        }
        text = str(kind)
        if text.startswith("decimal"):
            return f"decimal({kind.precision},{kind.scale})"
        return "timestamp" if text.startswith("timestamp") else names.get(text, text)

    def _add_columns(self, table: str, columns: str) -> pa.Table:
        """Appends no rows of a wider schema; Sail cannot alter a table."""
        defined = re.findall(r"`((?:[^`]|``)+)`\s+([A-Z]+(?:\(\d+,\s*\d+\))?)", columns)
        more = ", ".join(f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in defined)
        rows = self._spark.sql(f"SELECT *, {more} FROM {table}").limit(0)
        writer = rows.write.format("delta").mode("append").option("mergeSchema", "true")
        writer.saveAsTable(table)
        return _NOTHING

    def _widen(self, table: str, column: str, kind: str) -> pa.Table:
        """Writes the table anew."""
        rows = self._spark.sql(f"SELECT * FROM {table}")
        rows = rows.withColumn(column, rows[f"`{column}`"].cast(kind))
        writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer.saveAsTable(table)
        return _NOTHING

    def _create_table(self, statement: str) -> pa.Table:
        """Sail knows no clusters."""
        return self._plain(statement)

    def _show_volumes(self, schema: str, name: str) -> pa.Table:
        folder = self._folder / "volumes" / schema.replace("`", "").replace(".", "/")
        found = [name] if (folder / name).is_dir() else []
        return pa.table({"database": found, "volume_name": found})

    def _create_volume(self, name: str) -> pa.Table:
        path = self._folder / "volumes" / name.replace("`", "").replace(".", "/")
        path.mkdir(parents=True, exist_ok=True)
        return _NOTHING

    def _remove(self, path: str) -> pa.Table:
        self.file(path).unlink(missing_ok=True)
        return _NOTHING

    def _copy(self, table: str, path: str) -> pa.Table:
        """As documented: what a table has had of a path, it does not take again."""
        if (table, path) in self._copied:
            return pa.table({"num_affected_rows": [0], "num_inserted_rows": [0]})
        rows = self._spark.read.parquet(str(self.file(path)))
        have = {name.lower(): name for name in rows.columns}
        fields = self._plain(f"SELECT * FROM {table} LIMIT 0").schema.names
        values = [f"`{have[f.lower()]}`" if f.lower() in have else "NULL" for f in fields]
        source = f"parquet.`{self.file(path)}`"
        self._plain(f"INSERT INTO {table} SELECT {', '.join(values)} FROM {source}")
        self._copied.add((table, path))
        return _NOTHING

    def _grant(self, privileges: str, kind: str) -> pa.Table:
        """Nobody's rights are kept; what Unity Catalog does not know is refused."""
        unknown = {each.strip() for each in privileges.upper().split(",")} - _PRIVILEGES[
            kind.upper()
        ]
        if unknown:
            raise ValueError(f"[PARSE_SYNTAX_ERROR] no privilege {unknown} on a {kind}")
        return _NOTHING

    def forget(self) -> None:
        """Drop every table and volume."""
        for schema in self._spark.sql("SHOW SCHEMAS").toArrow()["name"].to_pylist():
            if schema != "default":
                self._spark.sql(f"DROP SCHEMA `{schema}` CASCADE")
        self._copied.clear()
        for part in ("tables", "volumes"):
            shutil.rmtree(self._folder / part, ignore_errors=True)


_REWRITTEN = (
    (rf"DESCRIBE TABLE {_NAME}", Sail._describe),
    (rf"ALTER TABLE {_NAME} ADD COLUMNS \((.*)\)", Sail._add_columns),
    (rf"ALTER TABLE {_NAME} ALTER COLUMN `([^`]+)` TYPE (\S+)", Sail._widen),
    (r"(CREATE TABLE .*) CLUSTER BY \([^()]*\)", Sail._create_table),
    (rf"SHOW VOLUMES IN {_NAME} LIKE {_TEXT}", Sail._show_volumes),
    (rf"CREATE VOLUME (?:IF NOT EXISTS )?{_NAME}", Sail._create_volume),
    (rf"REMOVE {_TEXT}", Sail._remove),
    (rf"COPY INTO {_NAME} FROM {_TEXT} FILEFORMAT = PARQUET", Sail._copy),
    (
        rf"GRANT ([A-Z, ]+) ON ([A-Z]+) {_NAME} TO `[^`]+`",
        lambda sail, *given: sail._grant(*given[:2]),
    ),
)
