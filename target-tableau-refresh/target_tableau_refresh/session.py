"""A session of Tableau's REST API: signing in, asking with patience, and what an error means."""

from __future__ import annotations

import contextlib
import logging
import random
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree.ElementTree import ParseError

import requests
import tableauserverclient
from tableauserverclient.server.endpoint import exceptions as client_errors
from tableauserverclient.server.exceptions import EndpointUnavailableError

from .config import OLDEST_VERSION, ConnectedApp, Password, Token
from .errors import Away, ConfigError, Refused, TableauError, Throttled, safe
from .web_token import web_token
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .clock import Clock
    from .config import Config, Site

T = TypeVar("T")
tsc: Any = tableauserverclient
"""Half of the client has no types."""

_LOGGER = logging.getLogger("target-tableau-refresh.tableau")
logging.getLogger("TSC").setLevel(logging.ERROR)

_TRIES = 5
_FIRST_PAUSE = 1.0
_DEFAULT_WAIT = 60.0
"""Seconds, where a 429 names none."""
_MINUTES = re.compile(r"(\d+)\s*(?:min|分)", re.IGNORECASE)
_SCOPES = ("tableau:content:read", "tableau:tasks:run", "tableau:tasks:read", "tableau:jobs:read")
_PUBLISHING = ("tableau:datasources:create", "tableau:datasources:update",
               "tableau:file_uploads:create")  # fmt: skip
_SESSION_OVER = "401002"
_ALREADY_QUEUED = "409093"
_NO_EXTRACT = "409090"
_PASSING = (
    client_errors.InternalServerError, requests.ConnectionError, requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)  # fmt: skip


class NoExtract(Refused):
    """There is nothing to refresh in it."""


class Missing(Refused):
    """There is no such thing, or it is not shown to this user."""


class Queued(TableauError):
    """A refresh of this is queued or running already."""


