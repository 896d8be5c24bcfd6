"""Every client in every circumstance: an injected Pod, its variables and files, and no flag.

The registry wants a password for everything and holds what the jobs install, the build backends too; nothing
else can be reached, nor looked up. What each client is asked to do is in `tests/support/clients/jobs.py`.
"""

import asyncio
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.clients.jobs import JOBS, PROJECTS
from support.clients.workplaces import FOREIGN_HOME, PROXY_VARIABLES, Circumstance, Done, Workplace, workplace
from support.machine.environments import environment, wheels
from support.servers.breaking_relay import BreakingRelay
from support.servers.recorder import Recorder
from webhook.demo.containers import isolation_works
from webhook.demo.packages import make_wheel
from webhook.demo.stage import Stage, set_stage

pytestmark = pytest.mark.clients

CIRCUMSTANCES: Mapping[str, Circumstance] = {
    "home-unset": Circumstance(home=None),
    "foreign-home": Circumstance(user=1000, home=FOREIGN_HOME),
    "unknown-user-on-a-read-only-root": Circumstance(user=12345, home="/", is_root_read_only=True),
    "http-proxy": Circumstance(),
}
"""The last one gets its variables when the port of the proxy is known."""
LONG = 2_000_000
"""Bytes after which an answer breaks off; all that the other jobs install is shorter"""
PUBLIC = ("pypi.org", "pythonhosted.org")


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as found:
        yield found


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with set_stage() as found:
        for wheel in wheels("backends").glob("*.whl"):
            shutil.copy(wheel, found.packages)
        with tarfile.open(found.packages / "needs_building-1.0.tar.gz", "w:gz") as archive:
            archive.add(PROJECTS / "needs-building", "needs_building-1.0")
        make_wheel(found.packages, "broken-off", "1.0", filler=bytes(LONG + 200_000))
        with BreakingRelay(urlsplit(found.address).port or 0, octets=LONG) as relay:
            connector = asyncio.run(found.cluster.connector("team-a", "team-pypi"))
            assert connector
            address = f"https://localhost:{relay.port}"
            found.cluster.apply({**connector, "spec": {**connector["spec"], "address": address}})
            yield found


@pytest.fixture(scope="module")
def place(stage: Stage, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("workplace")
    if not isolation_works(folder):
        missing = "namespaces of users and mounts cannot be made here (unshare)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    proxied = Circumstance(variables=dict.fromkeys(PROXY_VARIABLES, recorder.address))
    image = [environment(job.lock) for job in JOBS.values() if job.lock]
    with workplace(
        stage, folder / "pod", {**CIRCUMSTANCES, "http-proxy": proxied}, [*image, PROJECTS]
    ) as found:
        yield found


Cells = Mapping[str, "Future[Done]"]


@pytest.fixture(scope="module")
def cells(request: pytest.FixtureRequest, place: Workplace) -> Iterator[Cells]:
    """Test → its job. As many side by side as there are cores, for one alone is idle half of its time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            item.name: pool.submit(work, place, **item.callspec.params)
            for item in request.session.items
            if isinstance(item, pytest.Function) and "cells" in item.fixturenames
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def done(cells: Cells, request: pytest.FixtureRequest) -> Done:
    return cells[request.node.name].result()


def version(circumstance: str) -> str:
    """Each circumstance has its own, for nothing is uploaded twice."""
    return f"1.{[*CIRCUMSTANCES].index(circumstance)}"


def absent(client: str) -> str:
    """A project that the registry does not have; each client asks for its own."""
    return f"absent-for-{slug(client)}"


def slug(client: str) -> str:
    """What a project may be called."""
    return re.sub(r"[\W_]+", "-", client)


def work(place: Workplace, client: str, circumstance: str | None = None) -> Done:
    """The client's job in a circumstance; or without, what it is to ask in vain, where all is seen."""
    job = JOBS[client]
    script = job.script if circumstance else job.asks
    assert script is not None
    circumstance = circumstance or "http-proxy"
    folder = Path(tempfile.mkdtemp(dir=place.files))
    wheel = make_wheel(folder, f"by-{slug(client)}", version(circumstance))
    return place.run(
        circumstance,
        script,
        environment=environment(job.lock) if job.lock else None,
        needs_place=job.needs_place,
        PROJECTS=str(PROJECTS),
        ABSENT=absent(client),
        DIST=f"/tmp/{folder.name}/{wheel.name}",
        VERSION=version(circumstance),
    )


@pytest.mark.parametrize("circumstance", CIRCUMSTANCES)
@pytest.mark.parametrize("client", JOBS)
def test_every_client_does_its_job(
    done: Done, place: Workplace, stage: Stage, recorder: Recorder, client: str, circumstance: str
) -> None:
    assert done.exit_code == 0, done.said
    assert stage.password.reveal() not in done.said + place.log
    if circumstance == "http-proxy":
        assert recorder.asked == []
    if (name := JOBS[client].publishes) is not None:
        assert list(stage.packages.glob(f"{name}-{version(circumstance)}*"))


@pytest.mark.parametrize("client", [name for name, job in JOBS.items() if job.asks])
def test_what_the_registry_does_not_have_is_asked_for_nowhere_else(
    done: Done, place: Workplace, recorder: Recorder, client: str
) -> None:
    assert done.exit_code != 0
    assert f'"package":"{absent(client)}","status":404' in place.log
    assert recorder.asked == []


@pytest.mark.parametrize("name", CIRCUMSTANCES)
def test_a_circumstance_is_what_it_is_called(place: Workplace, name: str) -> None:
    wanted = CIRCUMSTANCES[name]
    done = place.run(
        name,
        f"""
        test $(id -u) = {wanted.user}
        test "${{HOME-unset}}" = {wanted.home or "unset"}
        if touch "${{HOME-/root}}/x"; then echo writes; fi
        if touch /x; then echo changes; fi
        touch here
        if getent hosts {" ".join(PUBLIC)}; then exit 9; fi
        """,
    )
    assert done.exit_code == 0, done.said
    said = done.said.splitlines()
    assert ("writes" in said) == (wanted.user == 0)
    assert ("changes" in said) == (not wanted.is_root_read_only)


def test_a_request_to_the_proxy_is_recorded(place: Workplace) -> None:
    with Recorder() as another:
        script = "env NO_PROXY= no_proxy= HTTP_PROXY=$OTHER pip download --retries 0 hello-connector"
        done = place.run("http-proxy", script, OTHER=another.address)
        assert done.exit_code != 0
        [*_, asked] = another.asked
    assert re.fullmatch(r"GET http://127\.0\.0\.1:\d+/simple/hello-connector/ HTTP/1\.1", asked)
