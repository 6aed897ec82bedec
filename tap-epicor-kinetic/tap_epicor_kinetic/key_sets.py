"""Two sets of keys compared exactly, on disk: the tenant's and the other side's."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

_PAGE = 1000
_CACHE_KIB = 16 * 1024
_TABLES = """
CREATE TABLE tenant (key BLOB PRIMARY KEY, changed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE other (key BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
"""


class KeySets:
    """Keys as `key_form` writes them; in a temporary file that is gone after `with`.

    `changed` marks a row of the tenant that changed after the last run: the other side need not
    have it yet.
    """

    def __enter__(self) -> Self:
        # Beside the system's temporary files: TMPDIR chooses where.
        self._folder = tempfile.TemporaryDirectory(prefix="tap-epicor-kinetic-")
        self._db = sqlite3.connect(Path(self._folder.name) / "keys.sqlite", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            f"PRAGMA cache_size = -{_CACHE_KIB}; {_TABLES}"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def add_tenant(self, keys: Iterable[tuple[bytes, bool]]) -> None:
        """Keys that the tenant has, and whether they changed; the last word on a key counts."""
        self._write("INSERT OR REPLACE INTO tenant VALUES (?, ?)", sorted(keys))

    def add_other(self, keys: Iterable[bytes]) -> None:
        """Keys that the other side has, as often as it has them."""
        self._write(
            "INSERT INTO other VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1",
            [(key,) for key in sorted(keys)],
        )

    def tenant_rows(self, *, changed: bool | None = None) -> int:
        """How many keys the tenant has; of those that changed, or did not, where asked for."""
        if changed is None:
            return self._count("SELECT count(*) FROM tenant")
        return self._count("SELECT count(*) FROM tenant WHERE changed = ?", int(changed))

    def other_rows(self) -> int:
        """How many rows the other side has, doubled ones included."""
        return self._count("SELECT coalesce(sum(times), 0) FROM other")

    def tenant_keys(self, *, changed: bool) -> Iterator[list[bytes]]:
        """The tenant's keys page by page."""
        return self._pages("SELECT key FROM tenant WHERE changed = ? AND key > ?", int(changed))

    def missing(self, *, changed: bool) -> Iterator[list[bytes]]:
        """Keys that only the tenant has."""
        return self._pages(
            "SELECT key FROM tenant WHERE changed = ? AND key > ? "
            "AND NOT EXISTS (SELECT 1 FROM other WHERE other.key = tenant.key)",
            int(changed),
        )

    def surplus(self) -> Iterator[list[bytes]]:
        """Keys that only the other side has."""
        return self._pages(
            "SELECT key FROM other WHERE key > ? "
            "AND NOT EXISTS (SELECT 1 FROM tenant WHERE tenant.key = other.key)"
        )

    def both(self, *, changed: bool) -> Iterator[list[bytes]]:
        """The tenant's keys that the other side has as well."""
        return self._pages(
            "SELECT key FROM tenant WHERE changed = ? AND key > ? "
            "AND EXISTS (SELECT 1 FROM other WHERE other.key = tenant.key)",
            int(changed),
        )

    def doubled(self) -> Iterator[list[bytes]]:
        """Keys that the other side has more than once."""
        return self._pages("SELECT key FROM other WHERE times > 1 AND key > ?")

    def _write(self, statement: str, rows: list[tuple[bytes]] | list[tuple[bytes, bool]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")

    def _count(self, statement: str, *values: int) -> int:
        return int(self._db.execute(statement, values).fetchone()[0])

    def _pages(self, select: str, *values: int) -> Iterator[list[bytes]]:
        last = b""
        while True:
            found = self._db.execute(
                f"{select} ORDER BY key LIMIT {_PAGE}", (*values, last)
            ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield [key for (key,) in found]
