"""The contract of webhook, broker and sidecar: what one writes the other reads."""

import json
import traceback
from typing import Any

import pytest

from sidecar.contract.environment import Environment, Listener
from sidecar.contract.errors import ContractError
from sidecar.contract.grant import Credential, Grant, PackagePolicy, grant_request
from sidecar.contract.secret import Secret
from sidecar.contract.words import CONFIG_DIR, TOKEN_FILE

CANARY = "canary-7d10-contract"
BROKER = {"SIDECAR_BROKER_URL": "https://broker.example:8443", "SIDECAR_BROKER_CA": "-----BEGIN"}
MINIMAL = {"SIDECAR_LISTEN": "team/pypi=28100", **BROKER}

ENVIRONMENTS = {
    "in a Pod": Environment(
        (Listener("team/pypi", 28100), Listener("shared/conda-pypi", 65535)),
        {"pip.conf": '[global]\nindex-url = "x"\n', "ünïcode": "é\\,=\x00"},
        config_dir="/elsewhere",
        log_level="debug",
        broker_url="https://broker.example:8443/base",
        broker_ca="-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
        token_file="/run/token",
        order=("shared/conda-pypi", "team/pypi"),
        volumes={"pipconf": {"pip.conf": "[global]\n"}, "empty": {}},
    ),
    "on a laptop": Environment((Listener("team/pypi", 1),), {}, grant_fd=0, peer_uid=0),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_an_environment_survives_its_variables(environment: Environment) -> None:
    variables = environment.variables()
    assert Environment.parse(variables) == environment
    assert all(name.startswith("SIDECAR_") for name in variables)
    assert all(isinstance(value, str) for value in variables.values())


def test_what_is_not_set_has_its_default() -> None:
    found = Environment.parse(MINIMAL)
    assert found == Environment(
        (Listener("team/pypi", 28100),),
        {},
        CONFIG_DIR,
        "info",
        BROKER["SIDECAR_BROKER_URL"],
        BROKER["SIDECAR_BROKER_CA"],
        TOKEN_FILE,
    )


def test_a_variable_of_a_newer_webhook_is_left_alone() -> None:
    assert Environment.parse({**MINIMAL, "SIDECAR_NOVELTY": "\x00", "PATH": ""}) == Environment.parse(MINIMAL)


BAD_VARIABLES = {
    "SIDECAR_LISTEN": [
        "pypi=28100",
        "a/b/c=1",
        "team/pypi",
        "team/pypi=",
        "team/pypi=0",
        "team/pypi=65536",
        "team/pypi=-1",
        "team/pypi=+1",
        "team/pypi=1.0",
        "team/pypi=²",
        "team/pypi=२८",
        "team/pypi=" + "9" * 5000,
        "team/pypi=1,",
        "team/pypi=1,,team/other=2",
    ],
    "SIDECAR_ORDER": ["other/pypi", "team/pypi,other/pypi", "team/pypi,team/pypi", ","],
    "SIDECAR_VOLUMES": [
        "",
        "{",
        "[]",
        '{"a":"b"}',
        '{"a/b":{}}',
        '{"..":{}}',
        '{"a":{"b":1}}',
        '{"a":{"../b":""}}',
    ],
    "SIDECAR_FILES": ["", "{", "[]", "null", '{"a":1}', '{"a/b":""}', '{"":""}', '{".":""}', '{"..":""}'],
    "SIDECAR_LOG_LEVEL": ["", "INFO", "trace"],
    "SIDECAR_BROKER_URL": ["http://broker.example", "broker.example", "HTTPS:/x"],
    "SIDECAR_GRANT_FD": ["", "-1", "3 ", "three", "²", "٣", "9" * 5000],
    "SIDECAR_PEER_UID": ["", "root", "1_000"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}={value[:24]}")
        for name in BAD_VARIABLES
        for value in BAD_VARIABLES[name]
    ],
)
def test_a_bad_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ContractError, match=f"the sidecar's environment is not usable: .*{name}"):
        Environment.parse({**MINIMAL, name: value})


def test_every_bad_variable_is_named_at_once() -> None:
    bad = {name: values[-1] for name, values in BAD_VARIABLES.items() if name != "SIDECAR_GRANT_FD"}
    with pytest.raises(ContractError) as caught:
        Environment.parse(bad)
    missing = ["SIDECAR_BROKER_CA is not set"]
    assert [text for text in [*bad, *missing] if text not in str(caught.value)] == []


def test_an_empty_environment_tells_all_that_is_needed() -> None:
    with pytest.raises(ContractError) as caught:
        Environment.parse({})
    assert str(caught.value).partition(": ")[2].split("; ") == [
        "SIDECAR_LISTEN is not set",
        "SIDECAR_BROKER_URL is not set",
        "SIDECAR_BROKER_CA is not set",
    ]


def test_without_a_broker_no_variable_of_it_is_asked_for() -> None:
    found = Environment.parse({"SIDECAR_LISTEN": "a/b=1", "SIDECAR_GRANT_FD": "3"})
    assert (found.grant_fd, found.broker_url, found.broker_ca) == (3, None, "")


