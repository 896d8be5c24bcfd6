"""Manifests of Connectors at run time. tests/api/test_crds.py holds the API server to the same table."""

import pytest
import yaml

from sidecar.contract.grant import MAX_CONNECTIONS, PackagePolicy
from sidecar.contract.origins import origin_of
from sidecar.exchange.server import ACTIVE_LIMIT
from support.checkout import MANIFESTS
from support.connectors.connector_table import Case, cases
from webhook.connector.manifest import parse_connector
from webhook.connector.packages import LENGTH_LIMIT
from webhook.connector.parameters import CONNECTIONS_LIMIT
from webhook.errors import InvalidConnector

TABLE = cases()
CRD = MANIFESTS / "crd" / "connectors.yaml"
SPEC = {"connectorClassName": "pypi", "address": "https://pypi.example.com"}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.title)
def test_a_connector_is_read_or_refused_as_the_table_says(case: Case) -> None:
    if case.runtime is None:
        parse_connector(case.manifest())
        return
    with pytest.raises(InvalidConnector) as refused:
        parse_connector(case.manifest())
    assert case.runtime in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_list_of_packages_has_a_limit() -> None:
    def refusals(text: str) -> list[str]:
        params = [{"name": "denyPackages", "value": text}]
        manifest = {"metadata": {"name": "a"}, "spec": {**SPEC, "params": params}}
        try:
            parse_connector(manifest)
        except InvalidConnector as refused:
            return [problem.message for problem in refused.problems]
        return []

    assert refusals(("a" * 9 + ",") * 409 + "b" * 6) == []
    too_long = (
        "Connector default/a: spec.params denyPackages has more than 4096 characters: write patterns such as"
    )
    assert refusals(("a" * 9 + ",") * 409 + "b" * 7) == [f"{too_long} team-*"]


def test_the_schema_has_the_same_limit() -> None:
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    value = schema["properties"]["spec"]["properties"]["params"]["items"]["properties"]["value"]
    assert value["maxLength"] == LENGTH_LIMIT


def test_a_probe_asks_for_the_normalised_name_of_its_package() -> None:
    """PEP 503, as pip asks: other spellings may be redirected, and a probe does not follow."""

    def probed(text: str) -> str | None:
        params = [{"name": "probePackage", "value": text}]
        return parse_connector({"metadata": {"name": "a"}, "spec": {**SPEC, "params": params}}).probe_package

    assert probed("Foo.Bar__baz-.2") == "foo-bar-baz-2"
    assert probed("") is None
    assert probed("a" * 512) == "a" * 512
    with pytest.raises(InvalidConnector, match="probePackage"):
        probed("a" * 513)


def test_packages_stay_in_order_without_duplicates() -> None:
    params = [{"name": "allowPackages", "value": "b, a,b\nteam-*"}]
    connector = parse_connector({"metadata": {"name": "a"}, "spec": {**SPEC, "params": params}})
    assert connector.packages == PackagePolicy("default/a", ("b", "a", "team-*"), ())


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("192", 192), (None, MAX_CONNECTIONS)])
def test_a_connector_limits_the_connections_of_a_pod(text: str | None, count: int) -> None:
    params = [{"name": "maxConnections", "value": text}] if text else []
    connector = parse_connector({"metadata": {"name": "a"}, "spec": {**SPEC, "params": params}})
    assert connector.max_connections == count


def test_the_largest_limit_is_the_capacity_of_a_sidecar() -> None:
    assert CONNECTIONS_LIMIT == ACTIVE_LIMIT


def places(address: str, **extensions: str) -> tuple[str, str, tuple[str, ...]]:
    """Index, upload and further origins of files of a Connector with this address."""
    named = [{"name": name, "value": value} for name, value in extensions.items()]
    spec = {**SPEC, "address": address, "addressExtensions": named}
    connector = parse_connector({"metadata": {"name": "a"}, "spec": spec})
    return connector.index_url, connector.upload_url, connector.file_origins


@pytest.mark.parametrize("address", ["https://pypi.org", "https://pypi.org/", "https://PyPI.org"])
def test_the_upload_url_and_file_origin_of_pypi_org_are_known(address: str) -> None:
    index, upload, files = places(address)
    assert index.lower() == "https://pypi.org/simple/"
    assert upload == "https://upload.pypi.org/legacy/"
    assert files == ("https://files.pythonhosted.org",)


