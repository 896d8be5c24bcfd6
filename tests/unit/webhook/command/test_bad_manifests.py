"""Bad manifests on the command line: each with its sentence, and all of them at once."""

from pathlib import Path

import pytest

from support.clients.command_line import CONNECTOR, GOOD, SECRET, call

BAD_MANIFESTS = {
    "not YAML": ("a: [1,\n  b: 2", "standard input: line 2, column 7"),
    "no object": ("- 1", "standard input: document 1 is no Kubernetes object: it has no kind"),
    "another kind": ("kind: Deployment\nmetadata: {name: d}", "is of kind Deployment; here only Connector"),
    "no name": ("kind: Connector\nspec: {}", "the Connector has no metadata.name"),
    "nothing": ("", "the files hold no Connector: add one with -f"),
    "several": (
        f"{GOOD}---{CONNECTOR.replace('name: c', 'name: d')}",
        "the files hold several Connectors: choose one with --connector (default/c, default/d)",
    ),
    "unknown class": (
        GOOD.replace("Name: pypi", "Name: npm"),
        "'npm': there is no ConnectorClass of that name: create it, or say 'pypi'",
    ),
    "no class": (
        GOOD.replace("connectorClassName: pypi", ""),
        "Connector default/c: spec.connectorClassName is missing: say 'pypi', or",
    ),
    "an empty class": (
        GOOD.replace("connectorClassName: pypi", 'connectorClassName: ""'),
        "spec.connectorClassName is missing: say 'pypi', or a ConnectorClass of your own",
    ),
    "userinfo": (GOOD.replace("https://", "https://u:canary@"), "must not hold a user name or password"),
    "query": (GOOD.replace(".com", ".com/?a=b"), "must not have a query"),
    "fragment": (GOOD.replace(".com", ".com/#f"), "must not have a fragment"),
    "another scheme": (GOOD.replace("https://", "ftp://"), "must begin with https:// or http://, not 'ftp'"),
    "no host": (GOOD.replace("https://pypi.example.com", "https:///simple"), "has no host"),
    "no address": (GOOD.replace("address: https://pypi.example.com", "x: y"), "spec.address is missing"),
    "no Secret": (CONNECTOR, 'secrets "s" not found in namespace "default"'),
    "Secret of another type": (
        GOOD.replace("kubernetes.io/basic-auth", "Opaque"),
        'secret "s" is of type Opaque: create it anew with type kubernetes.io/basic-auth',
    ),
    "Secret without a value": (
        GOOD.replace("username: robot, password: canary-password", 'username: "", password:'),
        'secret "s" has neither a "username" nor a "password"',
    ),
    "Secret of another namespace": (
        GOOD.replace("{name: s}\ntype", "{name: s, namespace: other}\ntype"),
        'secret "s" lies in namespace "other"',
    ),
    "bad base64": (
        GOOD.replace(
            "stringData: {username: robot, password: canary-password}", "data: {username: '%', password: '%'}"
        ),
        'secret "s" has a "username" that is not base64: plain text belongs under stringData',
    ),
    "unknown parameter": (
        GOOD + "  params: [{name: acces, value: read}]",
        "has no 'acces'; known are indexPath",
    ),
    "bad parameter": (
        GOOD + "  params: [{name: access, value: write}]",
        """spec.params access must be "read" or "readwrite", not 'write'""",
    ),
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_bad_manifest_ends_with_exit_2_and_its_sentence(name: str) -> None:
    manifest, sentence = BAD_MANIFESTS[name]
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert sentence in result.stderr
    assert result.returncode == 2


def test_all_problems_of_a_manifest_are_reported_at_once() -> None:
    manifest = (
        GOOD.replace("Name: pypi", "Name: npm").replace("https://", "ftp://").replace("basicAuth", "token")
    )
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert result.returncode == 2
    assert [line.partition("spec.")[2].split(" ")[0] for line in result.stderr.splitlines()] == [
        "connectorClassName",
        "address",
        "auth.name",
    ]


def test_a_missing_and_an_unreadable_file_are_named(tmp_path: Path) -> None:
    result = call("run", "-f", "absent.yaml", "-f", str(tmp_path), "--", "true", folder=tmp_path)
    assert "absent.yaml cannot be read: no such file or directory" in result.stderr
    assert f"{tmp_path} cannot be read: is a directory" in result.stderr
    assert result.returncode == 2


def test_the_problems_of_connector_and_secret_come_together() -> None:
    manifest = GOOD.replace("https://", "ftp://").replace("username: robot", 'username: "a:b"')
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert "must begin with https:// or http://" in result.stderr
    assert 'secret "s": "username" has a colon' in result.stderr


@pytest.mark.parametrize(
    "value",
    ["*canaryhunter2", "!!int canaryhunter2", "!canary x", "2024-99-99", "[canary, ", "'canary", "@canary"],
)
def test_a_password_that_yaml_stumbles_over_is_not_printed(value: str) -> None:
    manifest = SECRET.replace("{username: robot, password: canary-password}", f"\n  password: {value}")
    result = call("run", "-f", "-", "--", "true", stdin=manifest)  # looks for the canary and for tracebacks
    assert result.returncode == 2
    assert result.stderr.startswith("pypi-connector: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("secretRef: {name: s}", "secretRef: s"),
        ("auth: {name: basicAuth, secretRef: {name: s}}", "params: {access: read}"),
        ("auth: {name: basicAuth, secretRef: {name: s}}", "params: [{access: read}]"),
        ("auth: {name: basicAuth, secretRef: {name: s}}", "caCertSecretRef: {name: s, namespace: other}"),
        ("metadata: {name: c}", "metadata: {name: C_}"),
        ("https://pypi.example.com", "https://a..b/"),
        ("https://pypi.example.com", f"https://{'a' * 64}.example/"),
    ],
)
def test_a_connector_of_a_wrong_shape_is_not_read_as_a_weaker_connector(old: str, new: str) -> None:
    manifest = f"{SECRET}---{CONNECTOR.replace(old, new)}"
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert "Connector default/" in result.stderr
    assert result.returncode == 2


def test_odd_but_harmless_fields_are_no_traceback() -> None:
    manifest = GOOD.replace("metadata: {name: c}", "metadata: {name: c, generation: abc}")
    assert call("run", "-f", "-", "--", "true", stdin=manifest).returncode == 0
    assert call("run", "-f", "-", "--", "true", stdin="kind: List\nitems: 5").returncode == 2
