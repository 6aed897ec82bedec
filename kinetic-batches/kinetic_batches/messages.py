"""Lines of Singer to messages; a record stays the bytes that it came as."""

from __future__ import annotations

import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_SHOWN = 80


_NOTHING = msgspec.Raw()


class Record(msgspec.Struct, gc=False):
    """What a RECORD message says; of any other message its type only."""

    type: str
    stream: str = ""
    record: msgspec.Raw = _NOTHING
    version: int | None = None


class _Properties(msgspec.Struct):
    properties: dict[str, dict[str, Any]]


class _Schema(msgspec.Struct):
    stream: str
    schema: _Properties
    key_properties: list[str] | None = None


class _State(msgspec.Struct):
    value: dict[str, Any]


class _ActivateVersion(msgspec.Struct):
    stream: str
    version: int


_SHAPES = {"SCHEMA": _Schema, "STATE": _State, "ACTIVATE_VERSION": _ActivateVersion}
"""What a message has to have."""


class Reader(GenericSingerReader[bytes]):
    """Reads messages; gives a RECORD as a `Record`, every other one as a dict."""

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """A message as a dict."""
        message: dict[str, Any] = msgspec.json.decode(line)
        return message

    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[Any], None]]
    ) -> Counter[str]:
        """Hand each message to what takes its type; how many there were of each."""
        decode = msgspec.json.Decoder(Record).decode
        take_record = callbacks["RECORD"]
        counted: Counter[str] = Counter()
        records = 0
        for number, line in enumerate(file_input or self.default_input, 1):
            try:
                message = decode(line)
                if message.type == "RECORD":
                    if message.record is _NOTHING:
                        raise LoadError(
                            f"line {number} is a RECORD of {message.stream!r} without its `record`"
                        )
                    take_record(message)
                    records += 1
                    continue
                if message.type not in callbacks:
                    raise LoadError(f"line {number} is a message of unknown type {message.type!r}")
                whole = self.deserialize_json(line)
                if message.type in _SHAPES:
                    msgspec.convert(whole, _SHAPES[message.type])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if not line.strip():
                    continue
                raise LoadError(
                    f"line {number} is no Singer message ({error}): {line[:_LONGEST_SHOWN]!r}"
                ) from error
            callbacks[message.type](whole)
            counted[message.type] += 1
        counted["RECORD"] = records
        return counted
