"""What warehouses say: what is tried again, what is not, and nothing of a secret."""

import pytest
from target_looker_stage.config import Config
from target_looker_stage.explain import explain, is_passing

SECRET = "SuperSecretPassw0rd"
CONFIG = Config.of({"sqlalchemy_url": f"postgresql://u:{SECRET}@host/d"})
BIGQUERY = Config.of({"sqlalchemy_url": "bigquery://project"})


@pytest.mark.parametrize("before", range(375, 401, 5))
def test_a_secret_is_hidden_before_the_text_is_cut(before):
    said = explain(Exception("x" * before + SECRET), CONFIG)

    assert not any(SECRET[:length] in said for length in range(4, len(SECRET)))


@pytest.mark.parametrize(
    "text",
    [
        "403 Exceeded rate limits: too many table update operations for this table.",
        "403 POST https://bigquery.example/jobs: jobRateLimitExceeded",
        "429 POST https://bigquery.example/jobs: quotaExceeded",
    ],
)
def test_a_rate_that_bigquery_limits_is_waited_for_and_is_no_missing_right(text):
    assert is_passing(Exception(text))
    assert "bigquery takes no more statements for now" in explain(Exception(text), BIGQUERY)


@pytest.mark.parametrize(
    "text",
    ["403 Quota exceeded: Your project exceeded quota for free query bytes scanned",
     "403 Access Denied: Table t: User does not have permission"],
)  # fmt: skip
def test_what_lasts_is_not_waited_for(text):
    assert not is_passing(Exception(text))
