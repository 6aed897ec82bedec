"""Writes Singer messages to stdout as bytes: whole pages of records at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import TargetGone

if TYPE_CHECKING:
    from collections.abc import Iterable

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Output:
    """stdout. A message is written whole or, where the reader is gone, not at all."""

    def schema(
        self, stream: str, schema: dict[str, Any], keys: tuple[str, ...], bookmark: str | None
    ) -> None:
        """Write a SCHEMA message."""
        message: dict[str, Any] = {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema,
            "key_properties": keys,
        }
        if bookmark:
            message["bookmark_properties"] = [bookmark]
        self.message(message)

    def state(self, value: dict[str, Any]) -> None:
        """Write a STATE message."""
        self.message({"type": "STATE", "value": value})

    def message(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self.lines([message_line(message)])

    @staticmethod
    def lines(parts: Iterable[bytes]) -> None:
        """Write whole lines and flush.

        Raises:
            TargetGone: when nobody reads.
        """
        try:
            sys.stdout.flush()  # what others print goes through the text layer
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise TargetGone("The target closed the pipe; its own log says why.") from error


def message_line(message: dict[str, Any]) -> bytes:
    """One line of JSON; decimals keep their digits."""
    return _encode(message) + b"\n"
