"""Whether `$count` agrees with a walk: the one witness that does not walk as the tap does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tenant_keys import TenantKeys
    from .verdict import Verdict


class Witness:
    """Counts the tenant's rows before and after a walk."""

    def __init__(self, tenant: TenantKeys) -> None:
        self._tenant = tenant
        # Whether the filter of a child set can be trusted is known after the walk only.
        self._before = tenant.count_walked() if tenant.can_filter else None

    def testify(self, verdict: Verdict, *, open_met: int, closed_met: int) -> None:
        """Fill in the tenant's counts; equality that rests on a doubtful walk is not proved."""
        tenant, after = self._tenant, self._tenant.count_walked()
        before = after if self._before is None else self._before
        is_filtered = tenant.can_filter
        met = open_met if is_filtered else open_met + closed_met
        verdict.tenant_open = after if is_filtered and after is not None else open_met
        verdict.tenant_closed = tenant.count_closed() if is_filtered else closed_met
        if before is None or after is None:
            verdict.doubt("no $count of the server confirms that the walk met every row")
        elif not min(before, after) <= met <= max(before, after):
            verdict.doubt(
                f"$count says {before:,} rows before the walk and {after:,} after it, but the "
                f"walk met {met:,}; run verify again, and if this stays, report it"
            )
