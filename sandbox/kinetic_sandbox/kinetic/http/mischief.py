"""What the vices do to a data request before and after it is answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.faults import conversions_pending, internal_fault, licence_exhausted
from kinetic_sandbox.kinetic.http.answers import DROPPED, HANGING, Answer, html_answer

if TYPE_CHECKING:
    from threading import Event

    from kinetic_sandbox.kinetic.http.vices import Vices

_EVERY_NTH = (
    "drop", "hang", "throttle", "fail_502", "fail_503", "fail_500", "half_body",
    "half_body_chunked",
)  # fmt: skip


@dataclass(frozen=True)
class Mischief:
    """Applies the vices; `stopping` ends its waits when the server does."""

    vices: Vices
    stopping: Event

    def is_killed(self) -> bool:
        """Whether the server has stopped answering for good."""
        return self.vices.has_set_in("kill_after")

    def before(self, top: int | None, in_flight: int) -> tuple[Answer | None, str]:
        """Return the answer that a vice puts in place of the data, or how to cut the data."""
        self.vices.count("kill_after")
        throttle_above = self.vices.get("throttle_above")
        if throttle_above is not None and in_flight > throttle_above:
            return self._throttled(), ""
        self.stopping.wait(self.vices.get("slow") or 0)
        if self.vices.use_up("licence_exhausted"):
            raise licence_exhausted()
        heavy_above = self.vices.get("heavy_above")
        if heavy_above is not None and (top or 0) > heavy_above:
            raise internal_fault()
        failure = self.vices.next_failure(_EVERY_NTH)
        if failure in {"half_body", "half_body_chunked"}:
            return None, "length" if failure == "half_body" else "close"
        return (self._failed(failure) if failure else None), ""

    def _failed(self, failure: str) -> Answer:
        if failure == "fail_500":
            raise internal_fault()
        if failure == "fail_503":
            raise conversions_pending()
        if failure == "fail_502":
            return html_answer(502, "The gateway received an invalid response.")
        if failure == "throttle":
            return self._throttled()
        return HANGING if failure == "hang" else DROPPED

    def _throttled(self) -> Answer:
        seconds = self.vices.get("throttle_retry_after")
        answer = html_answer(429, "Too many requests.")
        return answer if seconds is None else replace(answer, headers={"Retry-After": str(seconds)})
