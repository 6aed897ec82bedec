"""Compares the tenant's open rows with those of a table, key by key."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from .key_form import read_key, write_keys
from .key_sets import KeySets
from .witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .key_values import KeyValues
    from .table_keys import Table
    from .tenant_keys import Row, TenantKeys
    from .verdict import Verdict

ASKED_AGAIN = 200
"""So many keys of a kind are asked for once more, one request each, before they are reported."""


def compare_with_table(
    verdict: Verdict, tenant: TenantKeys, table: Table, values: KeyValues, *, keep: int | None
) -> None:
    """Fill in a verdict.

    Args:
        verdict: of the stream and company to compare.
        tenant: the truth.
        table: the other side.
        values: brings the keys of both sides into one form.
        keep: how many differing keys of a kind to keep, None for all.
    """
    witness = Witness(tenant)
    with KeySets() as sets:
        for page in table.open_keys(verdict.company):
            sets.add_other(write_keys(list(map(values, page))))
        closed_met = 0
        for rows in tenant.rows():
            closed_met += sum(row.is_closed for row in rows)
            sets.add_tenant((row.key, row.has_changed) for row in rows if not row.is_closed)
        verdict.other_side = sets.other_rows()
        _Differences(verdict, tenant, sets, keep).report()
        witness.testify(verdict, open_met=sets.tenant_rows(), closed_met=closed_met)


class _Differences:
    """Finds what differs, and asks the tenant once more before it is called so."""

    def __init__(
        self, verdict: Verdict, tenant: TenantKeys, sets: KeySets, keep: int | None
    ) -> None:
        self._verdict = verdict
        self._tenant = tenant
        self._sets = sets
        self._keep = keep
        self._changed = 0

    def report(self) -> None:
        """Fill in what is missing, surplus and doubled, and decide."""
        verdict, sets, keep = self._verdict, self._sets, self._keep
        self._changed = sum(map(len, sets.missing(changed=True)))
        verdict.missing = verdict.note("missing", self._confirmed("missing"), keep)
        verdict.surplus = verdict.note("surplus", self._confirmed("surplus"), keep)
        verdict.doubled = verdict.note("doubled", _flat(sets.doubled()), keep)
        verdict.changed = self._changed
        is_equal = not (verdict.missing or verdict.surplus or verdict.doubled)
        verdict.decide(is_equal=is_equal)

    def _confirmed(self, kind: str) -> Iterator[bytes]:
        pages = self._sets.missing(changed=False) if kind == "missing" else self._sets.surplus()
        keys = _flat(pages)
        for line in islice(keys, ASKED_AGAIN if self._tenant.can_filter else 0):
            row = self._tenant.find(line, read_key(line))
            if row is not None and row.has_changed:
                self._changed += 1
            elif _is_open(row) == (kind == "missing"):
                yield line
        rest = next(keys, None)
        if rest is not None:
            asked = f"the first {ASKED_AGAIN}" if self._tenant.can_filter else "none"
            self._verdict.notes.append(
                f"of the {kind} keys {asked} were asked for once more; rows that changed while "
                "they were compared may be among the others"
            )
            yield from chain([rest], keys)


def _is_open(row: Row | None) -> bool:
    return row is not None and not row.is_closed


def _flat(pages: Iterable[list[bytes]]) -> Iterator[bytes]:
    return chain.from_iterable(pages)
