"""The settings that admission and broker apply to Pods, and the form of an image reference. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from webhook import names

BROKER_URL = f"https://{names.BROKER}.{names.NAMESPACE}.svc"

IMAGE_LIMIT = 512
"""Characters: 255 for a repository, 128 for a tag, 72 for a digest, and a host's port"""

_IMAGE = re.compile(r"[a-z0-9][-a-zA-Z0-9._/:]*(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Settings:
    """An administrator's choices, and the certificate authorities of this moment."""

    sidecar_image: str
    allowed_images: tuple[str, ...]
    """The current image, then mirrors and earlier images: Pods with any of them get grants"""
    broker_ca: tuple[str, ...]
    """PEM certificates, by which the sidecar verifies the broker"""
    broker_url: str = BROKER_URL
    pull_secrets: tuple[str, ...] = ()
    """Added to the `imagePullSecrets` of injected Pods, whose namespaces have Secrets of these names"""

    def with_images(self, further: Iterable[str]) -> "Settings":
        """The same settings; Pods with these images get grants as well."""
        return replace(self, allowed_images=tuple(dict.fromkeys([*self.allowed_images, *further])))


def is_image(text: str) -> bool:
    return len(text) <= IMAGE_LIMIT and _IMAGE.fullmatch(text) is not None
