"""Files from templates: what is added to them, and that no template leads clients elsewhere."""

import configparser
import tomllib
from typing import Any

import pytest

from webhook.clients.class_templates import Subject, compile_templates
from webhook.clients.endpoints import Endpoints, Target
from webhook.clients.files import Rendered, configurations, render

INDEX, UPLOAD = "http://127.0.0.1:28100/simple/", "http://127.0.0.1:28100/"
URLS = Endpoints(
    INDEX,
    UPLOAD,
    INDEX,
    targets=(Target("second", "http://127.0.0.1:28101/", "http://127.0.0.1:28101/simple/"),),
)
SUBJECT = Subject("team", "pypi", (("access", "read"),))
CONFIGURATION = {"pip.conf": "pipconf", ".pypirc": "pypirc", "uv.toml": "uv"}


def rendered(
    file: str, text: str, *, admits: bool = False, urls: Endpoints = URLS, subject: Subject = SUBJECT
) -> Rendered:
    data = [(CONFIGURATION.get(file, "own"), [(file, text)])]
    return render(urls, compile_templates(data, admits_extra_indexes=admits), subject)


def result(file: str, text: str, **options: Any) -> str:
    made = rendered(file, text, **options)
    assert made.faults == {}
    return made.configurations[CONFIGURATION.get(file, "own")][file]


def fault(file: str, text: str, **options: Any) -> str:
    made = rendered(file, text, **options)
    name = CONFIGURATION.get(file, "own")
    assert made.configurations[name] == configurations(URLS).get(name, {}), "the built-in text stays"
    ((sentence,),) = made.faults.values()
    return sentence


def ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}


BUILT_IN = {file: configurations(URLS)[name][file] for file, name in CONFIGURATION.items()}


def test_without_templates_the_files_are_the_built_in_ones() -> None:
    assert render(
        URLS, compile_templates([("pipconf", [])], admits_extra_indexes=False), SUBJECT
    ) == Rendered(configurations(URLS), {})


def test_an_empty_template_gives_the_meaning_of_the_built_in_file() -> None:
    assert ini(result("pip.conf", "")) == ini(BUILT_IN["pip.conf"])
    assert ini(result(".pypirc", "")) == ini(BUILT_IN[".pypirc"])
    assert tomllib.loads(result("uv.toml", "")) == tomllib.loads(BUILT_IN["uv.toml"])


def test_what_an_administrator_writes_into_pip_conf_stands_beside_our_lines() -> None:
    text = (
        "[global]\nindex-url = {{ index_url }}\ntimeout = 60\n\n# a comment\n"
        "[install]\nno_binary =\n    numpy\n    six\nrequire-hashes = true\n[freeze]\nlocal = yes\n"
    )
    made, built_in = ini(result("pip.conf", text)), ini(BUILT_IN["pip.conf"])
    assert made["global"] == {**built_in["global"], "timeout": "60"}
    own = {"no-binary": "\nnumpy\nsix", "require-hashes": "true"}
    assert made["install"] == {**built_in["install"], **own}
    assert made["freeze"] == {"local": "yes"}
    assert made["download"] == built_in["download"]


def test_what_an_administrator_writes_into_uv_toml_stands_beside_our_lines() -> None:
    made = tomllib.loads(result("uv.toml", "no-build = true\n[pip]\nrequire-hashes = true"))
    assert made == {**tomllib.loads(BUILT_IN["uv.toml"]), "no-build": True, "pip": {"require-hashes": True}}
    mirror = 'python-install-mirror = "https://mirror.example/python"\n'
    assert tomllib.loads(result("uv.toml", mirror))["python-install-mirror"]
    own = '[[index]]\nname = "team"\nurl = "{{ index_url }}"\ndefault = true\n'
    assert tomllib.loads(result("uv.toml", own))["index"][0]["name"] == "team"


def test_pypirc_keeps_our_sections_and_takes_others_that_lead_to_the_connectors() -> None:
    text = "{% for one in targets %}[x-{{ one.name }}]\nrepository = {{ one.url }}\n{% endfor %}"
    made = ini(result(".pypirc", text))
    assert made["x-second"] == {"repository": "http://127.0.0.1:28101/"}
    for section, options in ini(BUILT_IN[".pypirc"]).items():
        assert made[section] == options


def test_own_files_are_rendered_as_they_are() -> None:
    text = "# {{ connector.namespace }}/{{ connector.name }} {{ connector.params.access }} {{ directory }}\n"
    assert result("constraints.txt", text) == "# team/pypi read /etc/pypi-connector\n"
    assert result("urls.txt", "{{ index_url }} {{ upload_url }}") == f"{INDEX} {UPLOAD}"


def test_files_of_a_client_that_gets_none_are_not_rendered() -> None:
    no_upload = Endpoints(INDEX, None, None)
    assert "pypirc" not in rendered(".pypirc", "{{ nope }}", urls=no_upload).configurations
    assert rendered(".pypirc", "{{ nope }}", urls=no_upload).faults == {}


