"""The answer to an admission request: not ours, not usable, or the decision of `pod.decision`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.connector.manifest import MaybeConnector
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import Decision, decide_request, parse_pod
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.patch import operations
from webhook.pod.reasons import Reason
from webhook.pod.settings import Settings
from webhook.server import review

ConnectorLookup = Callable[[Sequence[ConnectorKey]], Awaitable[Mapping[ConnectorKey, MaybeConnector]]]
"""Reads a cache, or asks the API server within a time limit. For all Connectors of a Pod at once, because an
absent Connector makes questions for the others needless"""

NamespaceLookup = Callable[[str], Awaitable[NamespaceFacts]]


async def find_no_namespace(namespace: str) -> NamespaceFacts:
    """Without a cluster: no labels, no annotations, no quotas, no LimitRanges."""
    return NamespaceFacts()


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Answers requests. It reads its sources anew for each."""

    settings: Callable[[], Settings]
    connectors: ConnectorLookup
    namespaces: NamespaceLookup
    has_csi_driver: Callable[[], bool]

    async def answer(self, request: Mapping[str, Any], uid: str) -> tuple[str, review.Review]:
        """The reason, for the log, and the review. Errors of the lookups pass through."""
        ignored = _ignored(request)
        if ignored:
            return ignored, review.allowed(uid)
        pod = request.get("object")
        if not isinstance(pod, dict):
            sentence = "the request holds no object: nothing can be decided"
            return "BadRequest", review.errored(uid, 400, "BadRequest", sentence)
        decision = await self._decide(pod, str(request.get("namespace") or "default"))
        return decision.reason.value, _of_decision(uid, pod, decision)

    async def _decide(self, pod: Mapping[str, Any], namespace: str) -> Decision:
        """Parse, fetch, decide."""
        settings = self.settings()
        facts = await self.namespaces(namespace)
        request = parse_pod(pod, namespace=namespace, facts=facts, has_csi_driver=self.has_csi_driver())
        if isinstance(request, Decision):
            return request
        by_key = await self.connectors(request.keys)
        return decide_request(pod, request, lookup=by_key.get, settings=settings, facts=facts)


def _ignored(request: Mapping[str, Any]) -> str | None:
    """The reason to leave alone a request that the registration should never send."""
    if request.get("operation") != "CREATE":
        return "OperationIgnored"
    if request.get("subResource"):
        return "SubresourceIgnored"
    resource = request.get("resource")
    if not isinstance(resource, dict):
        return "ResourceIgnored"
    is_pod = (resource.get("group") or "", resource.get("resource")) == ("", "pods")
    return None if is_pod else "ResourceIgnored"


def _of_decision(uid: str, pod: Mapping[str, Any], decision: Decision) -> review.Review:
    if decision.pod is not None:
        patch = operations(pod, decision.pod)
        return review.patched(uid, patch, warnings=decision.warnings, dropped=decision.dropped)
    if decision.allowed:
        return review.allowed(uid, warnings=decision.warnings)
    if decision.reason is Reason.INVALID_POD:
        return review.errored(uid, 400, decision.reason.value, decision.message)
    return review.denied(uid, decision.reason.value, decision.message, warnings=decision.warnings)
