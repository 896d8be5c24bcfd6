"""Names of distribution files and of projects."""

import pytest

from sidecar.rules.filenames import (
    Distribution,
    normalise,
    parse_distribution,
    parse_project,
    possible_projects,
)

FILES = {
    "requests-2.32.0-py3-none-any.whl": "requests",
    "Foo_Bar.baz-1.0-py2.py3-none-any.whl": "foo-bar-baz",
    "a-1.0-1-py3-none-any.whl": "a",
    "a-1.0-2local-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": "a",
    "torch-2.3.0+cpu-cp311-cp311-linux_x86_64.whl": "torch",
    "a-1!2.0.post1.dev3-py3-none-any.whl": "a",
    "requests-2.32.0.tar.gz": "requests",
    "zope.interface-6.0.tar.gz": "zope-interface",
    "python-dateutil-2.9.0.post0.tar.gz": "python-dateutil",
    "backports.ssl_match_hostname-3.5.0.1.zip": "backports-ssl-match-hostname",
    "a-v1.0.tar.bz2": "a",
    "a-1.tgz": "a",
    "a-1.tar.xz": "a",
    "py-3-compat-1.0.tar.gz": "py",  # ambiguous without the index; the name is for the log only
    "3to2-1.1.1.zip": "3to2",
}


@pytest.mark.parametrize("companion", ["", ".metadata", ".provenance", ".asc"])
@pytest.mark.parametrize(("name", "project"), FILES.items())
def test_a_file_of_a_distribution_tells_its_project(name: str, project: str, companion: str) -> None:
    assert parse_distribution(name + companion) == Distribution(project, name + companion)


READINGS = {
    "requests-2.32.0-py3-none-any.whl": ["requests"],
    "Foo_Bar-1.0-1-py3-none-any.whl.metadata": ["foo-bar"],
    "a-v1-py3-none-any.whl": ["a"],
    "foo-bar-1.0-py3-none-any.whl": ["foo", "foo-bar"],
    "foo-bar+x-py3-none-any.whl": ["foo"],
    "python-dateutil-2.9.0.post0.tar.gz": ["python-dateutil"],
    "py-3-compat-1.0.tar.gz": ["py", "py-3-compat"],
    "foo-1-2.zip.asc": ["foo", "foo-1"],
    "foo-V1-2.zip": ["foo", "foo-v1"],
    "foo-1.0-2-3.tgz": ["foo", "foo-1-0", "foo-1-0-2"],
    "torch-2.3.0+cpu-1.tar.gz": ["torch"],
    "foo-1!2-3.zip": ["foo"],
    "foo--1.0.zip": ["foo"],
    "foo_.-1.0.zip": ["foo"],
}


@pytest.mark.parametrize(("name", "projects"), READINGS.items())
def test_a_file_that_may_be_of_several_projects_names_them_all(name: str, projects: list[str]) -> None:
    found = parse_distribution(name)
    assert found is not None
    assert possible_projects(found) == projects


@pytest.mark.parametrize("name", FILES)
def test_the_likeliest_project_is_among_the_possible_ones(name: str) -> None:
    found = parse_distribution(name)
    assert found is not None
    assert found.project in possible_projects(found)


@pytest.mark.parametrize(
    ("segment", "file"),
    [
        ("torch-2.3.0%2Bcpu.tar.gz", "torch-2.3.0+cpu.tar.gz"),
        ("torch-2.3.0%2bcpu.tar.gz", "torch-2.3.0+cpu.tar.gz"),
        ("a-1%212.0.tar.gz", "a-1!2.0.tar.gz"),
        ("%61-1.zip", "a-1.zip"),
    ],
)
def test_a_name_is_percent_decoded_once(segment: str, file: str) -> None:
    found = parse_distribution(segment)
    assert found is not None
    assert found.file == file


@pytest.mark.parametrize(
    "segment",
    [
        "",
        ".",
        "..",
        "requests",
        "requests.whl",
        "requests-2.32.0.whl",
        "requests-2.32.0-py3-none.whl",
        "requests-2.32.0-py3-none-any.WHL",
        "requests-2.32.0-py3-none-any.whl ",
        "requests-2.32.0-py3-none-any.whl\n",
        "requests-2.32.0-py3-none-any.whl.sha256",
        "requests-2.32.0-py3-none-any.whl.metadata.asc",
        "a-1-x-py3-none-any.whl",  # a build tag begins with a digit
        "requests.tar.gz",
        "requests-latest.tar.gz",
        "-1.0.tar.gz",
        ".a-1.0.tar.gz",
        "a-1.0.tar",
        "a-1.0.exe",
        "a-1.0.egg",
        "a-1.0.json",
        ".metadata",
        "x.metadata",
        "METADATA",
        "a-1.0.tar.gz.html",
        "a%2Fb-1.0.tar.gz",
        "..%5Ca-1.0.tar.gz",
        "a%00-1.0.tar.gz",
        "a-1.0%0A.tar.gz",
        "a-1.0%20.tar.gz",
        "a%252B-1.0.tar.gz",
        "a-1.0%252Bcpu.tar.gz",
        "é-1.0.tar.gz",
        "a-१.tar.gz",
        "a%FF-1.0.tar.gz",
        "a" * 510 + "-1.zip",
        "a-" + "1" * 100_000 + ".tar.gz",
    ],
)
def test_anything_else_is_no_distribution(segment: str) -> None:
    assert parse_distribution(segment) is None


@pytest.mark.parametrize("longest", ["a" * 506 + "-1.zip", "a-1.zi" * 85 + "p"])
def test_the_longest_name_is_still_decided_quickly(longest: str) -> None:
    assert len(longest) <= 512
    assert parse_distribution(longest) is None or longest.endswith("-1.zip")


@pytest.mark.parametrize(
    ("segment", "project"),
    [
        ("requests", "requests"),
        ("Foo__Bar.-baz", "foo-bar-baz"),
        ("zope%2Einterface", "zope-interface"),
        ("a", "a"),
        ("3to2", "3to2"),
        ("", None),
        ("-a", None),
        ("a-", None),
        (".", None),
        ("..", None),
        ("+api", None),
        ("a/b", None),
        ("a%2Fb", None),
        ("a b", None),
        ("a\n", None),
        ("é", None),
        ("a" * 513, None),
    ],
)
def test_a_projects_name_is_normalised_or_none(segment: str, project: str | None) -> None:
    assert parse_project(segment) == project


@pytest.mark.parametrize("name", ["Foo_Bar", "foo.bar", "FOO--bar", "foo-_.bar"])
def test_all_spellings_of_a_project_are_one(name: str) -> None:
    assert normalise(name) == "foo-bar"
