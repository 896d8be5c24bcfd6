"""Configurations of haproxy, Caddy and Envoy that do the sidecar's job, but for the links of index pages.

They are set as nginx is. Each has a worker, adds the credential, verifies the registry, reuses connections,
spools nothing to disk, and logs a line for each request. All other settings are defaults.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple


class Job(NamedTuple):
    """The input of a proxy's configuration."""

    folder: Path
    """The proxy's own, for its log"""
    port: int
    upstream: int
    """The registry's port on loopback"""
    ca: Path
    authorization: str

    @property
    def log(self) -> Path:
        return self.folder / "access.log"


def haproxy(job: Job) -> str:
    return f"""
global
    maxconn 1024
    nbthread 1
    log stdout format raw daemon
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend sidecar
    bind 127.0.0.1:{job.port}
    http-request set-header Host 127.0.0.1:{job.upstream}
    http-request set-header Authorization "{job.authorization}"
    http-request set-path /upload/ if {{ path / }}
    default_backend registry
backend registry
    default-server ssl verify required verifyhost localhost sni str(localhost) ca-file {job.ca}
    server registry 127.0.0.1:{job.upstream}
"""


def caddy(job: Job) -> str:
    return f"""{{
    admin off
    auto_https off
}}
http://127.0.0.1:{job.port} {{
    bind 127.0.0.1
    log {{
        output file {job.log}
    }}
    rewrite / /upload/
    reverse_proxy https://127.0.0.1:{job.upstream} {{
        header_up Host {{upstream_hostport}}
        header_up Authorization "{job.authorization}"
        transport http {{
            tls_trusted_ca_certs {job.ca}
            tls_server_name localhost
            keepalive_idle_conns_per_host 64
            compression off
            versions 1.1
        }}
    }}
}}
"""


def envoy(job: Job) -> str:
    manager = _extension(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="sidecar",
        http_filters=[_extension("filters.http.router.v3.Router")],
        access_log=[_extension("access_loggers.file.v3.FileAccessLog", path=str(job.log))],
        route_config=_routes(job),
    )
    listener = {"address": _address(job.port), "filter_chains": [{"filters": [manager]}]}
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [_registry(job)]}})


def _routes(job: Job) -> dict[str, Any]:
    route = {"cluster": "registry", "timeout": "0s", "host_rewrite_literal": f"127.0.0.1:{job.upstream}"}
    routes = [
        {"match": {"path": "/"}, "route": {**route, "prefix_rewrite": "/upload/"}},
        {"match": {"prefix": "/"}, "route": route},
    ]
    credential = {
        "header": {"key": "Authorization", "value": job.authorization},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    return {
        "virtual_hosts": [{"name": "registry", "domains": ["*"], "routes": routes}],
        "request_headers_to_add": [credential],
    }


def _registry(job: Job) -> dict[str, Any]:
    validation = {
        "trusted_ca": {"filename": str(job.ca)},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}],
    }
    endpoint = {"endpoint": {"address": _address(job.upstream)}}
    return {
        "name": "registry",
        "connect_timeout": "5s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "registry", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "transport_socket": _extension(
            "transport_sockets.tls.v3.UpstreamTlsContext",
            sni="localhost",
            common_tls_context={
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},  # Envoy's default is 1.2
                "validation_context": validation,
            },
        ),
    }


def _extension(kind: str, **config: Any) -> dict[str, Any]:
    """A configured extension. Envoy finds it by its type, and any name will do."""
    return {
        "name": kind,
        "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **config},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
