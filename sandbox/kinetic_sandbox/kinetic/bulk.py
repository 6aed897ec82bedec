"""Many cheap rows fast: copies of one row that differ where rows must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.spelling import json_bytes
from kinetic_sandbox.kinetic.store import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.kinetic.stamps import Stamper
    from kinetic_sandbox.kinetic.store import RowTable

_FIRST = 500_000_000
"""Numbers far from any that the books hand out."""


def bulk_rows(table: RowTable, stamper: Stamper, count: int, *, is_spelt: bool) -> list[Row]:
    """Return rows with new keys, spelt or not; an empty table has nothing to copy."""
    if not table.rows():
        raise ValueError(f"{table.facts.stream} holds no row to copy")
    model = table.as_dict(table.rows()[0])
    facts = table.facts
    if facts.closed is not None:
        model[facts.closed] = not facts.closed_when
    stamper.stamp(facts, model)
    name, numbered = _numbering(table, model)
    changing = [each for each in (name, "SysRowID", "SysRevID") if each in model]
    spell = _speller(model, changing)
    indexes = [table.position[each] for each in changing]
    values, first, rows = list(model.values()), _FIRST + len(table), []
    for number in range(first, first + count):
        revision = stamper.next_revision()
        fresh = [numbered(number), f"b0000000-0000-4000-8000-{number:012x}", revision]
        copy = values.copy()
        for index, value in zip(indexes, fresh):  # noqa: B905 - the version may be absent
            copy[index] = value
        rows.append(Row(copy, revision, spell(fresh) if is_spelt else None))
    return rows


def _numbering(table: RowTable, model: dict[str, Any]) -> tuple[str, Callable[[int], Any]]:
    """Choose the key column that will tell the rows apart, and how it is numbered."""
    company = {"Company", "Company1"}
    names = [name for name in table.facts.key if name not in company and name != "Voided"]
    numbers = [name for name in names if table.facts.columns[name].type == "Edm.Int32"]
    if numbers:
        return numbers[-1], int
    if not names:
        raise ValueError(f"{table.facts.stream} has one row per company")
    name = names[-1]
    if name == "WarehouseCode":
        name = "PartNum"
    length = table.facts.columns[name].max_length
    return name, lambda number: f"{model[name][:3]}{number}"[:length]


def _speller(model: dict[str, Any], changing: list[str]) -> Callable[[list[Any]], bytes]:
    """Prepare the JSON of the model row with gaps for the values that change."""
    labels = {name: json_bytes(name) + b":" for name in model}
    parts = [labels[name] + json_bytes(value) for name, value in model.items()]
    order = list(model)
    gaps = sorted((order.index(name), place) for place, name in enumerate(changing))
    pieces: list[bytes] = []
    start, lead = 0, b"{"
    for gap, _ in gaps:
        fixed = b",".join([*parts[start:gap], labels[order[gap]]])
        pieces.append(lead + fixed)
        start, lead = gap + 1, b","
    tail = b"".join(b"," + part for part in parts[start:]) + b"}"
    places = [place for _, place in gaps]
    template = b"%b".join(
        [*(piece.replace(b"%", b"%%") for piece in pieces), tail.replace(b"%", b"%%")]
    )

    def spell(fresh: list[Any]) -> bytes:
        return template % tuple([json_bytes(fresh[place]) for place in places])

    return spell
