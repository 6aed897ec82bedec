"""Writes Singer messages to stdout as bytes: whole pages of records at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message
from singer_sdk.singerlib.json import serialize_json
from typing_extensions import override

from .errors import TargetGone

if TYPE_CHECKING:
    from collections.abc import Iterable


class Output(GenericSingerWriter[bytes, Message]):
    """stdout. A message is written whole or, where the reader is gone, not at all."""

    @override
    def serialize_message(self, message: Message) -> bytes:
        """One line of JSON; decimals keep their digits."""
        return serialize_json(message.to_dict()).encode() + b"\n"

    @override
    def write_message(self, message: Message) -> None:
        """Write and flush."""
        self._write(self.serialize_message(message))

    def write_records(self, stream: str, bodies: Iterable[bytes], time_extracted: str) -> None:
        """Write RECORD messages whose records are JSON already."""
        before = f'{{"type":"RECORD","stream":"{stream}","record":'.encode()
        after = f',"time_extracted":"{time_extracted}"}}\n'.encode()
        self._write(b"".join([before + body + after for body in bodies]))

    @staticmethod
    def _write(data: bytes) -> None:
        try:
            sys.stdout.flush()  # what others print goes through the text layer
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise TargetGone("The target closed the pipe; its own log says why.") from error
