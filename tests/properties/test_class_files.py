"""Whatever stands in a template of a class, a Pod gets files, and its index is the connector's."""

import configparser
import tomllib

from hypothesis import example, given
from hypothesis import strategies as st

from webhook.clients.class_templates import Subject, compile_templates
from webhook.clients.endpoints import Endpoints
from webhook.clients.files import configurations, render
from webhook.clients.sources import PIP_OPTIONS

INDEX, UPLOAD = "http://127.0.0.1:28100/simple/", "http://127.0.0.1:28100/"
URLS = Endpoints(INDEX, UPLOAD, INDEX)
PIECES = st.sampled_from(
    [
        *(
            "[global]",
            "[install]",
            "[:env:]",
            "[DEFAULT]",
            "[pip]",
            "[[index]]",
            "[pypi]",
            "[distutils]",
            "[x]",
        ),
        *(
            "\n",
            "\r",
            "\t",
            " ",
            "    ",
            "=",
            ":",
            "#",
            ";",
            ",",
            '"',
            "'",
            '"""',
            "\\",
            "[",
            "]",
            "{",
            "}",
            ".",
        ),
        *("index-url", "Index_URL", "--index-url", "extra-index-url", "find-links", "pypi-url", "no-index"),
        *(
            "index",
            "url",
            "default",
            "true",
            "publish-url",
            "repository",
            "index-servers",
            "proxy",
            "timeout",
        ),
        *("https://evil.example/", "//evil.example", "evil.example", "60", INDEX, UPLOAD, "\u2028", "\x00"),
        *(
            "{{ index_url }}",
            "{{ upload_url }}",
            "{{",
            "}}",
            "{% if 1 %}",
            "{% endif %}",
            "{% for",
            "%}",
            "{#",
        ),
        *("{{ connector.params.indexPath }}", "{{ ''.__class__ }}", "connector", "|", "(", ")", "~", "not "),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join)


@given(text=TEXTS, parameter=TEXTS)
@example(text="[global]\ntimeout = {{ connector.params.indexPath }}", parameter="1\nindex-url = x")
def test_pip_conf_means_the_connector(text: str, parameter: str) -> None:
    made = files("pipconf", "pip.conf", text, parameter)
    parser = configparser.RawConfigParser()
    parser.read_string(made["pipconf"]["pip.conf"])
    for section in parser.sections():
        for option, value in parser.items(section):
            name = option.lower().replace("_", "-").removeprefix("--")
            assert name not in ("index-url", "pypi-url", *PIP_OPTIONS) or value in ("", INDEX)
    assert parser["global"]["index-url"] == INDEX


@given(text=TEXTS, parameter=TEXTS)
def test_uv_toml_means_the_connector(text: str, parameter: str) -> None:
    document = tomllib.loads(files("uv", "uv.toml", text, parameter)["uv"]["uv.toml"])
    assert [one["url"] for one in document["index"]] == [INDEX]
    assert document["publish-url"] == UPLOAD
    assert not document.get("extra-index-url")
    assert document.get("index-url", INDEX) == INDEX


@given(text=TEXTS, parameter=TEXTS)
def test_pypirc_means_the_connector(text: str, parameter: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(files("pypirc", ".pypirc", text, parameter)["pypirc"][".pypirc"])
    servers = [section for section in parser.sections() if section != "distutils"]
    assert {parser[section]["repository"] for section in servers} == {UPLOAD}


def files(configuration: str, file: str, text: str, parameter: str) -> dict[str, dict[str, str]]:
    templates = compile_templates([(configuration, [(file, text)])], admits_extra_indexes=False)
    subject = Subject("team", "pypi", (("indexPath", parameter),))
    made = render(URLS, templates, subject)
    built_in = configurations(URLS)
    assert made.configurations.keys() == built_in.keys()
    if made.faults:
        assert made.configurations == built_in
    return made.configurations
