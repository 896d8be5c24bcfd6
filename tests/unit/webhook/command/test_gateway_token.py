"""The life of a token, as people write it."""

from datetime import UTC, datetime, timedelta

import pytest

from webhook.command.gateway_token import life_sentence, parse_duration
from webhook.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("10m", 600), ("600s", 600), ("1h30m", 5400), ("720h", 2592000), ("1h0m1s", 3601)],
)
def test_a_duration_is_read_as_kubectl_reads_it(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must read like 90m"),
        ("1", "must read like 90m"),
        ("1d", "must read like 90m"),
        ("-1h", "must read like 90m"),
        ("1h ", "must read like 90m"),
        ("1h\n", "must read like 90m"),
        ("1m1h", "must read like 90m"),
        ("1.5h", "must read like 90m"),
        ("²h", "must read like 90m"),
        ("٣h", "must read like 90m"),
        ("0s", "too short"),
        ("9m59s", "too short: the API server issues no token for less than 10m"),
        ("9999999h", "too long"),
    ],
)
def test_another_duration_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_duration(text)


CUT = "the API server issues none for 2880 minutes, or the clocks differ"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "sentence"),
    [
        (48.0, "ends at 2026-12-03T12:00:00Z, in 2880 minutes"),
        (48.01, "ends at 2026-12-03T12:00:36Z, in 2881 minutes"),
        (24.0, f"ends at 2026-12-02T12:00:00Z, in 1440 minutes: {CUT}"),
        (-1.0, f"ends at 2026-12-01T11:00:00Z, in 0 minutes: {CUT}"),
    ],
)
def test_the_real_end_is_told_where_the_api_server_cuts_it(hours: float, sentence: str) -> None:
    """It may bound the life of tokens (`--service-account-max-token-expiration`)."""
    assert life_sentence(NOW + timedelta(hours=hours), 48 * 3600, NOW) == sentence
