"""nginx before other servers: it ends TLS, and unites them under one origin."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import nginx as configurations
from benchmarks.machine import MachineLacks
from benchmarks.programs import find_debian_programs
from benchmarks.subjects import NGINX
from support.kubernetes.clusters import unavailable
from support.servers.programs import running_program

_LOCATION = """
        location {prefix} {{
            proxy_pass {origin};
            proxy_set_header Host $http_host;
        }}"""


@contextmanager
def front(folder: Path, port: int, routes: Mapping[str, str]) -> Iterator[None]:
    """Routes each path prefix to an origin; the longest counts. All headers pass, Authorization too.

    The folder has the front's certificate: `tls.crt` and `tls.key`.
    """
    locations = "".join(_LOCATION.format(prefix=prefix, origin=origin) for prefix, origin in routes.items())
    server = f"""
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder / "tls.crt"};
        ssl_certificate_key {folder / "tls.key"};
        client_max_body_size 0;
        proxy_http_version 1.1;{locations}
    }}"""
    (folder / "front.conf").write_text(configurations.whole(folder, "1", "access_log off;", server))
    with running_program(
        [find_nginx(), "-c", str(folder / "front.conf"), "-e", "stderr"], folder / "front.log"
    ):
        yield


def find_nginx() -> str:
    if os.environ.get("CI") == "true":
        try:
            return find_debian_programs([NGINX])[NGINX]
        except MachineLacks as error:
            unavailable(str(error))
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or unavailable("nginx is not installed (Debian: nginx-light)")
