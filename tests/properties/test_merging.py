"""The merge of our variables into a container's `env`, for every `env` made of ours and of the author's."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from webhook.clients.merging import apply
from webhook.clients.sources import guards
from webhook.clients.variables import groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

KEY, UPLOADS = ConnectorKey("team-a", "pypi"), ConnectorKey("team-a", "uploads")


def merged(
    env: list[Any],
    *,
    port: int = 28200,
    admits: bool = False,
    is_wanted: bool = True,
    several: bool = False,
) -> list[Any]:
    """`several`: the Pod has several publish targets."""
    request = Request(connectors=(KEY,), publish_connectors=(KEY, UPLOADS) if several else ())
    urls = endpoints(request, {KEY: port, UPLOADS: port + 1}, admits_extra_indexes=admits)
    return apply(env, groups(urls) if is_wanted else {}, guards(urls)).env


ALL = [*merged([]), *merged([], several=True)]
OURS = {entry["name"]: entry["value"] for entry in ALL}
VALUES = [*sorted(set(OURS.values())), "http://127.0.0.1:28999/simple/", "https://own.example/", "true"]
REFERENCES = [f"$({name})" for name in ("PIP_INDEX_URL", "UV_INDEX", "TWINE_USERNAME", "A")]
OWN = ("https://own.example/", "true", *REFERENCES)
"""Values that are the author's under any name"""
ENTRIES = st.builds(
    lambda name, value: {"name": name, "value": value},
    st.sampled_from([*OURS, "A", "B", "PIP_index_url"]),
    st.sampled_from(VALUES + REFERENCES),
)
ENVS = st.lists(ENTRIES, max_size=12, unique_by=lambda entry: str(entry["name"]))


@given(ENVS, st.booleans(), st.booleans())
def test_a_second_pass_changes_nothing(env: list[Any], admits: bool, several: bool) -> None:
    once = merged(env, admits=admits, several=several)
    assert merged(once, admits=admits, several=several) == once
    stored = [{key: value for key, value in entry.items() if value != ""} for entry in once]
    assert merged(stored, admits=admits, several=several) == stored


@given(ENVS, st.booleans())
def test_what_has_not_our_shape_stays_as_it_is(env: list[Any], several: bool) -> None:
    own = [entry for entry in env if entry["value"] in OWN]
    after = merged(env, several=several)
    assert [entry for entry in after if entry in own] == own
    assert len({entry["name"] for entry in after}) == len(after)


@given(ENVS)
def test_a_variable_stands_before_each_that_refers_to_it(env: list[Any]) -> None:
    before, after = {entry["name"] for entry in env}, merged(env)
    order = [entry["name"] for entry in after]
    for entry in env:
        referred = entry["value"].removeprefix("$(").removesuffix(")")
        if entry["value"] in REFERENCES and referred in order and referred not in before:
            assert order.index(referred) < order.index(entry["name"])


@given(ENVS, st.booleans(), st.booleans(), st.booleans())
def test_a_copy_follows_its_new_port_and_rule(
    env: list[Any], admits: bool, before: bool, after: bool
) -> None:
    """`before` and `after`: whether the Pod has several publish targets."""
    own = [entry for entry in env if entry["name"] in ("A", "B") or entry["value"] in OWN]
    copy = merged(own, port=28300, several=before)
    changed = merged(copy, admits=admits, several=after)
    assert sorted(map(str, changed)) == sorted(map(str, merged(own, admits=admits, several=after)))
    assert merged(copy, is_wanted=False) == own
