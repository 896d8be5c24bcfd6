"""Reads the facts for `explain` from the Kubernetes API, with the user's own rights.

A missing right is not a failure: it is a fact as well (`Unread`).
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
from webhook.explain.facts import Facts, Json, Object, Objects, Unread, metadata, parse_log
from webhook.explain.namespaces import inherited_annotations
from webhook.explain.workloads import Target
from webhook.identifiers import ConnectorKey
from webhook.pod.resolution import read_request

LOG_LINES, LOG_BYTES = "2000", str(1024 * 1024)
"""The end of the sidecar's log: the last hour of a busy Pod, read within the time limit of a request"""

T = TypeVar("T")


async def read_facts(api: Api, namespace: str, target: Target) -> Facts:
    """The facts about a Pod, or about the newest Pod of a workload."""
    reader = _Reader(api, namespace)
    workload: Json | None = None
    if target.kind is None:
        pod = await reader.pod(target.name)
    else:
        workload = await reader.workload(target)
        pod = await reader.newest_pod(workload)
    namespace_object = await reader.object(paths.namespace(namespace), "Namespaces")
    subject = pod or workloads.template(workload or {})
    asking = None if pod else namespace_object
    # `gather` has types for at most six results, so two of them
    (
        (owners, events, creations, log),
        (registration, registrations, broker, connectors),
    ) = await asyncio.gather(
        asyncio.gather(reader.owners(pod), reader.events(pod), reader.creations(), reader.log(pod)),
        asyncio.gather(
            reader.object(paths.webhook_configuration(names.WEBHOOK_CONFIGURATION), "webhook registrations"),
            reader.registrations(),
            reader.object(_broker_path(), f"Deployments in namespace {names.NAMESPACE}"),
            reader.connectors(subject, asking),
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
        registrations=registrations,
        broker=broker,
        namespace_object=namespace_object,
    )


class _Reader:
    """Reads objects of one namespace. Without the right, they become `Unread`; the subject is required."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def pod(self, name: str) -> Json | None:
        return await self._required(self._api.get(paths.pod(self._namespace, name)), "Pods")

    async def workload(self, target: Target) -> Json:
        if target.kind is None:
            raise TypeError("a Pod is no workload")
        path = workloads.path(target.kind, self._namespace, target.name)
        workload = await self._required(self._api.get(path), target.kind.plural)
        if workload is None:
            sentence = f'{target.kind.plural} "{target.name}" not found in namespace "{self._namespace}"'
            raise InputError.of("WorkloadNotFound", sentence)
        return {"kind": target.kind.name, **workload}  # some servers have left out the kind

    async def newest_pod(self, workload: Json) -> Json | None:
        """The newest of the Pods that the workload selects. A CronJob selects none: its newest Job does."""
        selector = workloads.selector(workload)
        if selector is None:
            return await self._newest_pod_of_jobs(workload)
        listed = await self._required(
            self._api.list(paths.pods(self._namespace), labelSelector=selector), "Pods"
        )
        pods: list[Json] = (listed or {}).get("items") or []
        return max(pods, key=_creation, default=None)

    async def _newest_pod_of_jobs(self, workload: Json) -> Json | None:
        path = workloads.collection_path(workloads.KINDS["job"], self._namespace)
        listed = await self._required(self._api.list(path), "jobs")
        jobs = [job for job in (listed or {}).get("items") or [] if _is_owned(job, workload)]
        job = max(jobs, key=_creation, default=None)
        return await self.newest_pod({"kind": "Job", **job}) if job else None

    async def owners(self, pod: Json | None) -> list[Json]:
        """The Pod's controller and the controller's controller, such as a ReplicaSet and its Deployment."""
        owners: list[Json] = []
        while len(owners) < 2:
            references = metadata(owners[-1] if owners else pod or {}).get("ownerReferences") or []
            reference = next((entry for entry in references if entry.get("controller")), None)
            kind = workloads.KINDS.get(str((reference or {}).get("kind")).lower())
            if reference is None or kind is None:
                break
            path = workloads.path(kind, self._namespace, str(reference.get("name")))
            owner = await self.object(path, kind.plural)
            if owner is None or isinstance(owner, Unread):
                break
            owners.append({"kind": kind.name, **owner})
        return owners

    async def events(self, pod: Json | None) -> Objects:
        if pod is None:
            return []
        return await self._events(f"involvedObject.uid={metadata(pod).get('uid')}")

    async def creations(self) -> Objects:
        return await self._events("reason=FailedCreate")

    async def _events(self, selector: str) -> Objects:
        read = self._api.list(paths.events(self._namespace), fieldSelector=selector)
        listed = await self._try(read, f"Events in namespace {self._namespace}")
        return listed if isinstance(listed, Unread) else (listed or {}).get("items") or []

    async def registrations(self) -> Objects:
        listed = await self._try(self._api.list(paths.WEBHOOK_CONFIGURATIONS), "webhook registrations")
        return listed if isinstance(listed, Unread) else (listed or {}).get("items") or []

    async def log(self, pod: Json | None) -> Objects:
        if pod is None:
            return []
        path = paths.pod_log(self._namespace, str(metadata(pod).get("name")))
        read = self._api.text(path, container=names.SIDECAR, tailLines=LOG_LINES, limitBytes=LOG_BYTES)
        text = await self._try(read, f"logs of Pods in namespace {self._namespace}")
        return text if isinstance(text, Unread) else parse_log(text or "")

    async def connectors(
        self, subject: Mapping[str, object], namespace: Object
    ) -> dict[ConnectorKey, Object]:
        """`namespace` is the one that a Pod of this template would inherit from."""
        inherited = inherited_annotations(namespace, subject, self._namespace)
        try:
            keys = read_request(subject, annotations=inherited, namespace=self._namespace).keys
        except InputError:
            return {}
        connectors = await asyncio.gather(*(self._connector(key) for key in keys))
        return dict(zip(keys, connectors, strict=True))

    async def _connector(self, key: ConnectorKey) -> Object:
        return await self.object(paths.connector(*key), f"Connectors in namespace {key.namespace}")

    async def object(self, path: str, noun: str) -> Object:
        return await self._try(self._api.get(path), noun)

    async def _required(self, read: Awaitable[Json | None], noun: str) -> Json | None:
        try:
            return await read
        except Forbidden as error:
            sentence = f"you may not read {noun} in namespace {self._namespace}: ask its administrator"
            raise Forbidden(sentence) from error

    async def _try(self, read: Awaitable[T], noun: str) -> T | Unread | None:
        try:
            return await read
        except Forbidden:
            return Unread(f"you may not read {noun}: ask an administrator")
        except NotFound:
            return None
        except (ClusterRefused, ClusterUnavailable) as error:
            # such as a log before its container has started, or of a node that is away
            return Unread(f"{noun} cannot be read now: {error}")


def _broker_path() -> str:
    return workloads.path(workloads.KINDS["deployment"], names.NAMESPACE, names.BROKER)


def _is_owned(manifest: Json, owner: Json) -> bool:
    references = metadata(manifest).get("ownerReferences") or []
    return any(reference.get("uid") == metadata(owner).get("uid") for reference in references)


def _creation(manifest: Json) -> str:
    return str(metadata(manifest).get("creationTimestamp"))
