"""The short notation in which the tables are declared, and what it means per profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.edm import ChangeColumn, Column, EntityFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

# Decimal precision and scale follow Epicor's own field formats: amounts, unit costs, quantities.
_TYPES: dict[str, tuple[str, int | None, int | None]] = {
    "I": ("Edm.Int32", None, None),
    "L": ("Edm.Int64", None, None),
    "B": ("Edm.Boolean", None, None),
    "T": ("Edm.DateTimeOffset", None, None),
    "G": ("Edm.Guid", None, None),
    "X": ("Edm.Binary", None, None),
    "F": ("Edm.Double", None, None),
    "A": ("Edm.Decimal", 20, 3),
    "U": ("Edm.Decimal", 22, 5),
    "Q": ("Edm.Decimal", 22, 8),
}
_FILLERS = (
    ("Number", "Q"),
    ("Character", "S1000"),
    ("CheckBox", "B"),
    ("Date", "T"),
    ("ShortChar", "S50"),
)


@dataclass(frozen=True)
class TableNote:
    """One table in short notation.

    Columns read `Name:type`, where type is a letter of `_TYPES`, `S` with a length, or `D` with
    precision and scale; a trailing `*` marks a lookup column.
    """

    stream: str
    service: str
    entity_set: str
    type_name: str
    key: str
    columns: str
    remark: str
    flag: str = ""
    """The real profile's closed flag, `!` in front where it means the opposite."""
    documented_flag: str = ""
    changes: str = ""
    """The real profile's change columns as `Name:how`."""
    child_of: str | None = None
    parent_link: str = ""
    midnight: str = "Z"
    has_ud_table: bool = False


@dataclass(frozen=True)
class Profile:
    """Which family of tenants is played."""

    name: str
    wide: int = 0
    row_versions: bool = True


def entity_facts(note: TableNote, profile: Profile) -> EntityFacts:
    """Work out one table's facts under a profile."""
    real = profile.name == "real"
    flag = note.flag if real else note.documented_flag
    changes = tuple(_changes(note.changes if real else "UpdatedOn:moment"))
    key = tuple(note.key.split())
    return EntityFacts(
        stream=note.stream,
        service=note.service,
        entity_set=note.entity_set,
        type_name=note.type_name,
        key=key,
        columns={column.name: column for column in _columns(note, profile, flag, changes)},
        closed=flag.lstrip("!") or None,
        closed_when=not flag.startswith("!"),
        child_of=note.child_of,
        parent_link=tuple(note.parent_link.split()),
        changes=changes,
        midnight=note.midnight,
        remark=note.remark,
    )


def _changes(text: str) -> Iterator[ChangeColumn]:
    for item in text.split():
        name, how = item.split(":")
        yield ChangeColumn(name, how)


_STAMP_TYPES = {"moment": "T", "day": "T", "seconds": "I", "user": "S75"}


def _columns(
    note: TableNote, profile: Profile, flag: str, changes: tuple[ChangeColumn, ...]
) -> Iterator[Column]:
    key = set(note.key.split())
    items = note.columns.split()
    if flag:
        items.append(f"{flag.lstrip('!')}:B")
    items += [f"{change.name}:{_STAMP_TYPES[change.how]}" for change in changes]
    items += _filler(profile.wide)
    items.append("SysRowID:G")
    if profile.row_versions:
        items.append("SysRevID:L")
        if note.has_ud_table and profile.name == "real":
            items.append("UD_SysRevID:X")
    for item in items:
        yield column_of(item, is_key=item.split(":")[0] in key)


def _filler(count: int) -> list[str]:
    return [f"{_FILLERS[i % 5][0]}{i // 5 + 1:02d}:{_FILLERS[i % 5][1]}" for i in range(count)]


def column_of(item: str, *, is_key: bool = False) -> Column:
    """Read one `Name:type` item."""
    name, _, kind = item.partition(":")
    lookup, kind = kind.endswith("*"), kind.rstrip("*")
    if kind.startswith("S"):
        return Column(name, "Edm.String", not is_key, max_length=int(kind[1:]), lookup=lookup)
    if kind.startswith("D"):
        precision, scale = map(int, kind[1:].split("."))
        return Column(name, "Edm.Decimal", not is_key, None, precision, scale, lookup)
    edm_type, numeric_precision, numeric_scale = _TYPES[kind]
    return Column(name, edm_type, not is_key, None, numeric_precision, numeric_scale, lookup)