GRANT = Grant(
    version="uid.12.3",
    index_url="https://registry.example/simple/",
    upload_url="https://registry.example/legacy/",
    file_origins=("https://files.example", "https://files.example:8443"),
    ca="-----BEGIN CERTIFICATE-----\n",
    credential=Credential("müller", Secret(CANARY)),
    soft_seconds=300.0,
    hard_seconds=3600.0,
    broker_ca=("-----BEGIN CERTIFICATE-----\n",),
    address="https://registry.example/",
    file_prefixes=("https://registry.example/content",),
)
LATER = ("maxConnections", "address", "filePrefixes")
"""Fields that an older broker does not send"""
BARE = GRANT._replace(upload_url=None, file_origins=(), ca=None, credential=None, broker_ca=())


@pytest.mark.parametrize("grant", [GRANT, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("as_bytes", [True, False], ids=["bytes", "text"])
def test_a_grant_survives_its_document(grant: Grant, as_bytes: bool) -> None:
    text = json.dumps(grant.document(), ensure_ascii=False)
    assert Grant.parse(text.encode() if as_bytes else text) == grant


POLICY = PackagePolicy("team/pypi", ("team-*", "requests"), ("evil-?",))


@pytest.mark.parametrize("policy", [POLICY, POLICY._replace(allow=()), POLICY._replace(deny=())])
def test_a_grant_with_a_policy_survives_its_document(policy: PackagePolicy) -> None:
    grant = GRANT._replace(packages=policy)
    assert Grant.parse(json.dumps(grant.document())) == grant


def test_a_grant_without_a_policy_is_written_as_an_earlier_release_wrote_it() -> None:
    assert "packages" not in GRANT.document()


@pytest.mark.parametrize(
    "packages",
    [
        [],
        "team-*",
        {},
        {"connector": "a/b", "allow": ["a"]},
        {"connector": 1, "allow": [], "deny": []},
        {"connector": "a/b", "allow": "abc", "deny": []},
        {"connector": "a/b", "allow": None, "deny": []},
        {"connector": "a/b", "allow": [], "deny": {"a": 1}},
        {"connector": "a/b", "allow": [], "deny": [1]},
        {"connector": "a/b", "allow": [], "deny": ["a", ""]},
        {"connector": "a/b", "allow": [], "deny": ["A"]},
        {"connector": "a/b", "allow": [], "deny": ["[ab]"]},
        {"connector": "a/b", "allow": [], "deny": ["a\n"]},
    ],
    ids=json.dumps,
)
def test_a_policy_that_is_not_understood_is_never_taken_for_none(packages: object) -> None:
    document = {**GRANT.document(), "packages": packages}
    with pytest.raises(ContractError, match="the grant document is not of version 1"):
        Grant.parse(json.dumps(document))


def test_a_sidecar_says_what_it_enforces() -> None:
    asked = grant_request("team/pypi", "v1")
    assert asked == {"connector": "team/pypi", "rejected": "v1", "enforces": ["packages"]}


def test_a_field_of_a_newer_broker_is_ignored() -> None:
    document = {**GRANT.document(), "novelty": {"deep": [1]}}
    document["credential"]["novelty"] = 1
    assert Grant.parse(json.dumps(document)) == GRANT


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GRANT.document().items() if key != name}


BROKEN = {
    "no JSON": f"{{'password': '{CANARY}'}}",
    "cut off": json.dumps(GRANT.document())[:-3],
    "another type": json.dumps([CANARY]),
    "a text": json.dumps(CANARY),
    "a number": "12",
    "no UTF-8": CANARY.encode() + b"\xff",
    "the credential is a text": json.dumps({**GRANT.document(), "credential": CANARY}),
    "the user name is a number": json.dumps(
        {**GRANT.document(), "credential": {"username": 1, "password": CANARY}}
    ),
    "the password is a list": json.dumps(
        {**GRANT.document(), "credential": {"username": "u", "password": [CANARY]}}
    ),
    "no password": json.dumps({**GRANT.document(), "credential": {"username": CANARY}}),
    "a life that is no number": json.dumps({**GRANT.document(), "softSeconds": CANARY}),
    "a life beyond all numbers": json.dumps({**GRANT.document(), "hardSeconds": 10**400}),
    "too deep": "[" * 100_000,
    "an address that is no URL": json.dumps({**GRANT.document(), "address": CANARY}),
    "a prefix that is no URL": json.dumps({**GRANT.document(), "filePrefixes": [CANARY]}),
    "an origin that is no text": json.dumps({**GRANT.document(), "fileOrigins": [None]}),
    **{f"no {name}": json.dumps(_without(name)) for name in GRANT.document() if name not in LATER},
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_grant_document_is_refused_and_never_quoted(body: str | bytes) -> None:
    with pytest.raises(ContractError, match="the grant document is not of version 1") as caught:
        Grant.parse(body)
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY not in shown + repr(caught.value)
