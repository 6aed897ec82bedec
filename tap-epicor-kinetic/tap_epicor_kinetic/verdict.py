"""What a comparison of the tenant with another side found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EQUAL = "equal"
DIFFERS = "differs"
UNPROVED = "unproved"
FAILED = "failed"

_KINDS = ("missing", "surplus", "doubled")
TENANT = ("tenant open", "tenant closed", "other side")
SENT = ("sent", "retracted", "in the table")
SHOWN = 20
"""Differing keys of a kind that people get to see."""
_TEXT_CELLS = 2


@dataclass
class Verdict:
    """One stream of one company. Counts are None where they could not be known.

    Attributes:
        tenant_open: rows that the tenant shows as open.
        tenant_closed: the others, by the stream's closed rule.
        other_side: rows that the table holds as open, or that the run log says were sent.
        missing: open in the tenant, and not on the other side.
        surplus: on the other side, and not open in the tenant.
        doubled: keys that the other side has more than once.
        changed: rows that changed after the last run; they count as no difference.
        verdict: `equal`, `differs`, `unproved` or `failed`.
        notes: why, in sentences.
        keys: the differing keys, as `key_form` writes them.
    """

    stream: str
    company: str
    tenant_open: int | None = None
    tenant_closed: int | None = None
    other_side: int | None = None
    missing: int | None = None
    surplus: int | None = None
    doubled: int | None = None
    changed: int | None = None
    verdict: str = UNPROVED
    notes: list[str] = field(default_factory=list)
    keys: dict[str, list[bytes]] = field(default_factory=dict)

    def decide(self, *, is_equal: bool | None, note: str = "") -> None:
        """Settle it; None where neither was proved."""
        self.verdict = UNPROVED if is_equal is None else EQUAL if is_equal else DIFFERS
        if note:
            self.notes.append(note)

    def doubt(self, note: str) -> None:
        """Something speaks against what was found equal."""
        self.notes.append(note)
        if self.verdict == EQUAL:
            self.verdict = UNPROVED

    def note(self, kind: str, keys: Iterable[bytes], keep: int | None) -> int:
        """Count differing keys of a kind, and keep the first of them; all where `keep` is None."""
        count = 0
        kept = self.keys.setdefault(kind, [])
        for key in keys:
            count += 1
            if keep is None or count <= keep:
                kept.append(key)
        return count

    def row(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__ if name != "keys"},
            "keys": {kind: [msgspec.Raw(key) for key in keys] for kind, keys in self.keys.items()},
        }


def as_json(verdicts: Sequence[Verdict]) -> str:
    """One document: every stream with all of its differing keys."""
    document = {"is_equal": are_equal(verdicts), "streams": [each.row() for each in verdicts]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_text(verdicts: Sequence[Verdict], sides: Sequence[str] = TENANT) -> str:
    """One table, then what there is to say and the first keys of each stream that is not equal.

    Args:
        verdicts: one per stream and company.
        sides: how the three counts of the two sides are called.
    """
    header = ("stream", "company", *sides, *_KINDS, "verdict")
    lines = [header, *map(_cells, verdicts)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    shown = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    return "\n".join([*shown, *(told for each in verdicts for told in _details(each))])


def are_equal(verdicts: Sequence[Verdict]) -> bool:
    """Whether equality was proved everywhere."""
    return bool(verdicts) and all(each.verdict == EQUAL for each in verdicts)


def _cells(each: Verdict) -> tuple[str, ...]:
    counts = (each.tenant_open, each.tenant_closed, each.other_side,
              each.missing, each.surplus, each.doubled)  # fmt: skip
    verdict = each.verdict
    if each.changed:
        verdict += f" ({each.changed:,} changed since the last run)"
    numbers = ("?" if count is None else f"{count:,}" for count in counts)
    return (each.stream, each.company, *numbers, verdict)


def _aligned(line: tuple[str, ...], widths: Sequence[int]) -> Iterator[str]:
    for n, (cell, width) in enumerate(zip(line, widths, strict=True)):
        is_number = _TEXT_CELLS <= n < len(line) - 1
        yield cell.rjust(width) if is_number else cell.ljust(width)


def _details(each: Verdict) -> Iterator[str]:
    for note in each.notes:
        yield f"\n{each.stream} {each.company}: {note}"
    for kind in _KINDS:
        keys = each.keys.get(kind, [])
        if keys:
            yield f"\n{each.stream} {each.company}, {kind}:"
            yield from (f"  {key.decode()}" for key in keys)
            more = (getattr(each, kind) or 0) - len(keys)
            if more > 0:
                yield f"  and {more:,} more; --json shows all"
