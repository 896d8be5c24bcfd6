"""The certificates that the cluster keeps, brought to what `certs` wants by every replica of the broker.

No leader is needed: what is wanted follows from what is kept and the time, each write says which version it
was made from, and who comes second reads again. The order is what keeps every handshake working:

1. the authority's Secret: until it is written, an authority is one replica's idea; of ten ideas one remains
2. `bundle` here and `caBundle` of the webhook configuration: everybody who verifies believes the authority
3. the leaves' Secrets (the kubelet hands admission its own), then the broker's own files: now it is served

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#authenticate-apiservers
"""

import asyncio
import base64
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from certs import store
from certs.authority import ServingFiles
from certs.errors import CertificateError
from certs.hosts import service_hosts
from certs.rotate import renew
from certs.succession import KEYS, Succession, succeed
from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.errors import ClusterRefused, Conflict, ConnectorsError, NotFound, describe_failure

logger = logging.getLogger(__name__)

Json = dict[str, Any]

LOOK_SECONDS = 60.0
"""Certificates are in no hurry. So long a Secret that somebody deleted, or a `caBundle` that a deployment
tool took away, stays so; the kubelet takes as long to project a Secret. It costs four small reads."""

FIRST_PAUSE_SECONDS = 1.0
"""After a failure, doubled up to `LOOK_SECONDS`. At an install everything comes into being within seconds."""

_ATTEMPTS = 10
"""A conflict means that another replica got further; there are not that many replicas."""

_NO_CONFIGURATION = (
    f"there is no MutatingWebhookConfiguration {names.WEBHOOK_CONFIGURATION}: no Pod is injected until it is "
    "applied (manifests/webhook); its caBundle is set then"
)


