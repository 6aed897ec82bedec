"""What ended a load, in words for the person on call."""

from __future__ import annotations

from concurrent.futures import TimeoutError as WaitedTooLong

import requests
from google.api_core import exceptions as api
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    RefreshError,
    TransportError,
)

from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.jobs import reason

OUTSIDE = (api.GoogleAPIError, GoogleAuthError, requests.RequestException, WaitedTooLong)
"""What comes of Google, or of the way there."""
_LONGEST = 600
_RIGHTS = (
    "The account needs roles/bigquery.dataEditor on the dataset and roles/bigquery.jobUser on the "
    "project."
)
_QUOTA = "A quota is used up: wait until it fills again, load less often, or ask Google for more."
_KEY = (
    "Google does not take this key: it has expired, or was deleted or disabled; make a new one, "
    "and check this machine's clock."
)
_NETWORK = "Google could not be reached, or the line was cut: check the network, then run again."
_BY_REASON = {
    "quotaExceeded": _QUOTA,
    "rateLimitExceeded": _QUOTA,
    "jobRateLimitExceeded": _QUOTA,
    "billingNotEnabled": "Enable billing for the project of `project`.",
    "accessDenied": _RIGHTS,
}
_BY_KIND: tuple[tuple[type[BaseException], str], ...] = (
    (
        DefaultCredentialsError,
        "Set `credentials_path` or `credentials_json`, or GOOGLE_APPLICATION_CREDENTIALS.",
    ),
    (RefreshError, _KEY),
    (TransportError, _NETWORK),
    (GoogleAuthError, "Check `credentials_path` or `credentials_json`."),
    (api.Unauthorized, "The credentials have expired or were revoked; make a new key."),
    (api.TooManyRequests, _QUOTA),
    (api.Forbidden, _RIGHTS),
    (api.NotFound, "Check `project`, `dataset` and `location`."),
    (api.BadRequest, "Compare the column with the table in BigQuery."),
    (api.ServerError, "BigQuery could not; run again."),
    (requests.RequestException, _NETWORK),
    (ConnectionError, _NETWORK),
    (WaitedTooLong, "A load job took longer than `timeout`; raise it, or load smaller batches."),
)


def explain(error: BaseException) -> str:
    """What happened and what to do, in one or two sentences."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        error = error.cause
    words = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
    if isinstance(error, GuardError):
        return words
    told = _BY_REASON.get(reason(error)) or next(
        (remedy for kind, remedy in _BY_KIND if isinstance(error, kind)), None
    )
    return f"{words} {told}" if told else words