PIP_CONF_ATTACKS = [
    "[global]\nindex-url = https://pypi.org/simple/",
    "[global]\nindex-url = {{ index_url }}x",
    "[global]\nindex_url = https://evil.example/simple/",
    "[global]\n--index-url = https://evil.example/simple/",
    "[global]\n--Index_URL = https://evil.example/simple/",
    "[global]\nINDEX-URL = https://evil.example/simple/",
    "[global]\nindex-url = {{ index_url }}\n    https://evil.example/simple/",
    "[global]\nindex-url: https://evil.example/simple/",
    "[install]\nindex-url = https://evil.example/simple/",
    "[:env:]\nindex-url = https://evil.example/simple/",
    "[lock]\nindex-url = https://evil.example/simple/",
    "[DEFAULT]\nindex-url = https://evil.example/simple/",
    "[global]\nextra-index-url = https://evil.example/simple/",
    "[global]\nextra_index_url = https://evil.example/simple/",
    "[download]\nextra-index-url =\n    https://evil.example/simple/",
    "[global]\nextra-index-url = evil.example/simple/",
    "[global]\nextra-index-url = //evil.example/simple/",
    "[global]\nfind-links = https://evil.example/",
    "[wheel]\nfind_links = /tmp/links",
    "[global]\npypi-url = https://evil.example/simple/",
    "[install]\n--pypi-url = https://evil.example/simple/",
    "[global]\nproxy = evil.example:3128",
    "[global]\nno-index = true",
    "[global]\ntrusted-host = evil.example",
    "[install]\ntrusted-host = 127.0.0.1\n    evil.example",
    "[install]\nrequirement = https://evil.example/requirements.txt",
    "[install]\nconstraint = https://evil.example/constraints.txt",
    "[install]\nconstraint = HTTPS://evil.example/constraints.txt",
    "[install]\neditable = git+ssh://evil.example/x",
    "[install]\nfind-links = file:///tmp",
    "[global]\nindex-url = {{ index_url }}\nindex_url = https://evil.example/",
    "[global]\nindex-url = {{ index_url }}\n[global]\nextra-index-url = https://evil.example/",
    "[global]\ntimeout = 60\rextra-index-url = https://evil.example/",
    "[global]\ntimeout = 60\x0bextra-index-url = https://evil.example/",
    "[global]\ntimeout = 60\x85extra-index-url = https://evil.example/",
    "\ufeff[global]\ntimeout = 60",
    "timeout = 60",
    "[global]\ntimeout",
    "[global]\nlog = $(HOME)/x",
    "[global]\nlog = $$HOME/x",
]


@pytest.mark.parametrize("text", PIP_CONF_ATTACKS)
def test_no_pip_conf_names_another_source(text: str) -> None:
    assert fault("pip.conf", text)


UV_ATTACKS = [
    '[[index]]\nurl = "https://evil.example/simple/"',
    '[[index]]\nurl = "https://evil.example/simple/"\ndefault = true',
    '[[index]]\nurl = "{{ index_url }}"',
    '[[index]]\nurl = "{{ index_url }}"\ndefault = true\n[[index]]\nurl = "https://evil.example/"',
    '[[index]]\nurl = "{{ index_url }}"\ndefault = true\n[[index]]\nurl = "//evil.example/"\nexplicit = true',
    'index = [{url = "https://evil.example/", default = true}]',
    'index = {url = "https://evil.example/"}',
    "index = []",
    'index-url = "https://evil.example/simple/"',
    'extra-index-url = ["https://evil.example/simple/"]',
    'extra-index-url = ["//evil.example/simple/"]',
    'find-links = ["https://evil.example/"]',
    'find-links = ["file:///tmp"]',
    '[pip]\nindex-url = "https://evil.example/simple/"',
    '[pip]\nextra-index-url = ["https://evil.example/simple/"]',
    '[pip]\nfind-links = ["https://evil.example/"]',
    "[pip]\nno-index = true",
    '[pip]\ntorch-backend = "auto"',
    'pip = {extra-index-url = ["https://evil.example/simple/"]}',
    '"extra-index-url" = ["https://evil.example/simple/"]',
    '"extra\\u002dindex-url" = ["https://evil.example/simple/"]',
    'torch-backend = "auto"',
    "no-index = true",
    'http-proxy = "http://evil.example:3128"',
    'https-proxy = "evil.example:3128"',
    'publish-url = "https://evil.example/"',
    'check-url = "https://evil.example/"',
    'constraint-dependencies = ["six @ https://evil.example/six-1.0-py3-none-any.whl"]',
    'override-dependencies = ["six @ git+https://evil.example/six"]',
    '[[dependency-metadata]]\nname = "x"\nrequires-dist = ["six @ https://evil.example/six.zip"]',
    "[global]\nnot toml",
    "a = " + "[" * 5000,
]


