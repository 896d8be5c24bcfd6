"""The record of sidecar images holds its rules for every text, every set of images and every time."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from support.sidecars.octets import tried
from webhook.grant.sidecar_images import IMAGES_LIMIT, parse_record, render_record, updated

IMAGES = st.integers(0, 60).map("registry.example/sidecar:{}".format)
TIMES = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
RECORDS = st.dictionaries(IMAGES, TIMES, max_size=IMAGES_LIMIT + 10)
CURRENT = st.lists(IMAGES, max_size=IMAGES_LIMIT + 10)


@tried(100)
@given(st.text() | st.lists(st.text()).map("2026-12-01T12:00:00Z ".join))
def test_no_text_is_too_odd_to_read(text: str) -> None:
    record, _ = parse_record(text)
    assert parse_record(render_record(record)) == (record, "")


@tried(100)
@given(RECORDS, CURRENT, TIMES)
def test_what_is_current_stays_and_the_rest_is_bounded(
    record: dict[str, datetime], current: list[str], now: datetime
) -> None:
    found = updated(record, current, now)
    assert set(current) <= set(found)
    assert len(found) <= max(IMAGES_LIMIT, len(set(current)))
    assert all(at <= now for at in found.values())
    assert updated(found, current, now) == found, "two replicas do not write in turns"


@tried(100)
@given(RECORDS, CURRENT, TIMES)
def test_no_newer_image_is_dropped_for_an_older(
    record: dict[str, datetime], current: list[str], now: datetime
) -> None:
    found = updated(record, current, now)
    kept = [min(at, now) for image, at in record.items() if image in found and image not in current]
    dropped = [min(at, now) for image, at in record.items() if image not in found]
    if kept and dropped:
        assert min(kept) >= max(dropped)
