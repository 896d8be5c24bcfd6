"""nginx configurations: of the registry, and of the reverse proxy that does the sidecar's job."""

import os
from pathlib import Path

from benchmarks.content import PAGE
from benchmarks.peers import Job

BIG_BUFFERS = """
        proxy_buffer_size 64k;
        proxy_buffers 8 128k;
        proxy_busy_buffers_size 256k;
        client_body_buffer_size 256k;
"""
"""The settings that an administrator would tune for large files"""


def registry(folder: Path, port: int, certificate: Path, key: Path, passwords: Path, sink: Path) -> str:
    """TLS 1.3, basic auth, static files. Uploads are streamed to the sink."""
    server = f"""
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        auth_basic "registry";
        auth_basic_user_file {passwords};
        root {folder / "root"};
        types {{ text/html html; application/octet-stream whl metadata; }}
        location /upload/ {{
            client_max_body_size 0;
            client_body_buffer_size 256k;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://unix:{sink}:/;
        }}
    }}"""
    return whole(folder, "auto", "access_log off;", server)


def proxy(job: Job, tuning: str = "") -> str:
    """Adds the credential, verifies the registry, reuses connections, rewrites the page's absolute links.

    As in the sidecar, nothing is spooled to disk. All other settings are nginx's defaults.
    """
    server = f"""
    upstream registry {{
        server 127.0.0.1:{job.upstream};
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{job.port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host 127.0.0.1:{job.upstream};
        proxy_set_header Authorization "{job.authorization}";
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
        proxy_ssl_trusted_certificate {job.ca};
        proxy_ssl_verify on;
        proxy_ssl_name localhost;  # nginx compares DNS names only
        proxy_ssl_server_name on;
        proxy_max_temp_file_size 0;
        proxy_request_buffering off;
        client_max_body_size 0;{tuning}
        location / {{ proxy_pass https://registry; }}
        location = / {{ proxy_pass https://registry/upload/; }}
        location {PAGE} {{
            proxy_pass https://registry;
            proxy_set_header Connection "";
            proxy_set_header Host 127.0.0.1:{job.upstream};
            proxy_set_header Authorization "{job.authorization}";
            proxy_set_header Accept-Encoding "";
            sub_filter_once off;
            sub_filter "https://127.0.0.1:{job.upstream}/" "/";
        }}
    }}"""
    return whole(job.folder, "1", f"access_log {job.log};", server)


def whole(folder: Path, workers: str, log: str, server: str) -> str:
    """The configuration around `server`, which is the rest of its `http` block."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = "\n".join(
        f"    {name}_temp_path {folder / name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # root's workers would become www-data, which may not read the private folder
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""daemon off;
{user}
worker_processes {workers};
pid {folder / "nginx.pid"};
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
{paths}
    {log}
    keepalive_requests 1000000;
    {server}
}}
"""