@pytest.mark.parametrize("text", UV_ATTACKS, ids=range(len(UV_ATTACKS)))
def test_no_uv_toml_names_another_source(text: str) -> None:
    assert fault("uv.toml", text)


PYPIRC_ATTACKS = [
    "[pypi]\nrepository = https://upload.pypi.org/legacy/",
    "[connectors-pypi]\nrepository = https://evil.example/",
    "[second]\nREPOSITORY: https://evil.example/",
    "[own]\nrepository = https://evil.example/",
    "[own]\nusername = a",
    "[DEFAULT]\nrepository = https://evil.example/",
    "[pypi]\nrepository = {{ upload_url }}\n    https://evil.example/",
    "[pypi]\nca_cert = https://evil.example/",
    "[pypi]\nrepository = //evil.example/",
    "[distutils]\nrepository = https://evil.example/",
]


@pytest.mark.parametrize("text", PYPIRC_ATTACKS)
@pytest.mark.parametrize("admits", [False, True])
def test_no_pypirc_uploads_elsewhere(text: str, admits: bool) -> None:
    assert fault(".pypirc", text, admits=admits)


@pytest.mark.parametrize(
    "text", ["--extra-index-url https://evil.example/", "-f HTTP://evil.example", "registry=git+ssh://evil/x"]
)
def test_no_own_file_names_another_host(text: str) -> None:
    assert fault("constraints.txt", text)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pip.conf", "[global]\nextra-index-url = https://second.example/simple/"),
        (
            "uv.toml",
            '[[index]]\nurl = "{{ index_url }}"\ndefault = true\n[[index]]\nurl = "https://second.example/"',
        ),
        ("constraints.txt", "--extra-index-url https://second.example/simple/"),
    ],
)
def test_further_indexes_need_the_class_and_the_connector(file: str, text: str) -> None:
    admitting = Endpoints(INDEX, UPLOAD, INDEX, admits_extra_indexes=True)
    assert "second.example" in result(file, text, admits=True, urls=admitting)
    for urls, admits in ((URLS, True), (admitting, False), (URLS, False)):
        assert rendered(file, text, admits=admits, urls=urls).faults


@pytest.mark.parametrize(
    "text",
    [
        'publish-url = "https://evil.example/"',
        'check-url = "https://evil.example/"',
        '[[index]]\nurl = "{{ index_url }}"\ndefault = true\npublish-url = "https://evil.example/"',
        'index = [{url = "{{ index_url }}", default = true}, {url = "https://b.example/", publish-url = []}]',
    ],
)
def test_uploads_stay_the_connectors_in_any_class(text: str) -> None:
    admitting = Endpoints(INDEX, UPLOAD, INDEX, admits_extra_indexes=True)
    assert rendered("uv.toml", text, admits=True, urls=admitting).faults


@pytest.mark.parametrize("text", ["[global]\nindex-url = https://evil.example/", "[global]\nproxy = evil:1"])
def test_the_first_index_stays_the_connectors_in_any_class(text: str) -> None:
    admitting = Endpoints(INDEX, UPLOAD, INDEX, admits_extra_indexes=True)
    assert rendered("pip.conf", text, admits=True, urls=admitting).faults


@pytest.mark.parametrize(
    "separator", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\t", "\x00"]
)
def test_an_author_of_connectors_adds_no_line_by_a_parameter(separator: str) -> None:
    value = f"60{separator}extra-index-url = https{'://'}evil.example/{separator}[x]"
    text = "[global]\nindex-url = {{ index_url }}\nretries = {{ connector.params.indexPath }}\n"
    made = rendered("pip.conf", text, subject=Subject("team", "pypi", (("indexPath", value),)))
    assert made.faults, "a URL of others is refused even within a line"
    harmless = value.replace("://", "")
    made = rendered("pip.conf", text, subject=Subject("team", "pypi", (("indexPath", harmless),)))
    options = ini(made.configurations["pipconf"]["pip.conf"])
    assert options["global"]["extra-index-url"] == ""
    assert "x" not in options


def test_files_for_people_hold_the_given_name_and_password() -> None:
    urls = Endpoints("https://robot:t0ken@gate.example/simple/", "https://gate.example/", None)
    templates = compile_templates(
        [("own", [("netrc", "{{ username }}:{{ password }}")])], admits_extra_indexes=False
    )
    made = configurations(urls, templates, SUBJECT, username="robot", password="t0ken")
    assert made["own"]["netrc"] == "robot:t0ken"
    assert ini(made["pypirc"][".pypirc"])["pypi"]["password"] == "t0ken"
    assert "trusted-host" not in made["pipconf"]["pip.conf"], "TLS is verified"
    lax = "[global]\ntimeout = 60\ntrusted-host = gate.example\n"
    assert rendered("pip.conf", lax, urls=urls).faults, "and a class cannot lift that"
    for table in ("", "[pip]\n"):
        lax = f'{table}allow-insecure-host = ["gate.example"]\n'
        assert rendered("uv.toml", lax, urls=urls).faults, "for no client"
