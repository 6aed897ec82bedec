"""The server's bad habits: which there are, which are on, and whose turn it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Vice:
    """One habit: what its value is, and what it does."""

    kind: type
    """`bool` for a switch, `int` for a count, `float` for seconds, `str` for names."""
    does: str
    is_zero_meant: bool = False
    """Whether 0 is a count like any other, rather than another word for off."""


_SCOPE = "`all`, or services, sets or Service/Set, comma separated"

VICES: dict[str, Vice] = {
    "page_cap": Vice(int, "gives at most N rows, whatever $top says"),
    "skip_ignored": Vice(bool, "answers any $skip with the first rows"),
    "count_caps_top": Vice(bool, "falls back to 100 rows when $top comes with $count=true"),
    "next_link": Vice(bool, "pages by itself: page_cap or 100 rows and @odata.nextLink"),
    "get_rows_base": Vice(int, "numbers the pages of GetRows from N; without it from 0"),
    "count_ignored": Vice(str, f"leaves @odata.count out: {_SCOPE}"),
    "refuse_count": Vice(str, f"400 for $count=true: {_SCOPE}"),
    "refuse_or": Vice(str, f"400 for `or` in $filter: {_SCOPE}"),
    "refuse_row_version_bounds": Vice(str, f"400 for gt/ge/lt/le of SysRevID: {_SCOPE}"),
    "fail_row_version_bounds": Vice(str, f"500 without a reason for the same: {_SCOPE}"),
    "refuse_text_bounds": Vice(str, f"400 for gt/ge/lt/le of texts: {_SCOPE}"),
    "refuse_guid_bounds": Vice(str, f"400 for gt/ge/lt/le of Guids: {_SCOPE}"),
    "select_ignored": Vice(str, f"sends every column, whatever $select says: {_SCOPE}"),
    "query_limit": Vice(int, "404 from IIS, in HTML, for a query longer than N instead of 2048"),
    "query_limit_400": Vice(bool, "400 instead of that 404, as ASP.NET has it"),
    "child_filter_on_parent": Vice(bool, "looks up $filter of child sets on the parent's type"),
    "change_between_pages": Vice(int, "after each page N rows of that set change"),
    "close_between_pages": Vice(int, "after each page N open rows of that set close"),
    "throttle": Vice(int, "429 for every Nth data request"),
    "throttle_retry_after": Vice(int, "seconds that a 429 names in Retry-After", True),
    "throttle_above": Vice(int, "429 for data requests while more than N requests are in flight"),
    "fail_500": Vice(int, "500 without a reason for every Nth data request"),
    "heavy_above": Vice(int, "500 without a reason whenever $top is above N", True),
    "fail_reads": Vice(str, f"500 without a reason for OData reads of {_SCOPE}; methods work"),
    "fail_502": Vice(int, "502 from a gateway, in HTML, for every Nth data request"),
    "fail_503": Vice(int, "503 with ConversionsPendingException for every Nth data request"),
    "drop": Vice(int, "closes every Nth data request's connection without an answer"),
    "half_body": Vice(int, "promises a length, sends half: every Nth data request"),
    "half_body_chunked": Vice(int, "names no length, stops half-way: every Nth data request"),
    "slow": Vice(float, "takes so many seconds longer over each data request"),
    "hang": Vice(int, "leaves every Nth data request without an answer for 30 seconds"),
    "kill_after": Vice(int, "after N data requests drops every connection, for good", True),
    "licence_exhausted": Vice(int, "400 Maximum users exceeded for the next N data requests"),
    "default_seats": Vice(int, "400 Maximum users exceeded above N data requests at once", True),
    "web_service_seats": Vice(
        int, "the same for the License header's WebService; then shared", True
    ),
    "web_service_shared_seats": Vice(int, "the same for what WebService falls back on", True),
    "data_collection_seats": Vice(int, "the same for the License header's DataCollection", True),
    "shared_seat_delay": Vice(float, "seconds that a WebServiceShared seat takes longer"),
    "workers": Vice(int, "works on N data requests at a time; others wait"),
    "service_time": Vice(float, "seconds that a worker is busy with each data request"),
    "token_ttl": Vice(float, "seconds that tokens live"),
    "expire_tokens": Vice(bool, "refuses every token issued so far; done once, at once"),
    "refuse_login": Vice(bool, "401 for every user, password and client secret"),
    "refuse_key": Vice(bool, "401 for every API key"),
    "deny_service": Vice(str, "401 Access denied for these services, comma separated"),
    "missing_service": Vice(str, "404 for these services, comma separated"),
}


# Done once when set, rather than kept up.
_ACTS = frozenset({"expire_tokens"})


class Vices:
    """The habits that are switched on; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {}
        self._counted: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._failed_last = False

    def set(self, name: str, value: object) -> None:
        """Switch a vice on; False and None switch it off."""
        if name not in VICES:
            raise ValueError(f"unknown vice {name!r}; known are {', '.join(sorted(VICES))}")
        checked = _checked(name, value)
        with self._lock:
            self._values.pop(name, None)
            self._counted[name] = 0
            if checked is None:
                return
            if name in _ACTS:
                self._done[name] = self._done.get(name, 0) + 1
            else:
                self._values[name] = checked

    def clear(self, name: str | None = None) -> None:
        """Switch one vice off, or all."""
        if name is not None:
            self.set(name, None)
            return
        with self._lock:
            self._values.clear()

    def get(self, name: str) -> Any:  # noqa: ANN401 - the kind depends on the vice
        """Return a vice's value, None while it is off."""
        return self._values.get(name)

    def active(self) -> dict[str, Any]:
        """Return every vice that is on."""
        with self._lock:
            return dict(self._values)

    def names(self, name: str) -> frozenset[str]:
        """Return the services that a vice names, with and without their `Svc`."""
        listed = {each.strip().removesuffix("Svc") for each in (self.get(name) or "").split(",")}
        return frozenset(form for each in listed if each for form in (each, f"{each}Svc"))

    def covers(self, name: str, service: str, entity_set: str) -> bool:
        """Whether a vice is on for this entity set, or for this query of `BaqSvc`."""
        bare = service.removesuffix("Svc")
        listed = {each.strip() for each in (self.get(name) or "").split(",")}
        sets = {entity_set, f"{service}/{entity_set}", f"{bare}/{entity_set}"}
        return not listed.isdisjoint({"all", service, bare} | sets)

    def next_failure(self, every_nth: tuple[str, ...]) -> str | None:
        """Count one data request; name the vice that is due, never twice in a row above N=1."""
        with self._lock:
            on = [name for name in every_nth if name in self._values]
            for name in on:
                self._counted[name] += 1
            due = max(filter(self._is_due, on), key=self._counted.__getitem__, default=None)
            if due is not None:
                self._counted[due] = 0
            self._failed_last = due is not None
            return due

    def use_up(self, name: str) -> bool:
        """Take one from a vice that lasts N requests; whether there was one left."""
        with self._lock:
            left = self._values.get(name, 0)
            if left > 1:
                self._values[name] = left - 1
            else:
                self._values.pop(name, None)
            return bool(left)

    def count(self, name: str) -> None:
        """Count one data request for a vice that sets in after N."""
        with self._lock:
            if name in self._values:
                self._counted[name] += 1

    def has_set_in(self, name: str) -> bool:
        """Whether the N data requests of such a vice are over."""
        with self._lock:
            return name in self._values and self._counted[name] >= self._values[name]

    def times_done(self, name: str) -> int:
        """How often a vice that is an act was done."""
        return self._done.get(name, 0)

    def _is_due(self, name: str) -> bool:
        nth = self._values[name]
        return self._counted[name] >= nth and (nth == 1 or not self._failed_last)


def vices_from(given: Mapping[str, object], vices: Vices) -> None:
    """Switch several vices, all or none."""
    for name, value in given.items():
        if name not in VICES:
            vices.set(name, value)
        _checked(name, value)
    for name, value in given.items():
        vices.set(name, value)


def _checked(name: str, value: object) -> Any:  # noqa: ANN401
    if value is None or value is False:
        return None
    kind = VICES[name].kind
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind or (isinstance(value, (int, float)) and value < 0):
        raise ValueError(
            f"vice {name} {VICES[name].does}: {value!r} is no {kind.__name__} for that"
        )
    if value == 0 and not VICES[name].is_zero_meant:
        return None
    return value
