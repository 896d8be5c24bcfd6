"""Redirects within a registry: the status calls it Ready if the sidecar serves the page, and only then."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.registries.redirect_cases import ADDRESS, INDEX, PAGE, REDIRECT_CASES, RedirectCase
from support.servers.registry import Call, Registry
from support.sidecars.running import AUTHORIZATION, CREDENTIAL, running_sidecar
from webhook.connector.conditions import Probe
from webhook.connector.manifest import parse_connector
from webhook.connector.registry import RegistryAccess, compose_grant
from webhook.status.probe import probe

INDEX_PAGE = b'<a href="x-1.0.zip">x-1.0.zip</a>'
SIGN_IN = b"<title>Sign in</title><input type=password>"
REFUSED = {"guarded": 401, "forbidden": 403, "hidden": 404, "broken": 500}
EACH = pytest.mark.parametrize("case", REDIRECT_CASES, ids=lambda case: case.title)


@contextmanager
def scripted(case: RedirectCase) -> Iterator[Registry]:
    """A registry that redirects one page, and takes the credential at each place."""
    body = SIGN_IN if case.target == "sign-in" else INDEX_PAGE

    def answer(call: Call) -> None:
        is_authorized = call.request.header("authorization") == AUTHORIZATION
        refused = REFUSED.get(case.target) if not is_authorized or case.target == "broken" else None
        call.reply(refused or 200, b"" if refused else body, {"Content-Type": "text/html"})

    with Registry() as registry:
        registry.on("*", answer)
        registry.on(INDEX if case.of == PAGE else PAGE, lambda call: call.reply(404, b""))
        registry.on(case.of, lambda call: call.reply(302, b"", {"Location": case.location}))
        yield registry


def access(case: RedirectCase, registry: Registry) -> RegistryAccess:
    files = [{"name": "files", "value": registry.origin + case.files}] if case.files else []
    spec = {"connectorClassName": "pypi", "address": registry.origin + ADDRESS, "addressExtensions": files}
    connector = parse_connector({"metadata": {"namespace": "team", "name": "pypi"}, "spec": spec})
    return RegistryAccess(connector, None if case.is_anonymous else CREDENTIAL, None)


def look(case: RedirectCase, registry: Registry) -> Probe:
    return asyncio.run(probe(access(case, registry), is_loopback_allowed=True))


@EACH
def test_the_sidecar_answers_as_the_table_says(case: RedirectCase, tmp_path: Path) -> None:
    with scripted(case) as registry:
        document = compose_grant(
            access(case, registry), version="v1", may_upload=False, soft_seconds=300, hard_seconds=3600
        )
        with running_sidecar(tmp_path, document) as sidecar:
            assert sidecar.get(case.of).status == case.served


@EACH
def test_the_status_follows_from_the_sidecars_answer(case: RedirectCase) -> None:
    with scripted(case) as registry:
        seen = look(case, registry)
        sent = [(one.target, one.header("authorization")) for one in registry.requests]
    assert seen.outcome == case.outcome
    assert case.outcome == "ok" or case.served != 200 or case.title in ON_PURPOSE
    own = {PAGE, INDEX}
    assert all(authorization is None for target, authorization in sent if target not in own)
    assert len([target for target, _ in sent if target not in own]) <= 1


ON_PURPOSE = {"another open page", "out of the address, sign-in", "declared sign-in"}
"""The sidecar serves a page that is not known to be an index's"""
