"""The sidecar images of this installation: their record, and the objects that name the current images. Pure.

The record is a text in a ConfigMap with a line for each image, the oldest first:

    2026-11-30T08:12:44Z registry.example.com/pypi-connector-sidecar:0.1.0

The time says when a setting last named the image, to a day. An administrator withdraws an image by removing
its line, once no replica of admission or broker has the image in its settings.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook import names
from webhook.pod.settings import is_image

Record = Mapping[str, datetime]
"""Image → when a setting last named it"""

KEY = "images"
"""The key in the ConfigMap's data"""

IMAGES_LIMIT = 20
"""Images in the record: as many releases as a long-lived Pod sees in some years. Arbitrary"""

TEXT_LIMIT = 64 * 1024
"""Characters. An image's name has at most 255 + 128 + 72 (repository, tag, digest): twenty fill a seventh."""

REFRESH = timedelta(days=1)
"""An image in use gets a new time once in this period: the order stays right, and writes are rare."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def images_in(variables: Mapping[str, str]) -> list[str]:
    """The sidecar images in the environment of this process or of another replica."""
    image = variables.get(f"{names.SETTINGS_PREFIX}SIDECAR_IMAGE") or ""
    further = variables.get(f"{names.SETTINGS_PREFIX}ALLOWED_IMAGES") or ""
    return [text for text in (image, *map(str.strip, further.split(","))) if is_image(text)]


def parse_record(text: str) -> tuple[Record, str]:
    """The record, and a complaint about ignored lines, or an empty text. Only the newest images count."""
    if len(text) > TEXT_LIMIT:
        return {}, f"its text has {len(text)} characters, and {TEXT_LIMIT} are read: all of it is ignored"
    images: dict[str, datetime] = {}
    ignored = []
    for number, line in enumerate(text.splitlines(), 1):
        time, _, image = line.strip().partition(" ")
        named_at = _parse_time(time)
        if named_at is not None and is_image(image):
            images[image] = max(named_at, images.get(image, named_at))
        elif line.strip():
            ignored.append(number)
    first = min(ignored, default=0)
    complaint = f"{len(ignored)} lines without a time and an image are ignored, the first is line {first}"
    return _newest(images, IMAGES_LIMIT), complaint if ignored else ""


def updated(record: Record, current: Iterable[str], now: datetime) -> Record:
    """The record with the current images, which are never evicted, and the newest of the other images."""
    now = now.astimezone(UTC).replace(microsecond=0)
    named = {image: record.get(image, datetime.min.replace(tzinfo=UTC)) for image in current}
    # a time to come, by a wrong clock or hand, counts as now: it would keep its image for ever
    named = {image: at if timedelta(0) <= now - at < REFRESH else now for image, at in named.items()}
    others = {image: min(at, now) for image, at in record.items() if image not in named}
    return {**_newest(others, max(0, IMAGES_LIMIT - len(named))), **named}


def render_record(record: Record) -> str:
    lines = sorted((at.strftime(_TIME), image) for image, at in record.items())
    return "".join(f"{at} {image}\n" for at, image in lines)


def images_of(replica_sets: Iterable[Mapping[str, Any]], *, is_history_wanted: bool) -> list[str]:
    """The images in the ReplicaSets of admission and broker; of past revisions only if wanted.

    In any order of a roll, a ReplicaSet names an image before a replica injects it.
    """
    ours = filter(_is_ours, replica_sets)
    chosen = ours if is_history_wanted else filter(_is_active, ours)
    return list(dict.fromkeys(image for replica_set in chosen for image in _images_of_template(replica_set)))


def _is_ours(replica_set: Mapping[str, Any]) -> bool:
    owners = (replica_set.get("metadata") or {}).get("ownerReferences") or []
    return any(
        (owner.get("kind"), owner.get("controller")) == ("Deployment", True)
        and owner.get("name") in (names.ADMISSION, names.BROKER)
        for owner in owners
    )


def _is_active(replica_set: Mapping[str, Any]) -> bool:
    wanted, present = (replica_set.get(part) or {} for part in ("spec", "status"))
    return bool(wanted.get("replicas") or present.get("replicas"))


def _images_of_template(replica_set: Mapping[str, Any]) -> list[str]:
    template = (replica_set.get("spec") or {}).get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or []
    variables = [
        {str(entry.get("name")): entry["value"] for entry in container.get("env") or [] if entry.get("value")}
        for container in containers
    ]
    return [image for values in variables for image in images_in(values)]


def _newest(record: Record, count: int) -> Record:
    return dict(sorted(record.items(), key=lambda item: (item[1], item[0]), reverse=True)[:count])


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
