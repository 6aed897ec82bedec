"""The keys of the rows that one run sent, in a file: the measure of what was loaded.

Lines of JSON, packed by gzip. An object begins a stream of a company; below it stand its keys as
`key_form` writes them, behind `+` for a row and `-` for a retraction, as often and in the order in
which they were sent. The last line says that the run was complete.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .errors import SettingsError, TapError
from .key_form import write_keys

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from .discovery import StreamDefinition
    from .key_form import Key

_PACKING = 1  # the lightest: a tenth of the size
_PAGE = 10_000
_SECTION, _RETRACTED = b"{", b"-"
_END = b'{"status":"complete"}\n'

_encode = msgspec.json.Encoder().encode


class Section(msgspec.Struct, frozen=True):
    """One stream of one company.

    Attributes:
        run_id: as `_epicor_run_id` has it.
        columns: of the key, named as they are sent.
        types: their Edm types.
    """

    run_id: str
    stream: str
    company: str
    columns: tuple[str, ...]
    types: tuple[str, ...]


class SentKeys:
    """Writes `sent_keys_path`; does nothing where that is not set.

    Args:
        path: the setting.
        run_id: the run's.
    """

    def __init__(self, path: str | None, run_id: str) -> None:
        self._path = Path(path) if path else None
        self._run_id = run_id
        self._file: gzip.GzipFile | None = None

    def begin(self) -> None:
        """Replace the file of the run before.

        Raises:
            SettingsError: it cannot be written.
        """
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = gzip.GzipFile(self._path, "wb", _PACKING)
        except OSError as error:
            raise SettingsError(
                f"`sent_keys_path` {self._path} cannot be written: {error}."
            ) from error

    def begin_section(self, definition: StreamDefinition, company: str) -> None:
        """Keys that are added from now on are of this stream and company."""
        key, columns = definition.sent_key, definition.entity.columns
        section = Section(
            self._run_id,
            definition.name,
            company,
            tuple(definition.names[name] for name in key),
            tuple(columns[name].edm_type for name in key),
        )
        self._write(_encode(section) + b"\n")

    def add(self, keys: Sequence[Key], retracted: Container[int]) -> None:
        """Keys of rows on their way, and which of them, by index, are retractions."""
        if self._file is None:
            return
        lines = [
            b"-%b\n" % line if n in retracted else b"+%b\n" % line
            for n, line in enumerate(write_keys(keys))
        ]
        self._write(b"".join(lines))

    def finish(self) -> None:
        """The run is complete; a file without this counts as cut."""
        self._write(_END)
        if self._file:
            with self._complaints():
                self._file.close()

    def _write(self, lines: bytes) -> None:
        if self._file:
            with self._complaints():
                self._file.write(lines)

    @contextmanager
    def _complaints(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._file = None
            raise TapError(f"`sent_keys_path` {self._path} cannot be written: {error}.") from error


class SentSection:
    """A section, and its keys to be taken once."""

    def __init__(self, heading: bytes, lines: Iterator[bytes]) -> None:
        self.section = msgspec.json.decode(heading, type=Section)
        self._lines = lines
        self._keys = self._until_next()
        self.next_line = b""

    def pages(self) -> Iterator[list[tuple[bytes, bool]]]:
        """Keys as `key_form` writes them, each with whether it is of a retraction."""
        while page := list(islice(self._keys, _PAGE)):
            yield page

    def _until_next(self) -> Iterator[tuple[bytes, bool]]:
        for line in self._lines:
            if line.startswith(_SECTION):
                self.next_line = line
                return
            yield line[1:-1], line.startswith(_RETRACTED)


def read_sent_keys(path: Path) -> Iterator[SentSection]:
    """The sections of a run, one after the other.

    Raises:
        SettingsError: the file is not of this tap.
        TapError: the run was cut.
    """
    lines = _lines(path)
    line = next(lines)
    while line != _END:
        try:
            sent = SentSection(line, lines)
        except msgspec.MsgspecError as error:
            raise _stranger(path, error) from error
        yield sent
        for _ in sent.pages():
            pass  # nobody wanted them
        line = sent.next_line


def _lines(path: Path) -> Iterator[bytes]:
    """All lines up to the end of the run."""
    try:
        with gzip.open(path) as file:
            for line in file:
                yield line
                if line == _END:
                    return
    except (EOFError, zlib.error):
        pass
    except OSError as error:
        raise _stranger(path, error) from error
    raise TapError(f"--sent-keys {path} ends before its run does, so that run was cut; load again.")


def _stranger(path: Path, error: Exception) -> SettingsError:
    return SettingsError(
        f"--sent-keys {path} is not what the tap writes to `sent_keys_path`: {error}."
    )
