"""The Pod's class, and resources of the Pod itself (KEP-2837), as its containers decide them. Pure.

Where the Pod names resources, the API server completes them from its containers, from Kubernetes 1.37 on
after all webhooks (`DefaultPodLevelResources`):

    the Pod names   missing                 becomes
    nothing         request                 what the containers request in all
                    limit                   the sum of their limits, if each has one
    a limit         request                 what the containers request in all, or the limit
    a request       limit                   the sum of their limits, or the request, if each has a limit
"""

from decimal import Decimal

from webhook.pod.amounts import PodAmounts, first

_RESOURCES = ("cpu", "memory")


def is_guaranteed(amounts: PodAmounts) -> bool:
    """Class Guaranteed: requests are limits, of each container or of the Pod itself, for CPU and memory."""
    is_exact = _is_pod_exact if amounts.has_own() else _are_containers_exact
    return all(is_exact(amounts, resource) for resource in _RESOURCES)


def decides_request(amounts: PodAmounts, resource: str) -> bool:
    """Whether a request of the sidecar would become the Pod's, which now is the Pod's limit."""
    own = amounts.own(resource)
    is_open = own.limit is not None and own.request is None
    return is_open and amounts.total(resource, "requests") is None


def decides_limit(amounts: PodAmounts, resource: str) -> bool:
    """Whether the Pod's limit is the sum of its containers' limits, and lost if the sidecar has none."""
    own = amounts.own(resource)
    is_open = own.request is not None and own.limit is None
    return is_open and _is_each_limited(amounts, resource)


def _are_containers_exact(amounts: PodAmounts, resource: str) -> bool:
    return all(amount.limit and amount.request == amount.limit for amount in amounts.containers(resource))


def _is_pod_exact(amounts: PodAmounts, resource: str) -> bool:
    own = amounts.own(resource)
    request = first(own.request, amounts.total(resource, "requests"), own.limit)
    limit = own.limit
    if limit is None and request is not None and _is_each_limited(amounts, resource):
        limit = max(request, amounts.total(resource, "limits") or Decimal())
    return bool(limit) and request == limit


def _is_each_limited(amounts: PodAmounts, resource: str) -> bool:
    return all(amount.limit is not None for amount in amounts.containers(resource))
