"""A checksum over a set of keys that does not depend on their order, for the run log."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from .key_form import write_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .key_form import Key

_WIDTH = 8
_MODULUS = 2 ** (8 * _WIDTH)


@dataclass
class KeyChecksum:
    """Number of keys, and the sum of their 8-byte hashes modulo 2**64.

    A sum can be taken page by page and by several runs; a key that comes twice counts twice. CRC
    would be faster, but it is linear: exchanging keys that differ in the same digits can cancel.
    """

    count: int = 0
    total: int = 0

    def add(self, keys: Sequence[Key]) -> None:
        """Count the keys of a page: values as the server wrote them, in the key's order."""
        self.add_lines(write_keys(keys))

    def add_lines(self, lines: Sequence[bytes]) -> None:
        """Count keys that `write_keys` has written already."""
        hashes = b"".join([blake2b(line, digest_size=_WIDTH).digest() for line in lines])
        self.count += len(lines)
        self.total = (self.total + sum(struct.unpack(f"<{len(lines)}Q", hashes))) % _MODULUS

    def __add__(self, other: KeyChecksum) -> KeyChecksum:
        return KeyChecksum(self.count + other.count, (self.total + other.total) % _MODULUS)

    @property
    def text(self) -> str:
        """16 hexadecimal digits, as `key_checksum` has it in the run log."""
        return f"{self.total:0{2 * _WIDTH}x}"