class Session:
    """Signed in on one site, and asked there.

    Args:
        config: the settings.
        site: whose session it is.
        clock: for waits.
    """

    def __init__(self, config: Config, site: Site, clock: Clock) -> None:
        self.site = site
        self._config = config
        self._clock = clock
        self._wire = Wire(config.server_url, config.ca_bundle, clock)
        self._server = tsc.Server(
            config.server_url,
            http_options={"timeout": config.timeout_seconds},
            session_factory=self._wire.session,
        )

    @property
    def place(self) -> str:
        """Server and site, for people."""
        return f"{self._config.server_url}, {self.site}"

    @property
    def version(self) -> tuple[int, int]:
        """Of the REST API that is spoken."""
        major, _, minor = str(self._server.version).partition(".")
        return int(major), int(minor)

    @property
    def clock_ahead(self) -> float:
        """Seconds by which Tableau's clock is ahead of this machine's."""
        return self._wire.ahead

    def open(self) -> None:
        """Find the version to speak, and sign in.

        Raises:
            Refused: Tableau does not take the login.
            TableauError: it is out of reach, or too old.
        """
        self._server.version = self._config.api_version or self._newest_version()
        self.call(self._sign_in)

    def _newest_version(self) -> str:
        # `use_server_version` would swallow a failure and speak 2.4.
        info = self.call(lambda server: server.server_info.get())
        text = str(info.rest_api_version) if info else ""
        if not re.fullmatch(r"\d+\.\d+", text):
            raise TableauError(
                f"{self._config.server_url} does not say which version it is: correct "
                "`server_url`, or set `api_version`"
            )
        if tuple(map(int, text.split("."))) < OLDEST_VERSION:
            raise TableauError(
                f"{self._config.server_url} speaks REST API {text}; "
                f"{'.'.join(map(str, OLDEST_VERSION))} (Tableau 2021.4) is the oldest that works"
            )
        return text

    def _sign_in(self, server: Any) -> None:  # noqa: ANN401
        login, place = self.site.login, self.site.content_url
        credentials: Any
        match login:
            case Token():
                credentials = tsc.PersonalAccessTokenAuth(login.name, login.secret, place)
            case ConnectedApp():
                credentials = tsc.JWTAuth(
                    web_token(login, self._scopes, self._wire.time), site_id=place
                )
            case Password():
                credentials = tsc.TableauAuth(login.username, login.secret, place)
        server.auth.sign_in(credentials)

    @property
    def _scopes(self) -> Iterable[str]:
        return _SCOPES + (_PUBLISHING if self._config.mode == "publish" else ())

    def close(self) -> None:
        """Sign out, if that can be done."""
        with contextlib.suppress(
            requests.RequestException, client_errors.TableauError, TableauError, ConfigError
        ):
            self._server.auth.sign_out()
        self._server.close()

    def call(self, ask: Callable[[Any], T]) -> T:
        """Ask Tableau; again where that makes sense: after short failures, or a new sign-in.

        Args:
            ask: is given the client's server.

        Raises:
            Throttled: it wants to be left alone.
            Away: it cannot be asked now.
            Refused: the login, the right or the thing is missing.
            TableauError: anything else.
        """
        has_renewed = False
        pause = _FIRST_PAUSE
        for left in reversed(range(_TRIES)):
            try:
                return ask(self._server)
            except tsc.FailedSignInError as error:
                if error.code != _SESSION_OVER or has_renewed or not self._server.is_signed_in():
                    raise self._refusal(error, has_renewed=has_renewed) from None
                _LOGGER.info("%s: the session is over, signing in again", self.site)
                has_renewed = True
                self._sign_in_again()
            except (client_errors.InternalServerError, requests.RequestException) as error:
                if left == 0 or not _is_passing(error):
                    raise self._away(error) from None
                self._clock.pause(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause *= 2
            except (tsc.ServerResponseError, client_errors.NonXMLResponseError) as error:
                raise self._answered(error) from None
            except EndpointUnavailableError as error:
                raise TableauError(f"`api_version` is too old: {error}") from None
            except (ParseError, AttributeError) as error:
                raise Away(
                    f"{self._config.server_url} answers with something that is not Tableau's XML: "
                    "correct `server_url`, or see what stands before Tableau there"
                ) from error
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _sign_in_again(self) -> None:
        self._server._clear_auth()  # noqa: SLF001 - signing out would ask a session that is over
        self.call(self._sign_in)

    def _refusal(self, error: Any, *, has_renewed: bool) -> Refused:  # noqa: ANN401
        login = self.site.login
        if not has_renewed and error.code != _SESSION_OVER:
            return Refused(
                f"{self.place} does not take the login ({error.code}): correct {login.settings}, "
                "see that it has not expired or been revoked, and that `site` is the one it is for"
            )
        why = {
            Token: f"another program signs in with token {getattr(login, 'name', '')}, which ends "
                   "this session: give each its own",
            ConnectedApp: "the connected app or its user may not do that: see its access level and "
                          f"the scopes {', '.join(self._scopes)}",
            Password: "see that the user may sign in more than once",
        }[type(login)]  # fmt: skip
        return Refused(f"{self.place} refuses a session that has just begun ({error.code}): {why}")

    def _away(self, error: Exception) -> TableauError:
        url = self._config.server_url
        if isinstance(error, requests.exceptions.SSLError):
            return Away(
                f"the certificate of {url} is not trusted: name the file of its authority with "
                f"`ca_bundle` ({_reason(error)})"
            )
        if isinstance(error, client_errors.InternalServerError):
            return Away(
                f"{url} answers {error.code} and nothing else: Tableau, or a gateway before it, is "
                "down or starting; run again later"
            )
        return Away(
            f"{url} cannot be reached ({_reason(error)}): see `server_url`, name, port, proxy and "
            "firewall, or run again later"
        )

    def _answered(self, error: Any) -> Exception:  # noqa: ANN401
        """What an error answer means; its code counts, since its words are translated."""
        code = str(getattr(error, "code", "") or self._wire.status)
        told = [getattr(error, name, None) or "" for name in ("summary", "detail")]
        words = self.cleaned(": ".join(part for part in told if part)) or "without a word"
        said = f"Tableau says {code}, {words}"
        status = int(code[:3]) if code[:3].isdigit() else self._wire.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(said, self._wait(words))
        if code == _ALREADY_QUEUED:
            return Queued(said)
        if code == _NO_EXTRACT:
            return NoExtract(f"it has no extract that could be refreshed ({code})")
        if status == HTTPStatus.NOT_FOUND:
            return Missing(said)
        if status == HTTPStatus.FORBIDDEN:
            return Refused(
                f"{said}: whoever signs in ({self.user}) needs the right to do that, as its owner, "
                "as leader of its project, or as administrator of the site"
            )
        return TableauError(said)

    @property
    def user(self) -> str:
        """Who signs in, for people."""
        login = self.site.login
        return f"token {login.name}" if isinstance(login, Token) else login.username

    def _wait(self, words: str) -> float:
        if self._wire.retry_after is not None:
            return self._wire.retry_after
        found = _MINUTES.search(words)
        return 60.0 * int(found[1]) if found else _DEFAULT_WAIT

    def cleaned(self, text: str) -> str:
        """A server's words, without secrets."""
        return safe(text, self._config.secrets)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, _PASSING) and not isinstance(error, requests.exceptions.SSLError)


def _reason(error: BaseException) -> str:
    """The innermost reason, which does not repeat the request."""
    while inner := (error.__cause__ or error.__context__ or getattr(error, "reason", None)):
        if not isinstance(inner, BaseException):
            break
        error = inner
    return safe(str(error))
