"""Keeps the certificates in the cluster as `certs` defines them. Every replica of the broker does this.

No leader is needed: the wanted state follows from the stored state and the time. Each write names the version
that it was made from; after a conflict the replica reads again. The order keeps every handshake working:

1. the authority's Secret: until it is written, only this replica knows the authority, and another may win
2. `bundle` here and `caBundle` of the webhook configuration: every client trusts the authority
3. the leaves' Secrets (the kubelet mounts admission's and the gateway's), then the broker's own files: now
   it is served

The gateway is optional, and its leaf is kept in any case: where it is added later, its Pods start at once.

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

from certs import store
from certs.authority import ServingFiles
from certs.errors import CertificateError
from certs.hosts import service_hosts
from certs.rotate import renew
from certs.succession import KEYS, Succession, succeed
from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.trim import Json
from webhook.errors import ClusterRefused, Conflict, ConnectorsError, NotFound, failure_sentence

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""A deleted Secret, or a `caBundle` that a deployment tool removed, is restored within this time. The kubelet
takes as long to project a Secret. A look costs five small reads."""

FIRST_PAUSE_SECONDS = 1.0
"""After a failure, doubled up to `LOOK_SECONDS`. At an install all objects are created within seconds."""

Step = Callable[[], Awaitable[str | None]]
"""Returns a sentence if something is missing in the cluster"""

_ATTEMPTS = 10
"""A conflict means that another replica was faster; there are fewer replicas than attempts."""

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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._directory = directory
        self._broker_hosts = service_hosts(names.BROKER, namespace)
        self._now = now
        self._sleep = pause
        self._written: ServingFiles | None = None
        self._failures = 0
        self._cause = ""
        self.bundle: tuple[str, ...] = ()
        """PEM certificates of our authorities, present, future and past: for grants, and to check Pods"""

    @property
    def is_ready(self) -> bool:
        """Whether `directory` holds the broker's certificate and key."""
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

    async def ensure(self) -> str:
        """Create and renew, once. Returns what is still missing in the cluster, or an empty text.

        Raises `ConnectorsError` of the cluster, `CertificateError`, and `OSError` of the directory. If the
        cluster refuses a step (a right of ours is missing), the leaves are renewed all the same. If it does
        not answer, they are not: that passes, and the order holds.
        """
        attempts = _ATTEMPTS
        while True:
            attempts -= 1
            try:
                return await self._ensure_in_order()
            except (Conflict, NotFound):  # changed or deleted since it was read
                if not attempts:
                    raise

    async def _ensure_in_order(self) -> str:
        authority = await self._get(names.CA_SECRET)
        admission = await self._get(names.ADMISSION_TLS_SECRET)
        broker = await self._get(names.BROKER_TLS_SECRET)
        remembered = [store.read_texts(secret).get(store.BUNDLE, "") for secret in (admission, broker)]
        succession = succeed(store.read_texts(authority), self._now(), remembered)
        why = "; ".join(succession.notes) or "its bundle was not as it should be"
        await self._write(names.CA_SECRET, authority, succession.texts(), KEYS, why)
        self.bundle = succession.known
        steps: list[Step] = [
            partial(self._announce, succession.bundle),
            partial(self._keep_admission, admission, succession),
            partial(self._keep_broker, broker, succession),
            partial(self._keep_gateway, succession),
        ]
        outcomes = [await _outcome(step) for step in steps]
        for outcome in outcomes:
            if isinstance(outcome, ClusterRefused):
                raise outcome
        return "; ".join(missing for missing in outcomes if isinstance(missing, str))

    async def _announce(self, bundle: str) -> str | None:
        """Set `caBundle` of each webhook, or return why this is not possible yet.

        A strategic merge finds a webhook by its name and changes only `caBundle`. The patch names the version
        that was read: otherwise an entry that is just being removed would come back without its other fields.
        """
        path = paths.webhook_configuration(names.WEBHOOK_CONFIGURATION)
        configuration = await self._api.get(path)
        if configuration is None:
            return _NO_CONFIGURATION
        encoded = base64.b64encode(bundle.encode()).decode()
        stale = [
            {"name": hook["name"], "clientConfig": {"caBundle": encoded}}
            for hook in configuration.get("webhooks") or []
            if (hook.get("clientConfig") or {}).get("caBundle") != encoded
        ]
        if stale:
            version = {"resourceVersion": configuration["metadata"]["resourceVersion"]}
            await self._api.patch(path, {"metadata": version, "webhooks": stale}, "strategic")
            logger.info("caBundle written", extra={"configuration": names.WEBHOOK_CONFIGURATION})
        return None

    async def _keep_admission(self, secret: Json | None, succession: Succession) -> None:
        hosts = service_hosts(names.ADMISSION, self._namespace)
        await self._keep_leaf(names.ADMISSION_TLS_SECRET, secret, succession, hosts)

    async def _keep_broker(self, secret: Json | None, succession: Succession) -> None:
        files = await self._keep_leaf(names.BROKER_TLS_SECRET, secret, succession, self._broker_hosts)
        if files != self._written:
            store.write_files(self._directory, files)
            self._written = files

    async def _keep_gateway(self, succession: Succession) -> None:
        """Read here, and not with the others: a right that is missing for it must not end their leaves."""
        secret = await self._get(names.GATEWAY_TLS_SECRET)
        hosts = service_hosts(names.GATEWAY, self._namespace)
        await self._keep_leaf(names.GATEWAY_TLS_SECRET, secret, succession, hosts)

    async def _keep_leaf(
        self, name: str, secret: Json | None, succession: Succession, hosts: Sequence[str]
    ) -> ServingFiles:
        leaf = renew(store.read_texts(secret) if secret else None, succession, hosts, self._now())
        why = f"a leaf was issued: {leaf.why}" if leaf.why else "the authorities changed"
        await self._write(name, secret, store.texts_of(leaf.files), store.KEYS, why)
        return leaf.files

    async def _get(self, name: str) -> Json | None:
        return await self._api.get(paths.secret(self._namespace, name))

    async def _write(
        self, name: str, secret: Json | None, texts: Mapping[str, str], ours: Sequence[str], why: str
    ) -> None:
        """Write a Secret unless it holds exactly these texts under the keys that are `ours`."""
        if {key: text for key, text in store.read_texts(secret).items() if key in ours} == texts:
            return
        manifest = store.with_texts(secret, texts, name=name, namespace=self._namespace, without=ours)
        if secret is None:
            await self._api.create(paths.secrets(self._namespace), manifest)
        else:
            await self._api.replace(paths.secret(self._namespace, name), manifest)
        logger.info("certificates written", extra={"secret": name, "why": why})

    async def _attempt(self) -> None:
        """`ensure`; a failure becomes a line in the log, once for each cause."""
        try:
            cause = await self.ensure()
        except (ConnectorsError, CertificateError) as error:
            cause = str(error)
        except OSError as error:
            cause = f"{error.filename} cannot be written: {error.strerror}"
        except Exception as error:  # noqa: BLE001 (an edge: a fault of ours must not end in an expired leaf)
            cause = failure_sentence(error)
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


async def _outcome(step: Step) -> str | ClusterRefused | None:
    """The step's own result, or a refusal that would come again at the next attempt."""
    try:
        return await step()
    except (Conflict, NotFound):
        raise
    except ClusterRefused as error:
        return error
