"""A registry that cannot be reached: each way to fail has its sentence, its limit, and no other victim."""

from pathlib import Path

from authority import server_context
from registry import Registry
from sidecars import free_port, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_a_registry_that_is_not_there_is_502_with_its_cause(tmp_path: Path) -> None:
    with Registry(server_context()) as registry:
        port = free_port()
        nowhere = grant(registry, index_url=f"https://127.0.0.1:{port}/simple/")
        unknown = grant(registry, index_url="https://no-such-host.invalid/simple/")
    with running_sidecar(tmp_path, nowhere) as sidecar:
        assert f"cannot connect to https://127.0.0.1:{port}: connection refused" in sidecar.get(WHEEL).reason
    with running_sidecar(tmp_path, unknown) as sidecar:
        reply = sidecar.get(WHEEL)
        assert reply.status == 502
        assert "cannot connect to https://no-such-host.invalid:" in reply.reason
