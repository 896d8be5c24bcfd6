"""`pypi-connector configure`: a token for the gateway, and the files with it for clients outside.

It asks with the user's own rights: to get the Connector, and to create tokens of the ServiceAccount. Whether
that ServiceAccount may use the Connector is the broker's to say, at the first request.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sidecar.contract.secret import Secret
from webhook import names
from webhook.clients.outside import Outside
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.kubernetes import context_namespace, in_cluster_or_kubeconfig
from webhook.command.gateway_token import Token, life_sentence, request_token
from webhook.command.outside_class import files_of_class
from webhook.command.private_files import check_absent, write_private
from webhook.connector.conditions import PROXY
from webhook.connector.manifest import class_name
from webhook.connector.proxy_address import check_gateway_url, own_address, path_url
from webhook.console import Console
from webhook.errors import Forbidden, InputError, InvalidValue
from webhook.identifiers import ConnectorKey

FILES = (names.PIP_CONF, names.PYPIRC)
"""What the reference system documents, and what is written where no file is named"""


@dataclass(frozen=True, slots=True)
class Wish:
    """The arguments of the command."""

    connector: str
    """`name` or `namespace/name`"""
    namespace: str | None
    """Of the ServiceAccount, and of a Connector without its own. None: that of the context"""
    service_account: str
    seconds: int
    url: str | None
    """For the path form; None: the address in the Connector's status"""
    files: Sequence[str]
    """Empty: `FILES`, and those of the class's own"""
    folder: str | None
    """None: standard output"""
    is_forced: bool
    context: str | None


def configure(wish: Wish, environment: Mapping[str, str], out: Console, errors: Console) -> None:
    """Raises `InputError`, `ClusterRefused` and `ClusterUnavailable`."""
    if wish.folder is not None and not wish.is_forced:
        check_absent(wish.folder, wish.files or FILES)  # before a token is issued for nothing
    namespace = wish.namespace or context_namespace(environment, context=wish.context)
    key = _key(wish.connector, namespace)
    asked = asyncio.run(_ask(wish, environment, namespace, key))
    address, token = asked.address, asked.token
    outside = Outside(address, f"{key.namespace}-{key.name}", token.token)
    texts, warnings = files_of_class(
        outside, asked.connector, asked.connector_class, str(Path(wish.folder or ".").resolve())
    )
    for warning in warnings:
        errors.line(f"pypi-connector: warning: {warning}", "yellow")
    chosen = _choose(texts, wish)
    if wish.folder is None:
        _print(chosen, out)
    else:
        for path in write_private(wish.folder, chosen, is_forced=wish.is_forced):
            errors.line(f"pypi-connector: {path} written")
    _print_facts(wish, namespace, address, token, errors)


def _key(text: str, namespace: str) -> ConnectorKey:
    try:
        return ConnectorKey.parse(text, default_namespace=namespace)
    except InvalidValue as error:
        raise InputError.of("InvalidName", f"the Connector's name {error.what}") from None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the cluster has said."""

    connector: Mapping[str, Any]
    connector_class: Mapping[str, Any] | None
    """None: there is none, or the user may not read it"""
    address: str
    token: Token


async def _ask(wish: Wish, environment: Mapping[str, str], namespace: str, key: ConnectorKey) -> _Asked:
    async with await in_cluster_or_kubeconfig(environment, context=wish.context) as api:
        manifest = await _connector(api, key)
        address = _address(wish, key, manifest)
        found = await _class(api, class_name(manifest))
        token = await request_token(api, namespace, wish.service_account, wish.seconds)
        return _Asked(manifest, found, address, token)


async def _class(api: Api, name: str) -> Mapping[str, Any] | None:
    """Its files are a help, no condition: the documented ones serve without it."""
    try:
        return await api.get(paths.connector_class(name)) if name else None
    except Forbidden:
        return None


def _choose(texts: Mapping[str, Secret], wish: Wish) -> dict[str, Secret]:
    """The named files; else the two that the reference system documents, and those of the class's own."""
    missing = [name for name in wish.files if name not in texts]
    if missing:
        sentence = f"there is no file {', '.join(missing)}: this Connector's class has {', '.join(texts)}"
        raise InputError.of("InvalidFile", sentence)
    names_of_files = wish.files or [*FILES, *(name for name in texts if name not in (*FILES, names.UV_TOML))]
    return {name: texts[name] for name in names_of_files}


async def _connector(api: Api, key: ConnectorKey) -> Mapping[str, Any]:
    try:
        manifest = await api.get(paths.connector(*key))
    except Forbidden as error:
        sentence = f"you may not get Connectors in namespace {key.namespace}: ask its administrator"
        raise Forbidden(sentence) from error
    if manifest is None:
        sentence = f'connectors "{key.name}" not found in namespace "{key.namespace}"'
        raise InputError.of("ConnectorNotFound", sentence)
    return manifest


def _address(wish: Wish, key: ConnectorKey, manifest: Mapping[str, Any]) -> str:
    if wish.url is not None:
        try:
            check_gateway_url(wish.url)
        except InvalidValue as error:
            raise InputError.of("InvalidURL", f"--url {error.what}") from None
        return path_url(key, wish.url)
    status = manifest.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == PROXY and condition.get("status") != "True":
            sentence = f"the gateway does not serve Connector {key}: {condition.get('message')}"
            raise InputError.of("GatewayNotReady", sentence)
    recorded = str(((status.get("proxy") or {}).get("httpAddress") or {}).get("url") or "")
    host = _host(recorded)
    if not recorded or host == "localhost" or host.startswith("127."):
        sentence = (
            f"Connector {key} is served in injected Pods only: the gateway is not installed, or has not "
            "taken up this Connector yet"
        )
        raise InputError.of("GatewayNotInstalled", sentence)
    address = own_address(key, recorded)
    if address is None:
        sentence = (
            f"the status of Connector {key} names the address {recorded}, which is not its own: no token is "
            "sent there; name the gateway's address with --url"
        )
        raise InputError.of("AddressNotTrusted", sentence)
    return address


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _print(texts: Mapping[str, Secret], out: Console) -> None:
    """Several files are told apart by a comment with the name, which each of the formats has."""
    for number, (name, text) in enumerate(texts.items()):
        if number:
            out.line()
        if len(texts) > 1:
            out.line(f"# {name}")
        for line in text.reveal().splitlines():
            out.line(line)


def _print_facts(wish: Wish, namespace: str, address: str, token: Token, errors: Console) -> None:
    sentence = life_sentence(token.ends_at, wish.seconds, datetime.now(UTC))
    errors.line(f"pypi-connector: the token of ServiceAccount {namespace}/{wish.service_account} {sentence}")
    if address.startswith("http://"):
        errors.line(f"pypi-connector: the token goes to {_host(address)} without TLS")
