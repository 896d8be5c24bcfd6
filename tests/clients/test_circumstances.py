"""Every client in every circumstance: an injected Pod, its variables and files, and no flag.

The registry wants a password for everything and holds what the jobs install, the build backends too; nothing
else can be reached, nor looked up. What each client is asked to do is in `tests/support/jobs.py`.
"""

import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from environments import environment, wheels
from jobs import JOBS
from recorder import Recorder
from workplaces import FOREIGN_HOME, PROXY_VARIABLES, Circumstance, Done, Workplace, workplace

from webhook.demo.containers import isolation_works
from webhook.demo.packages import make_wheel
from webhook.demo.stage import Stage, set_stage

pytestmark = pytest.mark.clients

PROJECTS = Path(__file__).with_name("projects")
CIRCUMSTANCES: Mapping[str, Circumstance] = {
    "home-unset": Circumstance(home=None),
    "foreign-home": Circumstance(user=1000, home=FOREIGN_HOME),
    "unknown-user-on-a-read-only-root": Circumstance(user=12345, home="/", is_root_read_only=True),
    "http-proxy": Circumstance(),
}
"""The last one gets its variables when the port of the proxy is known."""
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


Cells = Mapping[tuple[str, str], "Future[Done]"]


@pytest.fixture(scope="module")
def cells(request: pytest.FixtureRequest, place: Workplace) -> Iterator[Cells]:
    """The jobs of this run, as many side by side as there are cores: one alone is idle half of its time."""
    wanted = [
        (str(item.callspec.params["client"]), str(item.callspec.params["circumstance"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_every_client_does_its_job.__name__
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {(client, where): pool.submit(work, place, client, where) for client, where in wanted}
        pool.shutdown(cancel_futures=True)


def version(circumstance: str) -> str:
    """Each circumstance has its own, for nothing is uploaded twice."""
    return f"1.{[*CIRCUMSTANCES].index(circumstance)}"


def work(place: Workplace, client: str, circumstance: str) -> Done:
    job = JOBS[client]
    wheel = make_wheel(place.files, f"by-{client.replace(' ', '-')}", version(circumstance))
    return place.run(
        circumstance,
        job.script,
        environment=environment(job.lock) if job.lock else None,
        needs_place=job.needs_place,
        PROJECTS=str(PROJECTS),
        DIST=f"/tmp/{wheel.name}",
        VERSION=version(circumstance),
    )


@pytest.mark.parametrize("circumstance", CIRCUMSTANCES)
@pytest.mark.parametrize("client", JOBS)
def test_every_client_does_its_job(
    cells: Cells, place: Workplace, stage: Stage, recorder: Recorder, client: str, circumstance: str
) -> None:
    done = cells[client, circumstance].result()
    assert done.exit_code == 0, done.said
    assert stage.password.reveal() not in done.said + place.log
    if circumstance == "http-proxy":
        assert recorder.asked == []
    if (name := JOBS[client].publishes) is not None:
        assert list(stage.packages.glob(f"{name}-{version(circumstance)}*"))


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