def test_extensions_replace_the_upload_url_and_add_file_origins_of_pypi_org() -> None:
    """Pages of pypi.org lead to its own file origin, whatever a Connector adds."""
    _, upload, files = places(
        "https://pypi.org", upload="https://upload.example.com/x", files="https://files.example.com"
    )
    assert upload == "https://upload.example.com/x"
    assert files == ("https://files.pythonhosted.org", "https://files.example.com")
    _, _, files = places("https://pypi.org", files="https://files.pythonhosted.org/packages/")
    assert files == ("https://files.pythonhosted.org",)


@pytest.mark.parametrize(
    ("address", "upload"),
    [
        ("https://pypi.org/x", "https://pypi.org/x"),
        ("https://pypi.org/x/", "https://pypi.org/x/"),
        ("https://test.pypi.org", "https://test.pypi.org/"),
        ("https://pypi.org.example.com", "https://pypi.org.example.com/"),
        ("https://pypi.example.com/pypi.org", "https://pypi.example.com/pypi.org"),
    ],
)
def test_no_other_address_gets_the_defaults_of_pypi_org(address: str, upload: str) -> None:
    """Otherwise a private registry's credential and packages would go to pypi.org."""
    assert places(address)[1:] == (upload, ())


@pytest.mark.parametrize(
    ("files", "origins", "prefixes"),
    [
        ("https://r.example/content", (), ("https://r.example/content",)),
        ("https://r.example/content/", (), ("https://r.example/content",)),
        ("https://R.example:443/content", (), ("https://r.example/content",)),
        ("https://r.example", (), ("https://r.example",)),
        ("http://r.example/content", (), ("https://r.example/content",)),
        ("http://r.example:443/content", (), ("https://r.example/content",)),
        ("https://r.example./content", (), ("https://r.example/content",)),
        ("http://R.example./", (), ("https://r.example",)),
        ("http://r.example:8080/content", ("http://r.example:8080",), ()),
        ("https://r.example:80/content", ("https://r.example:80",), ()),
        ("https://r.example:8443/content", ("https://r.example:8443",), ()),
        ("https://cdn.example/bucket/", ("https://cdn.example",), ()),
    ],
)
def test_files_of_the_registrys_own_origin_are_prefixes(
    files: str, origins: tuple[str, ...], prefixes: tuple[str, ...]
) -> None:
    extensions = [{"name": "files", "value": files}]
    spec = {**SPEC, "address": "https://r.example/pypi", "addressExtensions": extensions}
    connector = parse_connector({"metadata": {"name": "a"}, "spec": spec})
    assert (connector.file_origins, connector.file_prefixes) == (origins, prefixes)


@pytest.mark.parametrize(
    ("address", "files", "origins", "prefixes"),
    [
        ("https://[fd00::1]/pypi", "https://[FD00:0:0::1]/files", (), ("https://[fd00::1]/files",)),
        ("https://[FD00:0::1]:8443/pypi", "http://[fd00::1]:8443/f", (), ("https://[fd00:0::1]:8443/f",)),
        ("https://[fd00::1]/pypi", "https://[fd00::2]/files", ("https://[fd00::2]",), ()),
        ("https://r.example./pypi", "https://r.example/files", (), ("https://r.example./files",)),
        ("http://r.example/pypi", "https://r.example/files", ("https://r.example",), ()),
        ("http://r.example/pypi", "http://r.example:80/files", (), ("http://r.example/files",)),
    ],
)
def test_other_spellings_of_the_registrys_origin_are_the_sidecars(
    address: str, files: str, origins: tuple[str, ...], prefixes: tuple[str, ...]
) -> None:
    """The sidecar takes a prefix as a path of the registry only if it has the origin of the index."""
    extensions = [{"name": "files", "value": files}]
    spec = {**SPEC, "address": address, "addressExtensions": extensions}
    connector = parse_connector({"metadata": {"name": "a"}, "spec": spec})
    assert (connector.file_origins, connector.file_prefixes) == (origins, prefixes)
    own = origin_of(connector.index_url)
    assert all(origin_of(prefix) == own for prefix in connector.file_prefixes)


def test_titles_are_unique() -> None:
    titles = [case.title for case in TABLE]
    assert sorted(set(titles)) == sorted(titles)
