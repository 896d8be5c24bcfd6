"""A request for a grant, and its trail in the audit log and in Events. Pure, and never with a secret."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from webhook.grant.rules import Account, Caller
from webhook.identifiers import ConnectorKey

_DOUBTFUL = (Code.CREDENTIAL_REFUSED, Code.CREDENTIAL_RESTS, Code.REGISTRY_UNREACHABLE)


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """The body of a request, without the token (`sidecar.contract.grant.grant_request`)."""

    connector: ConnectorKey
    rejected: str | None = None
    """The version of a grant that does not serve"""
    cause: str | None = None
    """Why it does not serve, from `CAUSES` of the contract; None if the sidecar is older"""
    enforces: Collection[str] = ()
    """The rules that the sidecar holds its Pod to (`ENFORCES` of the contract)"""


@dataclass(frozen=True, slots=True)
class Trail:
    """The facts that the broker knows of an exchange so far. Each step returns a copy with more of them."""

    connector: ConnectorKey | None = None
    namespace: str | None = None
    pod: str | None = None
    uid: str | None = None
    service_account: str | None = None
    version: str | None = None
    upload: bool | None = None
    rejected: bool = False
    """The sidecar says that this version does not serve"""
    cause: str | None = None
    """Why not. None if there is a newer version, or the sidecar is older"""

    @property
    def is_doubtful(self) -> bool:
        """Whether the cause concerns the Connector, and not only one package."""
        return self.cause in _DOUBTFUL

    def with_account(self, account: Account) -> "Trail":
        return replace(self, namespace=account.namespace, service_account=account.service_account)

    def with_caller(self, caller: Caller) -> "Trail":
        return replace(self.with_account(caller), pod=caller.pod_name, uid=caller.pod_uid)

    def with_grant(self, grant: Grant, request: GrantRequest) -> "Trail":
        rejected = request.rejected == grant.version
        return replace(
            self,
            version=grant.version,
            upload=grant.upload_url is not None,
            rejected=rejected,
            cause=request.cause if rejected else None,
        )
