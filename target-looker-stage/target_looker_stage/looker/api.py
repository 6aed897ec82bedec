"""A client of Looker's API 4.0: login, patience, one place that speaks HTTP."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

import requests
from requests.utils import get_environ_proxies

from target_looker_stage.errors import redacted

from .clock import CLOCK
from .refusals import (
    DENIED,
    ApiError,
    Away,
    Denied,
    LoginRefused,
    Trouble,
    Unsure,
    is_json,
    shortened,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from target_looker_stage.config import Config

    from .clock import Clock

_LOGGER = logging.getLogger("target-looker-stage.looker")
_ROOT = "/api/4.0"
_PASSING = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_KEYS_REFUSED = (HTTPStatus.UNAUTHORIZED, *DENIED)
"""404 as a rule."""
_UNSENT = ("refused", "resolve", "Name or service", "unreachable")
"""In reasons for which nothing was sent."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_CONNECT_SECONDS = 15
_RENEWED_BEFORE = 60
"""Seconds of a token's life that are not used."""
_LOGOUT_SECONDS = 5


class LookerApi:
    """Calls the API as the user of the keys; logs in when first asked, out at the end.

    Args:
        config: the settings.
        clock: for waits.
        patience_seconds: for all calls together; `looker_deadline_seconds` where it is not given.
    """

    def __init__(
        self, config: Config, clock: Clock = CLOCK, patience_seconds: float | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._patience = patience_seconds or config.looker_deadline_seconds
        self._deadline = clock.now() + self._patience
        self.url = config.looker_url.removesuffix(_ROOT)
        self._session = requests.Session()
        # Of the environment only the proxies: a .netrc would replace the token.
        self._session.trust_env = False
        self._session.proxies.update(get_environ_proxies(self.url))
        self._session.verify = (
            config.looker_ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True
        )
        self._session.headers.update({"User-Agent": "kinetic-elt", "Accept": "application/json"})
        self._token = ""
        self._renew_at = 0.0
        self._workspace = ""
        self._date = (time.time(), clock.now())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log_out()
        self._session.close()

    @property
    def server_time(self) -> float:
        """Seconds since 1970 by Looker's clock, never ahead of it."""
        date, seen = self._date
        return date + self._clock.now() - seen

    @property
    def seconds_left(self) -> float:
        """Of the patience."""
        return self._deadline - self._clock.now()

    def log_in(self) -> None:
        """Get a token, unless there is one that lasts.

        Raises:
            LoginRefused: when Looker does not know the keys.
            ApiError: anything else.
        """
        if self._token and self._clock.now() < self._renew_at:
            return
        self._token = ""
        keys = {
            "client_id": self._config.looker_client_id,
            "client_secret": self._config.looker_client_secret,
        }
        try:
            answer = self._patiently("POST", "/login", form=keys)
        except ApiError as error:
            if isinstance(error, Away) or error.status not in _KEYS_REFUSED:
                raise
            raise LoginRefused(
                f"{self.url} does not know the API key of client id "
                f"{self._config.looker_client_id} ({error.status}): correct `looker_client_id` and "
                "`looker_client_secret` (Looker, Admin > Users > the user > API keys), or "
                "`looker_url` if the key is another instance's",
                error.status,
            ) from error
        told = _decoded(answer)
        if not isinstance(told, dict) or not told.get("access_token"):
            raise Away(f"{self.url} gave no token: see that `looker_url` is a Looker's address")
        self._token = str(told["access_token"])
        life = float(told.get("expires_in") or 0)
        self._renew_at = self._clock.now() + life - min(_RENEWED_BEFORE, life / 2)
        if self._workspace:
            self._choose_workspace()

    def use_dev_workspace(self) -> None:
        """Work on the user's own copy of LookML, after a new login as well."""
        self.log_in()
        self._workspace = "dev"
        self._choose_workspace()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        expects: type[list[Any] | dict[str, Any]] | None = None,
        is_repeatable: bool = True,
    ) -> Any:  # noqa: ANN401 - as the operation has it
        """What an operation answers; None where that is nothing.

        Args:
            method: such as PATCH.
            path: below the API's root; values in it pass `place`.
            query: parameters.
            body: sent as JSON.
            expects: what the answer has to be.
            is_repeatable: whether it may be done twice where an answer was lost.

        Raises:
            ApiError: one sentence; see its kinds.
        """
        for is_last in (False, True):
            self.log_in()
            try:
                answer = self._patiently(
                    method, path, query=query, body=body, is_repeatable=is_repeatable
                )
                if answer.status_code != HTTPStatus.UNAUTHORIZED:
                    return self._told(method, path, answer, expects)
            except ApiError as error:
                if is_repeatable or isinstance(error, Unsure) or not _may_be_done(error):
                    raise
                raise Unsure(
                    f"{error}; nobody can tell whether it was done", error.status
                ) from error
            self._token = ""  # it ended before its time: an administrator can end sessions
            if is_last:
                break
        raise ApiError(
            f"{self.url} let the API key in, and then took its token for nothing (401) in {method} "
            f"{path}: see in Looker, Admin > Users, that the user is not disabled",
            HTTPStatus.UNAUTHORIZED,
        )

    def _told(
        self,
        method: str,
        path: str,
        answer: requests.Response,
        expects: type[list[Any] | dict[str, Any]] | None,
    ) -> Any:  # noqa: ANN401 - as the operation has it
        told = _decoded(answer)
        if expects is not None and not isinstance(told, expects):
            raise Away(
                f"{self.url} answered {method} {path} with what no Looker answers: see what stands "
                "between here and `looker_url`",
                answer.status_code,
            )
        return told

    def _choose_workspace(self) -> None:
        body = {"workspace_id": self._workspace}
        _decoded(self._patiently("PATCH", "/session", body=body))

    def _patiently(
        self,
        method: str,
        path: str,
        *,
        is_repeatable: bool = True,
        **content: Mapping[str, Any] | None,
    ) -> requests.Response:
        """An answer below 400, or a 401 to a token; again and again while that may help."""
        began, pause = self._clock.now(), _FIRST_PAUSE
        while True:
            try:
                return self._judged(method, path, self._sent(method, path, is_repeatable, content))
            except Trouble as trouble:
                if not is_repeatable and not trouble.is_undone:
                    raise Unsure(
                        f"{trouble.what} in {method} {path}; nobody can tell whether it was done",
                        trouble.status,
                    ) from trouble
                # Not all at once: other loaders may wait for the same instance.
                wait = pause * random.uniform(0.5, 1.0)  # noqa: S311
                if trouble.wait is not None:
                    wait = max(trouble.wait, _FIRST_PAUSE)
                if self._clock.now() + wait > self._deadline:
                    raise self._given_up(trouble, self._clock.now() - began, wait) from trouble
                _LOGGER.warning("%s; again in %.0f s", trouble.what, wait)
                self._clock.pause(wait)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _sent(
        self,
        method: str,
        path: str,
        is_repeatable: bool,  # noqa: FBT001
        content: Mapping[str, Any],
    ) -> requests.Response:
        if not is_repeatable:
            # On a new connection: one that was idle may be closed just as it is used.
            self._session.close()
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = self._config.looker_timeout_seconds
        try:
            answer = self._session.request(
                method, self.url + _ROOT + path, params=content.get("query"),
                json=content.get("body"), data=content.get("form"), headers=headers,
                timeout=(min(_CONNECT_SECONDS, timeout), timeout), allow_redirects=False,
            )  # fmt: skip
        except requests.exceptions.SSLError as error:
            raise ApiError(
                f"the certificate of {self.url} is not trusted ({self._clean(_innermost(error))}): "
                "set `looker_ca_bundle` to the PEM file of the authority that issued it"
            ) from error
        except requests.exceptions.RequestException as error:
            raise self._unanswered(error) from error
        self._date = (_date_of(answer), self._clock.now())
        return answer

    def _unanswered(self, error: requests.exceptions.RequestException) -> Trouble:
        if isinstance(error, requests.exceptions.ReadTimeout):
            seconds = self._config.looker_timeout_seconds
            return Trouble(f"{self.url} gave no answer within {seconds} s")
        reason = _innermost(error)
        is_undone = isinstance(error, requests.exceptions.ConnectTimeout) or any(
            part in reason for part in _UNSENT
        )
        return Trouble(f"{self.url} cannot be reached ({self._clean(reason)})", is_undone=is_undone)

    def _judged(self, method: str, path: str, answer: requests.Response) -> requests.Response:
        status = answer.status_code
        said = self._clean(words(answer)) if status >= HTTPStatus.BAD_REQUEST else ""
        if status in _PASSING:
            what = f"{self._who(answer)} answered {status} ({said})"
            wait = _retry_after(answer)
            raise Trouble(what, status, wait, is_undone=status == HTTPStatus.TOO_MANY_REQUESTS)
        if status == HTTPStatus.UNAUTHORIZED and path != "/login":
            return answer
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            host = urlsplit(answer.headers.get("Location", "")).netloc or "another page"
            raise ApiError(
                f"{self.url} sends to {self._clean(host)} instead of answering ({status}): set "
                "`looker_url` to the address of the API itself",
                status,
            )
        if not is_json(answer) and answer.content:
            raise Away(
                f"{self._who(answer)} answered {status} to {method} {path} with a web page: see "
                "that `looker_url` is the address of the API (some instances serve it at port "
                "19999), and that no login page or proxy stands before it",
                status,
            )
        if status >= HTTPStatus.BAD_REQUEST:
            kind = Denied if status in DENIED else ApiError
            raise kind(f"{self.url} answered {status} to {method} {path}: {said}", status)
        return answer

    def _who(self, answer: requests.Response) -> str:
        return self.url if is_json(answer) else f"a gateway before {self.url}"

    def _given_up(self, trouble: Trouble, spent: float, wait: float) -> ApiError:
        if trouble.status == HTTPStatus.TOO_MANY_REQUESTS:
            asked = "" if trouble.wait is None else f" and wants {wait:.0f} s of rest"
            return Away(
                f"{self.url} takes no more calls for now (429{asked}): API calls are metered by "
                "Looker's plans; run less often, or raise `looker_deadline_seconds` "
                f"({self._patience:.0f})",
                trouble.status,
            )
        return Away(
            f"{trouble.what}, tried for {spent:.0f} s: see whether the instance is up and "
            "`looker_url` leads to it; `looker_deadline_seconds` "
            f"({self._patience:.0f}) is the patience",
            trouble.status,
        )

    def _clean(self, text: str) -> str:
        secrets = (self._config.looker_client_secret, self._token)
        proxies = (urlsplit(proxy).password for proxy in self._session.proxies.values())
        held = [each for each in (*secrets, *proxies) if each]
        spelt = [spell(each) for each in held for spell in (str, quote, quote_plus)]
        return shortened(redacted(text, spelt))

    def _log_out(self) -> None:
        """A courtesy: a token that is left ends within its hour."""
        if not self._token:
            return
        headers = {"Authorization": f"Bearer {self._token}"}
        with contextlib.suppress(requests.exceptions.RequestException):
            self._session.delete(
                f"{self.url}{_ROOT}/logout", headers=headers, timeout=_LOGOUT_SECONDS,
                allow_redirects=False,
            )  # fmt: skip
        self._token = ""


