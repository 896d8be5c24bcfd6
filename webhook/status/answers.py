"""A registry's answer to a probe: what its status, its redirect and the beginning of its page say."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import httpx

from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.index_pages import judge
from webhook.status.redirects import judge_redirect, leads_to_sign_in, unserved

BODY_BYTES = 32 * 1024
"""Of a page that are looked at. An index says in its first lines what it is, and `read_limit` allows more"""
BODY_SECONDS = 3.0
"""For these bytes. Arbitrary: both pages together fit into `TIMEOUT_SECONDS`"""

_WEB = "; spec.address is probably that of a web interface"


class Finding(NamedTuple):
    """The result of one request."""

    probe: Probe
    is_vague: bool = False
    """Whether the next page may say more: an empty page is ok only because nothing speaks against it"""
    asks: str = ""
    """URL of the registry's own origin that has to be asked without the credential, for `judge_place`"""

    @property
    def decides(self) -> bool:
        return self.probe.outcome in ("ok", "refused", "unservable") and not self.is_vague


def sum_up(findings: Sequence[Finding]) -> Probe:
    """The last finding. But an earlier page says more than a status without a page."""
    first, last = findings[0].probe, findings[-1].probe
    says_nothing = last.outcome == "unexpected"
    return first if says_nothing and first.outcome in ("ok", "foreign", "unservable") else last


async def judge_answer(response: httpx.Response, page: str, registry: RegistryAccess) -> Finding:
    status = response.status_code
    detail = f"status code {status}"
    if response.has_redirect_location:
        return _judge_redirect(response, page, registry)
    if status in (401, 403):
        return Finding(Probe("refused", detail))
    if status not in (200, 203):  # 203: a proxy in front changed the page (RFC 9110 §15.3.4)
        return Finding(Probe("unexpected", detail))
    headers = response.headers
    body, is_whole = await _read_beginning(response)
    verdict = judge(
        headers.get("content-type", ""),
        headers.get("content-encoding", ""),
        body,
        is_whole=is_whole,
        url=page,
    )
    if verdict.kind == "packed":
        return Finding(Probe("unservable", f"{detail}, but Pods get 502: the index page is {verdict.what}"))
    if verdict.kind == "foreign":
        return Finding(_foreign(f"{detail}, but no package index: {verdict.what}", verdict.title, registry))
    return Finding(Probe("ok", detail), is_vague=verdict.kind == "empty")


async def judge_place(
    response: httpx.Response, redirected: Finding, page: str, registry: RegistryAccess
) -> Finding:
    """The answer of the place that `redirected` asks for. `page`: the page that was redirected there."""
    place, status = redirected.asks, response.status_code
    if status in (401, 403, 404):
        sentence = unserved(place, status, page, registry)
        # nobody has the package that a probe asks for by default
        is_known = page == registry.connector.index_url or registry.connector.probe_package
        is_vague = status == 404 and not is_known
        return Finding(Probe("unservable", f"{redirected.probe.detail}, {sentence}"), is_vague=is_vague)
    finding = await judge_answer(response, place, registry)
    if finding.probe.outcome != "ok":
        return finding._replace(asks="")
    if response.has_redirect_location:
        return Finding(Probe("unexpected", f"{redirected.probe.detail}, and then {status}"))
    return finding._replace(probe=Probe("ok", f"{redirected.probe.detail}, to the same page"))


def _judge_redirect(response: httpx.Response, page: str, registry: RegistryAccess) -> Finding:
    detail = f"status code {response.status_code}"
    location = response.headers["location"].encode(response.headers.encoding)
    redirect = judge_redirect(location, page, registry)
    if redirect.kind == "served":
        return Finding(Probe("ok", f"{detail}, to the same page"))
    if redirect.kind == "elsewhere" and leads_to_sign_in(response.headers["location"]):
        return Finding(Probe("foreign", f"{detail}, a redirect to a sign-in page{_WEB}"))
    return Finding(Probe("unexpected", detail), asks=redirect.url)


async def _read_beginning(response: httpx.Response) -> tuple[bytes, bool]:
    """The first bytes of the body, and whether they are all. A body that breaks off ends there."""
    body = bytearray()
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > BODY_BYTES:
                    return bytes(body[:BODY_BYTES]), False
            return bytes(body), True
    return bytes(body), False


def _foreign(detail: str, title: str, registry: RegistryAccess) -> Probe:
    """The title is the cause, which the status leaves out. Some pages greet the user by name."""
    credential = registry.credential
    secrets = (credential.username, credential.password.reveal()) if credential else ()
    if not title or any(secret and secret in title for secret in secrets):
        return Probe("foreign", detail + _WEB)
    return Probe("foreign", detail + _WEB, f'{detail}, entitled "{title}"{_WEB}')
