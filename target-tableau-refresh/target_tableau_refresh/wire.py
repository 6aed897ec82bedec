"""HTTP below the client: where it may go, whom it trusts, and what the last answer's head said."""

from __future__ import annotations

import os
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies

from .errors import Away, ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from .clock import Clock


class Wire:
    """Makes HTTP sessions.

    Attributes:
        status: of the last answer.
        retry_after: seconds of its header, where it had one.
        ahead: seconds by which Tableau's clock is ahead of this machine's.

    Args:
        server_url: where requests go.
        ca_bundle: a file of authorities to trust, or nothing.
        clock: of this machine.
    """

    def __init__(self, server_url: str, ca_bundle: str, clock: Clock) -> None:
        self.status = 0
        self.retry_after: float | None = None
        self.ahead = 0.0
        self._url = server_url
        self._ca_bundle = ca_bundle
        self._clock = clock

    @property
    def time(self) -> float:
        """Seconds since 1970, by Tableau's clock."""
        return self._clock.wall().timestamp() + self.ahead

    def session(self) -> requests.Session:
        """A session; of the environment only the proxies and the authorities count."""
        session = requests.Session()
        session.trust_env = False
        session.proxies.update(get_environ_proxies(self._url))
        session.verify = self._ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True
        session.headers["User-Agent"] = "kinetic-elt"
        session.hooks["response"].append(self._look)
        return session

    def _look(self, answer: requests.Response, *_: Any, **__: Any) -> None:  # noqa: ANN401
        self.status = answer.status_code
        self.retry_after = None
        if date := _date(answer.headers.get("Date")):
            self.ahead = (date - self._clock.wall()).total_seconds()
        if wait := answer.headers.get("Retry-After"):
            self.retry_after = _seconds(wait, date)
        if answer.is_redirect:
            # The client would follow, and bring the login to whoever is there.
            to = urlsplit(urljoin(self._url, answer.headers["Location"]))
            raise ConfigError(
                f"{self._url} sends to {to.scheme}://{to.netloc}: give that as `server_url`, if it "
                "is your Tableau"
            )
        kind = answer.headers.get("Content-Type", "")
        if "html" in kind and answer.status_code < HTTPStatus.BAD_REQUEST:
            raise Away(
                f"{self._url} answers with a web page: correct `server_url`, or see what stands "
                "before Tableau there"
            )


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _seconds(text: str, now: datetime | None) -> float | None:
    """Of a header that gives seconds or a time."""
    if text.isdigit():
        return float(text)
    then = _date(text)
    return max(0.0, (then - now).total_seconds()) if then and now else None
