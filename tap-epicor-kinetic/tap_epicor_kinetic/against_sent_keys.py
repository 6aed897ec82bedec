"""Compares what one run sent with what a table holds of that run, key by key."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from .key_form import read_key, write_keys
from .key_sets import KeySets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .key_values import KeyValues
    from .sent_keys import SentSection
    from .table_keys import Table
    from .verdict import Verdict


def compare_with_sent_keys(
    verdict: Verdict,
    sent: SentSection,
    table: Callable[[], Table],
    values: KeyValues,
    *,
    keep: int | None,
) -> None:
    """Fill in a verdict.

    A key that was sent more than once counts once, as it was sent last. What the run retracted must
    not be open; a loader may keep it with its mark, or delete it.

    Args:
        verdict: of the stream and company to compare.
        sent: the truth.
        table: looks for the other side; not called where nothing was sent.
        values: brings the keys of both sides into one form.
        keep: how many differing keys of a kind to keep, None for all.
    """
    with KeySets() as rows, KeySets() as retractions, KeySets() as misplaced:
        for page in sent.pages():
            keys = write_keys([values(read_key(line)) for line, _ in page])
            # Of a key that stands twice in a page the last word counts, as in the file.
            rows.add_tenant(dict(zip(keys, (gone for _, gone in page), strict=True)).items())
        for gone in rows.tenant_keys(changed=True):
            retractions.add_tenant((key, False) for key in gone)
        verdict.tenant_open = rows.tenant_rows(changed=False)
        verdict.tenant_closed = rows.tenant_rows(changed=True)
        if rows.tenant_rows():
            comparison = _Comparison(rows, retractions, misplaced, sent, table(), values)
            comparison.report(verdict, keep)
        else:
            verdict.other_side = verdict.missing = verdict.surplus = verdict.doubled = 0
        verdict.decide(is_equal=not (verdict.missing or verdict.surplus or verdict.doubled))


class _Comparison:
    """Of one stream of one company of which something was sent.

    `rows` and `retractions` have what was sent on their tenant's side, and get what the table holds
    of the run; `misplaced` gets what is not there as it was sent, and all open rows.
    """

    def __init__(
        self,
        rows: KeySets,
        retractions: KeySets,
        misplaced: KeySets,
        sent: SentSection,
        table: Table,
        values: KeyValues,
    ) -> None:
        self._rows, self._retractions, self._misplaced = rows, retractions, misplaced
        self._company, self._run_id = sent.section.company, sent.section.run_id
        self._table, self._values = table, values

    def report(self, verdict: Verdict, keep: int | None) -> None:
        """Fill in what is missing, surplus and doubled."""
        self._read_run()
        rows, misplaced = self._rows, self._misplaced
        verdict.other_side = rows.other_rows()
        self._find_misplaced()
        verdict.missing = verdict.note("missing", _flat(rows.missing(changed=False)), keep)
        still_open, foreign = _flat(misplaced.both(changed=True)), _flat(rows.surplus())
        verdict.surplus = verdict.note("surplus", chain(still_open, foreign), keep)
        doubled = map(self._written, self._table.doubled_keys(self._company))
        verdict.doubled = verdict.note("doubled", _flat(doubled), keep)
        if stale := sum(map(len, misplaced.both(changed=False))):
            verdict.notes.append(
                f"{stale:,} of the missing rows stand in the table as another run left them: what "
                "this run sent of them was not merged, or a later run came between"
            )
        if still := sum(map(len, misplaced.both(changed=True))):
            verdict.notes.append(
                f"{still:,} of the surplus rows were retracted, and are open in the table"
            )

    def _read_run(self) -> None:
        for is_marked, sets in ((False, self._rows), (True, self._retractions)):
            if is_marked and not sets.tenant_rows():
                continue  # a query less where a warehouse charges for each
            for page in self._table.keys_of_run(self._company, self._run_id, is_marked=is_marked):
                sets.add_other(self._written(page))

    def _find_misplaced(self) -> None:
        """Only where something is not as it was sent, the table is looked through as a whole."""
        misplaced = self._misplaced
        for sets, was_retracted in ((self._rows, False), (self._retractions, True)):
            for keys in sets.missing(changed=False):
                misplaced.add_tenant((key, was_retracted) for key in keys)
        if misplaced.tenant_rows():
            for page in self._table.open_keys(self._company):
                misplaced.add_other(self._written(page))

    def _written(self, page: Iterable[Iterable[object]]) -> list[bytes]:
        return write_keys([self._values(tuple(key)) for key in page])


def _flat(pages: Iterable[list[bytes]]) -> Iterator[bytes]:
    return chain.from_iterable(pages)
