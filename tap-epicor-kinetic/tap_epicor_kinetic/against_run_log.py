"""Compares the tenant's open rows with what the run log says was sent, as far as counts can tell.

Equality is claimed only where number and checksum of the keys prove it. What can be disproved is
reported as a difference; everything else is not proved, and the verdict says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .key_checksum import KeyChecksum
from .key_sets import KeySets
from .witness import Witness

if TYPE_CHECKING:
    from .sent_rows import SentRows
    from .tenant_keys import TenantKeys
    from .verdict import Verdict

_INSTEAD = "use --database to compare key by key"


def compare_with_run_log(verdict: Verdict, tenant: TenantKeys, sent: SentRows) -> None:
    """Fill in a verdict.

    Args:
        verdict: of the stream and company to compare.
        tenant: the truth; its bookmark is `sent.from_bookmark`.
        sent: the other side.
    """
    witness = Witness(tenant)
    unchanged, changed = KeyChecksum(), KeyChecksum()
    with KeySets() as sets:
        closed_met = 0
        for rows in tenant.rows():
            closed_met += sum(row.is_closed for row in rows)
            sets.add_tenant((row.key, row.has_changed) for row in rows if not row.is_closed)
        for checksum, has_changed in ((unchanged, False), (changed, True)):
            for keys in sets.tenant_keys(changed=has_changed):
                checksum.add_lines(keys)
    _Judgement(verdict, tenant, sent, unchanged, changed).settle()
    witness.testify(verdict, open_met=unchanged.count + changed.count, closed_met=closed_met)


class _Judgement:
    """What follows from counts and checksums.

    Rows that have not changed since the last read of everything must be among its keys. What has
    changed since was sent by later runs, which leave only their number of rows.
    """

    def __init__(
        self,
        verdict: Verdict,
        tenant: TenantKeys,
        sent: SentRows,
        unchanged: KeyChecksum,
        changed: KeyChecksum,
    ) -> None:
        self._verdict = verdict
        self._tenant = tenant
        self._sent = sent
        self._unchanged = unchanged
        self._changed = changed
        self._start = tenant.read_bookmark(sent.from_bookmark)
        self._all_changed = tenant.count_changed() if self._start is not None else 0

    def settle(self) -> None:
        """Decide, by the strongest of what can be known."""
        verdict, sent = self._verdict, self._sent
        verdict.changed = self._all_changed
        verdict.other_side = sent.whole.count if sent.whole else None
        if self._is_proved():
            verdict.missing = verdict.surplus = 0
            verdict.decide(is_equal=True)
        elif not (self._lacks_later_rows() or self._lacks_old_rows() or self._has_other_rows()):
            verdict.decide(is_equal=None, note=self._doubt())
        if sent.has_failed:
            verdict.doubt("the last run did not complete this stream")

    def _is_proved(self) -> bool:
        sent, unchanged = self._sent, self._unchanged
        if not sent.runs and sent.whole == unchanged + self._changed:
            return True
        return sent.whole == unchanged and (not sent.runs or self._all_changed == 0)

    def _lacks_later_rows(self) -> bool:
        """Whether more rows lie in the later runs' window than these runs sent."""
        sent, start = self._sent, self._start
        end = self._tenant.read_bookmark(sent.to_bookmark)
        if start is None or end is None or not sent.runs or sent.has_gap:
            return False
        lying = self._tenant.count_between(start, end)
        if lying is None or lying <= sent.rows:
            return False
        self._verdict.missing = lying - sent.rows
        self._verdict.decide(
            is_equal=False,
            note=f"{lying:,} rows changed between {sent.from_bookmark} and {sent.to_bookmark}, "
            f"but the {sent.runs} runs of that time sent {sent.rows:,}",
        )
        return True

    def _lacks_old_rows(self) -> bool:
        whole = self._sent.whole
        if whole is None or self._is_blind() or self._unchanged.count <= whole.count:
            return False
        self._verdict.missing = self._unchanged.count - whole.count
        self._verdict.decide(
            is_equal=False,
            note=f"{self._unchanged.count:,} open rows have not changed since the last read of "
            f"everything, but that sent {whole.count:,}",
        )
        return True

    def _has_other_rows(self) -> bool:
        """Whether keys differ although nothing changed since."""
        whole, sent = self._sent.whole, self._sent
        if whole is None or self._is_blind() or self._all_changed != 0 or sent.retracted:
            return False
        self._verdict.surplus = (whole.count - self._unchanged.count) or None
        self._verdict.decide(
            is_equal=False,
            note="the keys that were sent are not the keys of the open rows, although no row has "
            f"changed since: rows were deleted, or came without a new change date; {_INSTEAD}",
        )
        return True

    def _is_blind(self) -> bool:
        """Whether later runs sent rows that nothing tells from the older ones."""
        return self._start is None and self._sent.runs > 0

    def _doubt(self) -> str:
        sent = self._sent
        if sent.whole is None:
            return (
                "the run log has no read of everything with a `key_checksum` for it, so its keys "
                f"cannot be compared; {_INSTEAD}"
            )
        if sent.has_gap:
            return f"a run was cut and left no line, so what it sent is not known; {_INSTEAD}"
        changed = "an unknown number of" if self._all_changed is None else f"{self._all_changed:,}"
        return (
            f"{changed} rows changed since the last read of everything; {sent.runs} later runs "
            f"sent {sent.rows:,} rows, of which the log has the number but not the keys; {_INSTEAD}"
        )