class CertificateKeeper:
    """Keeps authority, leaves and `caBundle`, and the broker's own pair in `directory`."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        directory: Path,
        broker_hosts: Sequence[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`broker_hosts`: names by which sidecars call the broker besides those of its Service."""
        self._api = api
        self._namespace = namespace
        self._directory = directory
        self._broker_hosts = tuple(dict.fromkeys([*service_hosts(names.BROKER, namespace), *broker_hosts]))
        self._now = now
        self._sleep = pause
        self._written: ServingFiles | None = None
        self._failures = 0
        self._cause = ""
        self._lack = ""
        self.bundle: tuple[str, ...] = ()
        """PEM certificates of our authorities, present, future and past: for grants, and to judge Pods by"""

    @property
    def is_ready(self) -> bool:
        """The pair to serve lies in `directory`."""
        return self._written is not None

    async def start(self) -> None:
        """Returns once `is_ready`, however long that takes."""
        while not self.is_ready:
            await self._attempt()
            if not self.is_ready:
                await self._pause()

    async def run(self) -> None:
        """Until cancelled."""
        await self.start()
        while True:
            await self._pause()
            await self._attempt()

    async def ensure(self) -> None:
        """Bring everything to what is wanted, once.

        `ConnectorsError` of the cluster, `CertificateError`, `OSError` of the directory. What the cluster
        refuses (a right of ours is missing) does not keep a leaf from being renewed; what it does not answer
        does: that passes, and the order is kept.
        """
        attempts = _ATTEMPTS
        while True:
            attempts -= 1
            try:
                return await self._bring_about()
            except (Conflict, NotFound):  # changed or deleted since it was read
                if not attempts:
                    raise

    async def _bring_about(self) -> None:
        authority = await self._get(names.CA_SECRET)
        admission = await self._get(names.ADMISSION_TLS_SECRET)
        broker = await self._get(names.BROKER_TLS_SECRET)
        remembered = [store.read_texts(one).get(store.BUNDLE, "") for one in (admission, broker)]
        succession = succeed(store.read_texts(authority), self._now(), remembered)
        why = "; ".join(succession.notes) or "its bundle was not as it should be"
        await self._keep(names.CA_SECRET, authority, succession.texts(), KEYS, why)
        self.bundle = succession.known
        refusals = [
            await _refusal(step)
            for step in (
                partial(self._announce, succession.bundle),
                partial(self._keep_admission, admission, succession),
                partial(self._keep_broker, broker, succession),
            )
        ]
        for refusal in filter(None, refusals):
            raise refusal

    async def _announce(self, bundle: str) -> None:
        """Set `caBundle` of each webhook. Strategic merge goes by a webhook's name and touches nothing else
        of it; with the version that was read, an entry just being removed does not come back as a stump."""
        path = paths.webhook_configuration(names.WEBHOOK_CONFIGURATION)
        found = await self._api.get(path)
        self._lack = "" if found else _NO_CONFIGURATION
        if found is None:
            return
        encoded = base64.b64encode(bundle.encode()).decode()
        stale = [
            {"name": hook["name"], "clientConfig": {"caBundle": encoded}}
            for hook in found.get("webhooks") or []
            if (hook.get("clientConfig") or {}).get("caBundle") != encoded
        ]
        if stale:
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            await self._api.patch(path, {"metadata": version, "webhooks": stale}, "strategic")
            logger.info("caBundle written", extra={"configuration": names.WEBHOOK_CONFIGURATION})

    async def _keep_admission(self, kept: Json | None, succession: Succession) -> None:
        hosts = service_hosts(names.ADMISSION, self._namespace)
        await self._keep_leaf(names.ADMISSION_TLS_SECRET, kept, succession, hosts)

    async def _keep_broker(self, kept: Json | None, succession: Succession) -> None:
        files = await self._keep_leaf(names.BROKER_TLS_SECRET, kept, succession, self._broker_hosts)
        if files != self._written:
            store.write_files(self._directory, files)
            self._written = files

    async def _keep_leaf(
        self, name: str, kept: Json | None, succession: Succession, hosts: Sequence[str]
    ) -> ServingFiles:
        leaf = renew(store.read_texts(kept) if kept else None, succession, hosts, self._now())
        why = f"a leaf was issued: {leaf.why}" if leaf.why else "the authorities changed"
        await self._keep(name, kept, store.texts_of(leaf.files), store.KEYS, why)
        return leaf.files

    async def _get(self, name: str) -> Json | None:
        return await self._api.get(paths.secret(self._namespace, name))

    async def _keep(
        self, name: str, kept: Json | None, texts: Mapping[str, str], ours: Sequence[str], why: str
    ) -> None:
        """Write a Secret if it does not hold these texts, and nothing else under the keys that are `ours`."""
        if {key: text for key, text in store.read_texts(kept).items() if key in ours} == texts:
            return
        manifest = store.with_texts(kept, texts, name=name, namespace=self._namespace, without=ours)
        if kept is None:
            await self._api.create(paths.secrets(self._namespace), manifest)
        else:
            await self._api.replace(paths.secret(self._namespace, name), manifest)
        logger.info("certificates written", extra={"secret": name, "why": why})

    async def _attempt(self) -> None:
        """`ensure`, where a failure is a line in the log, once for each cause."""
        try:
            await self.ensure()
            cause = self._lack
        except (ConnectorsError, CertificateError) as error:
            cause = str(error)
        except OSError as error:
            cause = f"{error.filename} cannot be written: {error.strerror}"
        except Exception as error:  # noqa: BLE001 (an edge: a fault of ours must not end in an expired leaf)
            failure = describe_failure(error)
            cause = f"unexpected {failure['error']} at {failure['place']}"
        if cause and cause != self._cause:
            logger.warning("certificates not kept", extra={"cause": cause})
        if self._cause and not cause:
            logger.info("certificates kept again")
        self._cause = cause
        self._failures = self._failures + 1 if cause else 0

    async def _pause(self) -> None:
        seconds = LOOK_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311 (replicas drift apart)
        if self._failures:
            doubled = FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 16)
            seconds = min(seconds, doubled * random.uniform(0.5, 1.0))  # noqa: S311
        await self._sleep(seconds)


async def _refusal(step: Callable[[], Awaitable[None]]) -> ClusterRefused | None:
    """What refused the step, if it will refuse again at the next attempt."""
    try:
        await step()
    except (Conflict, NotFound):
        raise
    except ClusterRefused as error:
        return error
    return None
