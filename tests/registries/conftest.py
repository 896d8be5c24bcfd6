"""Each kind of registry with a sidecar before it, started once for the whole run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.registries.kinds import kinds
from support.registries.registry_kinds import Scene, running_kind

Scenes = Callable[[str], Scene]


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with ExitStack() as stack:
        found: dict[str, Scene] = {}

        def scene(name: str) -> Scene:
            if name not in found:
                folder = tmp_path_factory.mktemp(name)
                found[name] = stack.enter_context(running_kind(kinds()[name], folder))
            return found[name]

        yield scene


@pytest.fixture
def scene(scenes: Scenes, name: str) -> Iterator[Scene]:
    """Of the kind called `name`, a parameter; after each test the credential is seen to have stayed."""
    found = scenes(name)
    yield found
    found.assert_credential_stays()