def place(text: str) -> str:
    """A value as it stands in a path."""
    return quote(text, safe="")


def _may_be_done(error: ApiError) -> bool:
    """A yes that cannot be read, or a server that broke in the middle; others say no."""
    is_yes = HTTPStatus.OK <= error.status < HTTPStatus.MULTIPLE_CHOICES
    return is_yes or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _decoded(answer: requests.Response) -> Any:  # noqa: ANN401
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise Away(
            f"{urlsplit(answer.url).netloc} answered {answer.status_code} with broken JSON: see "
            "what stands between here and `looker_url`",
            answer.status_code,
        ) from error


def _retry_after(answer: requests.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - _date_of(answer))
    except (TypeError, ValueError):
        return None


def _date_of(answer: requests.Response) -> float:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return time.time()


def _innermost(error: BaseException) -> str:
    """The reason without the layers around it, which repeat addresses."""
    reason: object = error
    while isinstance(reason, BaseException):
        inner = getattr(reason, "reason", None) or next(
            (each for each in reason.args if isinstance(each, BaseException)), None
        )
        if inner is None or inner is reason:
            break
        reason = inner
    text = getattr(reason, "strerror", None) or str(reason)
    return text.rpartition(": ")[2] if text.startswith(("HTTP", "<")) else text
