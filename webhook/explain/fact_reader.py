"""Reading the facts that `explain` needs from the Kubernetes API, with the rights of whoever asks.

What these do not allow is no failure: it is a fact as well.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.errors import ClusterRefused, ClusterUnavailable, Forbidden, InputError, NotFound
from webhook.explain import workloads
from webhook.explain.facts import Facts, Json, Object, Objects, Unread, annotations, metadata, parse_log
from webhook.explain.workloads import Target
from webhook.identifiers import ConnectorKey
from webhook.pod.request import parse_annotations

LOG_LINES, LOG_BYTES = "2000", str(1024 * 1024)
"""Of the sidecar's log, from its end: the last hour of a busy Pod, read within the limit of one request"""

T = TypeVar("T")


async def read_facts(api: Api, namespace: str, target: Target) -> Facts:
    """Everything about one Pod; of a workload, about its newest Pod."""
    reader = _Reader(api, namespace)
    workload: Json | None = None
    if target.kind is None:
        pod = await reader.pod(target.name)
    else:
        workload = await reader.workload(target)
        pod = await reader.newest_pod(workload)
    subject = pod or workloads.template(workload or {})
    # two at once, for so many types `gather` has
    (owners, events, creations, log), (registration, broker, connectors) = await asyncio.gather(
        asyncio.gather(reader.owners(pod), reader.events(pod), reader.creations(), reader.log(pod)),
        asyncio.gather(
            reader.object(paths.webhook_configuration(names.WEBHOOK_CONFIGURATION), "webhook registrations"),
            reader.object(_broker_path(), f"Deployments in namespace {names.NAMESPACE}"),
            reader.connectors(subject),
        ),
    )
    return Facts(
        namespace=namespace,
        name=target.name,
        now=datetime.now(UTC),
        pod=pod,
        workload=workload,
        owners=owners,
        events=events,
        creations=creations,
        connectors=connectors,
        log=log,
        registration=registration,
        broker=broker,
    )


class _Reader:
    """Questions about one namespace. What may not be read becomes `Unread`, save the subject itself."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def pod(self, name: str) -> Json | None:
        return await self._required(self._api.get(paths.pod(self._namespace, name)), "Pods")

    async def workload(self, target: Target) -> Json:
        if target.kind is None:
            raise TypeError("a Pod is no workload")
        path = workloads.path(target.kind, self._namespace, target.name)
        found = await self._required(self._api.get(path), target.kind.plural)
        if found is None:
            where = f'{target.kind.plural} "{target.name}" not found in namespace "{self._namespace}"'
            raise InputError.of("WorkloadNotFound", where)
        # as part of a list, an object would say its kind; alone it does, but not all servers have said so
        return {"kind": target.kind.name, **found}

    async def newest_pod(self, workload: Json) -> Json | None:
        """By labels or, where it selects none (a CronJob), by the Job that it made last."""
        selector = workloads.selector(workload)
        if selector is None:
            return await self._newest_pod_of_jobs(workload)
        listed = await self._required(
            self._api.list(paths.pods(self._namespace), labelSelector=selector), "Pods"
        )
        found: list[Json] = (listed or {}).get("items") or []
        return max(found, key=_age_key, default=None)

    async def _newest_pod_of_jobs(self, workload: Json) -> Json | None:
        path = workloads.collection_path(workloads.KINDS["job"], self._namespace)
        listed = await self._required(self._api.list(path), "jobs")
        own = [one for one in (listed or {}).get("items") or [] if _is_owned(one, workload)]
        job = max(own, key=_age_key, default=None)
        return await self.newest_pod({"kind": "Job", **job}) if job else None

    async def owners(self, pod: Json | None) -> list[Json]:
        """The Pod's controller, and that one's: a Job and its CronJob, a ReplicaSet and its Deployment."""
        found: list[Json] = []
        while len(found) < 2:
            references = metadata(found[-1] if found else pod or {}).get("ownerReferences") or []
            reference = next((one for one in references if one.get("controller")), None)
            kind = workloads.KINDS.get(str((reference or {}).get("kind")).lower())
            if reference is None or kind is None:
                break
            path = workloads.path(kind, self._namespace, str(reference.get("name")))
            owner = await self.object(path, kind.plural)
            if owner is None or isinstance(owner, Unread):
                break
            found.append({"kind": kind.name, **owner})
        return found

    async def events(self, pod: Json | None) -> Objects:
        if pod is None:
            return []
        return await self._events(f"involvedObject.uid={metadata(pod).get('uid')}")

    async def creations(self) -> Objects:
        return await self._events("reason=FailedCreate")

    async def _events(self, selector: str) -> Objects:
        read = self._api.list(paths.events(self._namespace), fieldSelector=selector)
        found = await self._try(read, f"Events in namespace {self._namespace}")
        return found if isinstance(found, Unread) else (found or {}).get("items") or []

    async def log(self, pod: Json | None) -> Objects:
        if pod is None:
            return []
        path = paths.pod_log(self._namespace, str(metadata(pod).get("name")))
        read = self._api.text(path, container=names.SIDECAR, tailLines=LOG_LINES, limitBytes=LOG_BYTES)
        found = await self._try(read, f"logs of Pods in namespace {self._namespace}")
        return found if isinstance(found, Unread) else parse_log(found or "")

    async def connectors(self, subject: Mapping[str, object]) -> dict[ConnectorKey, Object]:
        try:
            keys = parse_annotations(annotations(subject), namespace=self._namespace).keys
        except InputError:
            return {}
        found = await asyncio.gather(*(self._connector(key) for key in keys))
        return dict(zip(keys, found, strict=True))

    async def _connector(self, key: ConnectorKey) -> Object:
        return await self.object(paths.connector(*key), f"Connectors in namespace {key.namespace}")

    async def object(self, path: str, what: str) -> Object:
        return await self._try(self._api.get(path), what)

    async def _required(self, read: Awaitable[Json | None], what: str) -> Json | None:
        try:
            return await read
        except Forbidden as error:
            sentence = f"you may not read {what} in namespace {self._namespace}: ask its administrator"
            raise Forbidden(sentence) from error

    async def _try(self, read: Awaitable[T], what: str) -> T | Unread | None:
        try:
            return await read
        except Forbidden:
            return Unread(f"you may not read {what}: ask an administrator")
        except NotFound:
            return None
        except (ClusterRefused, ClusterUnavailable) as error:
            # a log before its container has started, or of a node that is away
            return Unread(f"{what} cannot be read now: {error}")


def _broker_path() -> str:
    return workloads.path(workloads.KINDS["deployment"], names.NAMESPACE, names.BROKER)


def _is_owned(one: Json, owner: Json) -> bool:
    references = metadata(one).get("ownerReferences") or []
    return any(reference.get("uid") == metadata(owner).get("uid") for reference in references)


def _age_key(one: Json) -> str:
    return str(metadata(one).get("creationTimestamp"))
