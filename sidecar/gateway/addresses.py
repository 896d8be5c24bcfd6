"""Which connector a request is for: by its Host, or by the begin of its path. Pure.

A Connector `pypi` in the namespace `team` is reached in two forms:

Host    `c-pypi.team.svc.cluster.local`, `c-pypi.team.svc`, `c-pypi.team`, at any port. A Service has that
        name, so it is a DNS label: names with dots or of more than 61 characters have only the other form
path    `/namespaces/team/connectors/pypi/…`, with any Host: an Ingress has a name of its own

Host                  | path           | the connector
--------------------- | -------------- | ------------------------------------------------
of a connector        | of none        | by the Host
of none               | of a connector | by the path
of a connector        | of the same    | by the path
of a connector        | of another     | refused: two programs could read it in two ways
of none               | of none        | refused
"""

import re
from typing import NamedTuple

from sidecar.contract.words import Code
from sidecar.errors import Refusal
from sidecar.http.http1 import RequestHead

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SERVICE = rf"c-(?P<name>[a-z0-9](?:[a-z0-9-]{{0,59}}[a-z0-9])?)\.(?P<namespace>{_LABEL})"
_HOST = re.compile(rf"{_SERVICE}(?:\.svc(?:\.{_LABEL})*)?")
"""A cluster may have another domain than cluster.local; the name alone gives no rights"""
_ANY_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?P<port>:[0-9]{1,5})?")
"""What may stand in links to us: nothing that could end an attribute of a page"""
_PATH = re.compile(
    rf"/namespaces/(?P<namespace>{_LABEL})/connectors/(?P<name>{_LABEL}(?:\.{_LABEL})*)(?=[/?]|\Z)"
)
_NAME_LIMIT = 253


class Address(NamedTuple):
    connector: str
    """`namespace/name`"""
    prefix: str
    """Of all paths of this connector; empty if the Host names it"""
    host: str
    """As the client spells it, with its port"""
    target: str
    """Path and query below the prefix"""


def address_of(head: RequestHead) -> Address:
    """Raises the Refusal of a request that names no connector, or two."""
    host = _host_of(head)
    by_host = _HOST.fullmatch(_bare(host))
    if not head.target.startswith("/"):
        raise Refusal(400, Code.BAD_TARGET, "this is no HTTP proxy: the target must be a path")
    by_path = _PATH.match(head.target)
    if by_path and len(by_path["name"]) <= _NAME_LIMIT:
        connector = _connector(by_path)
        if by_host and _connector(by_host) != connector:
            sentence = f"Host names the connector {_connector(by_host)}, and the path {connector}"
            raise Refusal(421, Code.WRONG_HOST, sentence)
        rest = head.target[by_path.end() :]
        return Address(connector, by_path[0], host, rest if rest.startswith("/") else f"/{rest}")
    if by_host:
        return Address(_connector(by_host), "", host, head.target)
    sentence = (
        "no connector is named: use the Host c-<connector>.<namespace>.svc.cluster.local, or a path that "
        "begins with /namespaces/<namespace>/connectors/<connector>/"
    )
    raise Refusal(404, Code.PATH_NOT_SERVED, sentence)


def _host_of(head: RequestHead) -> str:
    """RFC 9112 §3.2: exactly one Host. llhttp leaves the blanks after a value (§5.1)."""
    hosts = [value.rstrip(b" \t") for name, value in head.headers if name == b"host"]
    if len(hosts) != 1:
        raise Refusal(400, Code.WRONG_HOST, "the request must have one Host header")
    text = hosts[0].decode("latin-1")
    if not _ANY_HOST.fullmatch(text):
        raise Refusal(400, Code.WRONG_HOST, "the Host header names no host")
    return text


def _bare(host: str) -> str:
    """Without its port, in lower case; a full name may end with a dot (RFC 1034 §3.1)."""
    match = _ANY_HOST.fullmatch(host)
    return match["host"].lower().removesuffix(".") if match else ""


def _connector(match: re.Match[str]) -> str:
    return f"{match['namespace']}/{match['name']}"
