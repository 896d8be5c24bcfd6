"""While admission is down, users read the API server's own sentence, as docs/faults.md quotes it."""

import base64
import copy
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from certs.authority import create_authority
from support.checkout import MANIFESTS, ROOT
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.machine.ports import closed_port
from webhook import names

REGISTRATION = yaml.safe_load((MANIFESTS / "webhook" / "mutating.yaml").read_text())
SECTION = (
    (ROOT / "docs" / "faults.md").read_text().partition("\n## Admission is down\n")[2].partition("\n## ")[0]
)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "build", "annotations": {names.CONNECTOR: "team-pypi"}},
    "spec": {"containers": [{"name": "main", "image": "python:3.13-slim"}]},
}


@pytest.fixture(scope="module")
def alone() -> Iterator[Kube]:
    """Where nothing is installed but the registration."""
    with clusters.api_server() as kube:
        yield kube


def quoted() -> list[tuple[str, str]]:
    """The sentences of the page: the whole one, and each of its ends."""
    return re.findall(r"^```\n(.*?)\n```$|^\| `([^`]+)` \|", SECTION, re.MULTILINE | re.DOTALL)


def said(kube: Kube, **client_config: Any) -> str:
    registration = copy.deepcopy(REGISTRATION)
    if client_config:
        registration["webhooks"][0]["clientConfig"] = client_config
    kube.apply(registration)
    mark = str(client_config.get("url", names.ADMISSION))

    def refused() -> str | None:
        with kube.namespace() as namespace:
            sentence = kube.create(POD, namespace=namespace, check=False).stderr
        return sentence if mark in sentence else None

    return kube.wait_for(refused, what="the registration to be in effect")


def is_quoted(sentence: str) -> bool:
    """As it is, but for addresses: the page says `…` where each cluster has its own."""
    whole = [one for one, _ in quoted() if one]
    ends = [one for _, one in quoted() if one]
    start = whole[0].partition("Post ")[0].partition("Internal error")[2]
    patterns = [re.escape(one).replace("…", ".*") for one in ends]
    return start in sentence and any(re.search(f'": {one}$', sentence.strip()) for one in patterns)


def test_the_page_quotes_the_whole_sentence_and_its_ends() -> None:
    assert len([one for one, _ in quoted() if one]) == 1
    assert len([one for _, one in quoted() if one]) == 4


def test_nothing_is_installed_but_the_registration(alone: Kube) -> None:
    sentence = said(alone)
    assert is_quoted(sentence), sentence
    address = "https://pypi-connector-admission.pypi-connector-system.svc:443/mutate?timeout=5s"
    assert address in sentence
    assert address in SECTION


def test_nothing_listens(alone: Kube) -> None:
    sentence = said(alone, url=f"https://127.0.0.1:{closed_port()}/mutate")
    assert "connection refused" in sentence
    assert is_quoted(sentence), sentence


def test_nothing_answers(alone: Kube) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sentence = said(alone, url=f"https://127.0.0.1:{silent.getsockname()[1]}/mutate")
    assert "deadline" in sentence
    assert is_quoted(sentence), sentence


def test_another_answers(alone: Kube) -> None:
    """The API server's own port: its certificate is of another authority than the registration says."""
    server = alone.run("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").stdout
    bundle = base64.b64encode(create_authority(datetime.now(UTC)).certificate.encode()).decode()
    sentence = said(alone, url=f"{server}/mutate", caBundle=bundle)
    assert "x509" in sentence
    assert is_quoted(sentence), sentence


def test_users_who_name_no_connector_see_none_of_it(alone: Kube) -> None:
    with alone.namespace() as place:
        plain = {**POD, "metadata": {"name": "plain"}}
        out = {
            **POD,
            "metadata": {"name": "out", "annotations": {names.CONNECTOR: "a", names.INJECT: "false"}},
        }
        alone.create(plain, out, namespace=place)
