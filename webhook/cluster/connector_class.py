"""The ConnectorClass `pypi`, which a start of the broker creates if it does not exist.

It is no manifest: one `kubectl apply` cannot create a kind and an object of that kind. A later edit is never
overwritten.
"""

import asyncio
import logging

from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.trim import Json
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Arbitrary: the API server serves a kind about a second after its definition was applied."""

PYPI: Json = {
    "apiVersion": names.API_VERSION,
    "kind": "ConnectorClass",
    "metadata": {"name": names.CONNECTOR_CLASS},
    "spec": {
        "auth": {"types": [{"name": names.AUTH_NAME, "secretType": names.SECRET_TYPE, "optional": True}]},
        "configurations": [
            {"name": names.PIPCONF_CONFIGURATION, "file": names.PIP_CONF},
            {"name": names.PYPIRC_CONFIGURATION, "file": names.PYPIRC},
        ],
    },
}


async def ensure_class(api: Api) -> None:
    """Returns once the class exists."""
    while True:
        try:
            await api.create(paths.CONNECTOR_CLASSES, PYPI)
            logger.info("connector class created", extra={"class": names.CONNECTOR_CLASS})
        except Conflict:
            pass
        except (ClusterUnavailable, ClusterRefused) as error:
            logger.warning("connector class not created", extra={"cause": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
            continue
        return
