"""The pages speak the truth about tests: every test that they name exists."""

import re
from collections.abc import Iterator

import pytest

from support.checkout import ROOT, TESTS
from support.clients.jobs import JOBS
from webhook.clients.sources import guards
from webhook.clients.variables import groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

PAGES = ("threat-model.md", "guards.md", "registries.md", "faults.md")
NAMED = re.compile(r"tests/[\w/]+\.py(?:::\w+)?")


def missing(text: str) -> list[str]:
    """The names of tests in a page for which there is no file, or no function in it."""
    return [name for name in NAMED.findall(text) if not exists(*name.partition("::")[::2])]


def exists(file: str, function: str) -> bool:
    path = ROOT / file
    if not path.is_file():
        return False
    return not function or re.search(rf"^def {function}\(", path.read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    assert missing((ROOT / "docs" / page).read_text()) == []


def test_the_threat_model_names_many() -> None:
    assert len(set(NAMED.findall((ROOT / "docs" / "threat-model.md").read_text()))) > 40


def test_one_that_does_not_exist_is_found() -> None:
    here = "tests/repository/test_docs.py"
    text = f"`{here}::test_nothing`, `tests/test_nowhere.py`, `{here}`"
    assert missing(text) == [f"{here}::test_nothing", "tests/test_nowhere.py"]


def test_every_attack_on_the_node_is_in_the_threat_model() -> None:
    """Each has a row, or is named in the paragraphs; the exceptions are listed here."""
    page = (ROOT / "docs" / "threat-model.md").read_text()
    controls = {"test_the_author_may_do_as_they_like_with_their_own_containers"}
    attacks = (TESTS / "e2e" / "attacks").glob("test_*.py")
    found = {name for path in attacks for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)}
    assert {name for name in found if name not in page} == controls


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_link_between_the_pages_leads_to_a_file(page: str) -> None:
    path = ROOT / "docs" / page
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def rows_of_clients() -> Iterator[tuple[str, str, str]]:
    """Client, how it installs and how it publishes."""
    section = (ROOT / "README.md").read_text().partition("\n## Clients\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("|"):
            client, installs, publishes = (cell.strip() for cell in line.split("|")[1:4])
            yield client, installs, publishes


def client_of(job: str) -> str:
    return "setuptools" if job == "setup_requires" else job.split()[0]


def marked(client: str, cell: str) -> list[str]:
    """The commands of a cell with a mark, each with its client."""
    found = re.findall(r"`([^`]+)`", cell) if "✔" in cell else []
    return [one if one in JOBS or one.startswith(f"{client} ") else f"{client} {one}" for one in found]


def is_run(command: str) -> bool:
    """Whether it is a job, or a line of one."""
    begin = re.compile(rf"^\s*{re.escape(command)}(\s|$)", re.MULTILINE)
    return command in JOBS or any(begin.search(job.script) for job in JOBS.values())


def test_the_table_of_clients_marks_those_that_are_in_the_tests() -> None:
    rows = [client for client, *cells in rows_of_clients() if "✔" in "".join(cells)]
    assert set(rows) == {client_of(name) for name in JOBS}


def test_the_table_of_clients_marks_only_commands_that_are_run() -> None:
    rows = [(client, cell) for client, *cells in rows_of_clients() for cell in cells]
    assert [(client, cell) for client, cell in rows if "✔" in cell and not marked(client, cell)] == []
    commands = [command for client, cell in rows for command in marked(client, cell)]
    assert [command for command in commands if not is_run(command)] == []


def test_the_table_of_clients_marks_those_that_publish() -> None:
    rows = {client for client, _, publishes in rows_of_clients() if "✔" in publishes}
    assert rows == {client_of(name) for name, job in JOBS.items() if job.publishes}


def test_the_page_on_clients_names_every_variable() -> None:
    page = (ROOT / "docs" / "clients.md").read_text()
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.*`.*`.*) \|$", page, re.MULTILINE))
    key = ConnectorKey("a", "b")
    told = groups(endpoints(Request(connectors=(key,)), {key: 28200}))
    assert {group: set(re.findall(r"`(\w+)`", rows[group])) for group in told} == {
        group: set(values) for group, values in told.items()
    }


def test_the_page_on_clients_names_every_guard() -> None:
    page = (ROOT / "docs" / "clients.md").read_text().partition("\n## Other indexes\n")[2]
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.*`.*`.*) \|$", page.partition("\n\n| where")[0], re.MULTILINE))
    key = ConnectorKey("a", "b")
    told = guards(endpoints(Request(connectors=(key,)), {key: 28200}))
    assert {group: set(re.findall(r"`([A-Z]\w+)`", row)) for group, row in rows.items()} == {
        f"guards of {group}": set(values) for group, values in told.items()
    }


def test_the_steps_for_poetry_are_those_that_are_tested() -> None:
    section = (ROOT / "docs" / "clients.md").read_text().partition("\n## poetry\n")[2].partition("\n## ")[0]
    steps = re.findall(r"^```\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in JOBS["poetry"].script.splitlines()]
    assert len(steps) == 2
    assert [step for step in steps if step not in lines] == []
