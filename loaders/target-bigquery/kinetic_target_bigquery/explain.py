"""What ended a load, in words for the person on call."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError

from kinetic_target_bigquery.errors import GuardError

_LONGEST = 600
_RIGHTS = (
    "The service account needs roles/bigquery.dataEditor on the dataset and "
    "roles/bigquery.jobUser on the project; where a quota is named, it is used up."
)
_REMEDIES: tuple[tuple[type[BaseException], str], ...] = (
    (
        DefaultCredentialsError,
        "Set `credentials_path` or `credentials_json`, or GOOGLE_APPLICATION_CREDENTIALS.",
    ),
    (
        RefreshError,
        "Google does not take this key: it may be deleted or disabled; make a new one.",
    ),
    (GoogleAuthError, "Check `credentials_path` or `credentials_json`."),
    (api.Unauthorized, "The key has expired or was revoked; make a new one."),
    (
        api.TooManyRequests,
        "A quota is used up: load less often, or with a larger `batch_size`, or ask for more.",
    ),
    (
        api.Forbidden,
        _RIGHTS,
    ),
    (api.NotFound, "Check `project`, `dataset` and `location`."),
    (api.BadRequest, "Compare the column with the table in BigQuery."),
    (api.ServerError, "BigQuery could not; run again."),
)


def explain(error: BaseException) -> str:
    """What happened and what to do, in one or two sentences."""
    words = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
    if isinstance(error, GuardError):
        return words
    remedy = next((told for kind, told in _REMEDIES if isinstance(error, kind)), None)
    return f"{words} {remedy}" if remedy else words
