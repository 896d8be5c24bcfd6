"""What the sidecar leaves for later: each Pod pays for what its process has loaded."""

import pkgutil
import socket
import subprocess
import sys
import threading
from importlib import import_module
from typing import ForwardRef

import pytest

import sidecar

_RARE = (
    "sidecar.contract.codings",
    "sidecar.contract.destinations",
    "sidecar.exchange.forms",
    "sidecar.exchange.looks",
    "sidecar.exchange.redirects",
    "sidecar.exchange.upload_answers",
    "sidecar.exchange.uploads",
    "sidecar.http.answer_chunks",
    "sidecar.http.entities",
    "sidecar.http.lenient_heads",
    "sidecar.http.request_chunks",
    "sidecar.links.listing",
    "sidecar.links.logins",
    "sidecar.rules.odd_targets",
    "sidecar.rules.policy",
    "sidecar.rules.scope",
)
"""Most processes never need them, and some only with their first page or upload"""


def loaded_by(*names: str) -> set[str]:
    """The modules of a fresh interpreter that has imported these."""
    program = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_start_loads_no_module_that_few_need() -> None:
    loaded = loaded_by("sidecar.__main__")
    assert "sidecar.exchange.relay" in loaded
    assert not loaded & {*_RARE, "sidecar.exchange.pages", "sidecar.links"}


@pytest.mark.parametrize("page", ["html", "json"])
def test_a_plain_page_loads_nothing_for_the_memory_of_listed_files(page: str) -> None:
    loaded = loaded_by("sidecar.__main__", "sidecar.exchange.pages", f"sidecar.links.{page}_links")
    assert not loaded & {*_RARE} - {"sidecar.http.entities"}


def test_a_connection_loads_no_tables_for_names_beyond_ascii() -> None:
    """`encodings.idna` and what it imports take 0.35 MiB."""
    program = """if True:
        import sys
        from sidecar.contract.origins import origin_of
        from sidecar.errors import UpstreamUnreachable
        from sidecar.sockets.connections import connect, make_tls_context
        try:
            connect(origin_of(sys.argv[1]), make_tls_context(None))
        except UpstreamUnreachable as error:
            print(error)
        print("encodings.idna" in sys.modules)
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        url = f"https://localhost:{server.getsockname()[1]}/"
        command = [sys.executable, "-I", "-c", program, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "cannot speak TLS" in said
    assert said.endswith("False\n")


def test_no_field_has_its_type_in_quotes() -> None:
    """`NamedTuple` compiles such a type, for which Python first makes 0.2 MiB of its own types."""
    modules = [import_module(module.name) for module in pkgutil.walk_packages(sidecar.__path__, "sidecar.")]
    members = [one for module in modules for one in vars(module).values()]
    tuples = [one for one in members if isinstance(one, type) and issubclass(one, tuple)]
    assert tuples
    quoted = [
        (one, name)
        for one in tuples
        for name, kind in one.__annotations__.items()
        if isinstance(kind, ForwardRef | str)
    ]
    assert quoted == []
