"""What the key sweep remembers: keys of rows that were sent, one SQLite file per partition.

A row that was deleted in Kinetic leaves no trace there. Its key is remembered here, a sweep over
the tenant's keys does not meet it, and so it is known to be gone.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .errors import SettingsError, TapError
from .key_form import read_key, write_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

    from .key_form import Key

_FORMAT = 1
_PAGE = 1000
_FLUSH_AT = 50_000
"""Keys that were seen are noted in key order, many at a time: each disk page is touched once."""
_CACHE_KIB = 16 * 1024
_ALL = 100
_FEW = 100
"""So few keys may vanish whatever their share: small tables lose most of their rows at times."""

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (key BLOB PRIMARY KEY, seen INTEGER NOT NULL, gone INTEGER) WITHOUT ROWID;
CREATE INDEX gone_keys ON keys (gone) WHERE gone IS NOT NULL;
"""
_REMEMBER = """
INSERT INTO keys (key, seen) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET seen = excluded.seen, gone = NULL
WHERE seen <> excluded.seen OR gone IS NOT NULL
"""
_ALIVE = "SELECT count(*), count(*) FILTER (WHERE seen < ?) FROM keys WHERE gone IS NULL"
_PAGE_OF_GONE = """
SELECT key FROM keys WHERE gone = ? AND key > ? ORDER BY key LIMIT ?
"""


