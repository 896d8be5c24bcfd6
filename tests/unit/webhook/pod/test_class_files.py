"""Files of a class in a Pod: their sizes, and the warnings."""

from webhook.clients.endpoints import Endpoints, Target
from webhook.clients.files import configurations
from webhook.connector.connector_class import Configuration, ConnectorClass
from webhook.connector.manifest import Connector, parse_connector
from webhook.pod.class_files import SIZE_LIMIT, configuration_files, templates_of, warnings

URLS = Endpoints("http://127.0.0.1:28100/simple/", "http://127.0.0.1:28100/", None)


def connector(*configurations: Configuration) -> Connector:
    manifest = {
        "metadata": {"namespace": "team", "name": "pypi"},
        "spec": {"connectorClassName": "own", "address": "https://pypi.example"},
    }
    return parse_connector(manifest, classes={"own": ConnectorClass("own", configurations=configurations)})


def test_own_configurations_are_chosen_by_name() -> None:
    made = connector(Configuration("a", (("a.txt", "1"),)), Configuration("b", (("b.txt", "{{ nope }}"),)))
    assert configuration_files(made, URLS).configurations == configurations(URLS)
    chosen = configuration_files(made, URLS, own=["a"])
    assert chosen.configurations == {**configurations(URLS), "a": {"a.txt": "1"}}
    assert warnings(made, chosen) == []
    assert warnings(made, configuration_files(made, URLS, own=["b"])) == [
        "configuration b of ConnectorClass own: b.txt: line 1: 'nope' is undefined; the file is left out"
    ]


UPLOAD_URL = "http://127.0.0.1:28101/"


def test_more_than_a_variable_can_hold_leaves_the_built_in_files() -> None:
    text = "{% for one in targets %}" + "x" * 30000 + "{% endfor %}"
    many = tuple(Target(f"connectors-{number}", UPLOAD_URL, f"{UPLOAD_URL}simple/") for number in range(5))
    made = connector(Configuration("a", (("a.txt", "x" * 30000),)), Configuration("b", (("b.txt", text),)))
    urls = Endpoints(URLS.index_url, URLS.upload_url, None, targets=many[:1])
    assert configuration_files(made, urls, own=["a", "b"]).faults == {}
    urls = Endpoints(URLS.index_url, URLS.upload_url, None, targets=many)
    assert "more than 65536 characters" in str(configuration_files(made, urls, own=["b"]).faults)
    large = connector(*(Configuration(name, ((name, "\u00e4" * 10000),)) for name in ("a", "b")))
    left = configuration_files(large, URLS, own=["a", "b"])
    assert left.configurations == configurations(URLS)
    assert all(f"more than a Pod can take ({SIZE_LIMIT})" in one for one in warnings(large, left))


def test_a_class_is_compiled_once() -> None:
    made = connector(Configuration("a", (("a.txt", "1"),)))
    assert templates_of(made.connector_class) is templates_of(
        connector(*made.connector_class.configurations).connector_class
    )