class KeyMemory:
    """Keys of one stream of one company; for one thread at a time, closed by `with` or `close`.

    Args:
        folder: `sweep_path`; made where it does not exist.
        instance: the root of the tenant.
        stream: the stream's name.
        company: the company's code.
        key_columns: the columns that make up a key, in order.

    Raises:
        SettingsError: the file cannot be used, or belongs to something else.
        TapError: another run is using the file.
    """

    def __init__(
        self,
        folder: str | Path,
        instance: str,
        stream: str,
        company: str,
        key_columns: Sequence[str],
    ) -> None:
        self.path = Path(folder) / f"{quote(stream, safe='')}.{quote(company, safe='')}.sqlite"
        self._of = f"{stream} of company {company}"
        self._seen: list[bytes] = []
        self._is_sweeping = False
        self._has_seen = False
        _make_folder(self.path.parent)
        with self._complaints():
            self._db = _open(self.path)
        try:
            with self._complaints():
                self._prepare(
                    {
                        "format": str(_FORMAT),
                        "instance": instance,
                        "stream": stream,
                        "company": company,
                        "key columns": ", ".join(key_columns),
                    }
                )
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def last_swept_at(self) -> datetime | None:
        """When the last complete sweep began, in UTC; None before the first."""
        kept = self._fact("last swept at")
        return datetime.fromisoformat(kept) if kept else None

    @property
    def last_generation(self) -> int:
        """The highest generation that a sweep was finished with; 0 before the first."""
        return int(self._fact("generation") or 0)

    @property
    def remembered(self) -> int:
        """How many rows are known to have been sent and not known to be gone."""
        return int(self._one("SELECT count(*) FROM keys WHERE gone IS NULL")[0])

    def add(self, keys: Sequence[Key]) -> None:
        """Remember keys of rows that were sent; on disk when this returns."""
        number = self._sweep_number
        with self._transaction():
            self._db.executemany(_REMEMBER, [(key, number) for key in sorted(write_keys(keys))])

    def begin_sweep(self) -> None:
        """Start looking which keys the tenant still has; an unfinished sweep is forgotten."""
        self._seen.clear()
        began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self._transaction():
            self._keep("sweep", str(self._sweep_number + 1))
            self._keep("sweep began at", began)
        self._is_sweeping, self._has_seen = True, False

    def saw(self, keys: Sequence[Key]) -> None:
        """The tenant has these keys; those that were never sent do not matter."""
        self._require_sweep()
        self._has_seen = self._has_seen or bool(keys)
        self._seen += write_keys(keys)
        if len(self._seen) >= _FLUSH_AT:
            self._note_seen()

    def finish_sweep(self, generation: int, limit_percent: float = 20) -> Iterator[list[Key]]:
        """Mark what no page of the sweep held as gone; returns those keys page by page.

        They stay gone, and come again from `unconfirmed`, until `confirm(generation)`.

        Args:
            generation: higher than `last_generation`, and than any that STATE has confirmed.
            limit_percent: `sweep_limit_percent`; 100 lets everything vanish.

        Raises:
            TapError: more than that would vanish; nothing has changed.
        """
        self._require_sweep()
        if generation <= self.last_generation:
            raise ValueError(f"generation {generation} is not above {self.last_generation}")
        self._note_seen()
        number = self._sweep_number
        self._guard(number, limit_percent)
        with self._transaction():
            self._db.execute("UPDATE keys SET gone = NULL WHERE gone > 0 AND seen = ?", [number])
            self._db.execute(
                "UPDATE keys SET gone = ? WHERE gone IS NULL AND seen < ?", [generation, number]
            )
            self._keep("generation", str(generation))
            self._keep("last swept at", self._fact("sweep began at") or "")
        self._is_sweeping = False
        return self._gone_in(generation)

    def unconfirmed(self) -> Iterator[list[Key]]:
        """Keys that are gone and not confirmed, page by page, oldest generation first."""
        with self._complaints():
            generations = self._db.execute(
                "SELECT DISTINCT gone FROM keys WHERE gone > 0 ORDER BY gone"
            ).fetchall()
        for (generation,) in generations:
            yield from self._gone_in(generation)

    def confirm(self, generation: int) -> None:
        """The target has the retractions up to this generation: forget their keys."""
        with self._transaction():
            self._db.execute("DELETE FROM keys WHERE gone <= ?", [generation])

    def _gone_in(self, generation: int) -> Iterator[list[Key]]:
        last = b""
        while True:
            with self._complaints():
                rows = self._db.execute(_PAGE_OF_GONE, [generation, last, _PAGE]).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [read_key(key) for (key,) in rows]

    def _guard(self, number: int, limit_percent: float) -> None:
        alive, vanishing = self._one(_ALIVE, number)
        if limit_percent >= _ALL or not vanishing:
            return
        if self._has_seen and (vanishing <= _FEW or vanishing * _ALL <= alive * limit_percent):
            return
        found = (
            f"{vanishing:,} of {alive:,} rows ({vanishing / alive:.0%}) gone"
            if self._has_seen
            else f"no row at all, where {alive:,} were sent before"
        )
        raise TapError(
            f"{self._of}: the key sweep found {found}, more than `sweep_limit_percent` "
            f"({limit_percent:g}) lets pass, so none was retracted. Check first whether the user "
            "and `api_key` may still read all of the company, whether `api_url` and `companies` "
            "are right, and whether a filter was added in `stream_options`. If the rows are "
            "really gone, raise `sweep_limit_percent` for one run."
        )

    def _note_seen(self) -> None:
        number = self._sweep_number
        self._seen.sort()
        with self._transaction():
            self._db.executemany(
                "UPDATE keys SET seen = ? WHERE key = ?", [(number, key) for key in self._seen]
            )
        self._seen.clear()

    def _require_sweep(self) -> None:
        if not self._is_sweeping:
            raise RuntimeError("begin_sweep comes first")

    @property
    def _sweep_number(self) -> int:
        return int(self._fact("sweep") or 0)

    def _prepare(self, facts: dict[str, str]) -> None:
        """Make the tables of a new file, or see that this one is what it should be."""
        with self._transaction():
            if self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
                for statement in _TABLES.strip().split(";\n"):
                    self._db.execute(statement)
                for name, value in facts.items():
                    self._keep(name, value)
        for name, value in facts.items():
            kept = self._fact(name)
            if kept != value:
                raise SettingsError(
                    f"{self.path} holds the sweep's memory with {name} {kept!r}, not {value!r}. "
                    "Give this configuration a `sweep_path` of its own, or, where the change is "
                    "meant, delete the file and read the stream once without STATE, so that all "
                    "keys are remembered again."
                )

    def _fact(self, name: str) -> str | None:
        with self._complaints():
            kept = self._db.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return str(kept[0]) if kept else None

    def _keep(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [name, value])

    def _one(self, statement: str, *values: int) -> tuple[int, ...]:
        with self._complaints():
            row: tuple[int, ...] = self._db.execute(statement, values).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._complaints():
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _complaints(self) -> Iterator[None]:
        """Say what is wrong with the file rather than with a statement."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._complaint(str(error)) from error

    def _complaint(self, words: str) -> TapError:
        if "locked" in words:
            return TapError(
                f"{self.path} is in use: another run reads {self._of} with the same `sweep_path`. "
                "Wait for it, or give each pipeline a `sweep_path` of its own."
            )
        if "not a database" in words or "malformed" in words or "no such" in words:
            return SettingsError(
                f"{self.path} is not the sweep's memory, or damaged ({words}). Delete the file "
                "and read the stream once without STATE, so that all keys are remembered again."
            )
        return TapError(
            f"{self.path} cannot be used ({words}); check `sweep_path`, its rights and the disk."
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"`sweep_path` {folder} cannot be made: {error.strerror}.") from error


def _open(path: Path) -> sqlite3.Connection:
    """A connection that nobody shares, so that a second run is told at once.

    Exclusive locking also spares the shared memory of a write-ahead log, which network drives
    do not have. A process may be killed at any time; only a power cut can cost the last pages.
    """
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        db.close()
        raise
    return db
