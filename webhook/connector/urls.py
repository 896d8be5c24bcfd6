"""The URLs of a registry that follow from a Connector's address and its extensions. Pure."""

from collections.abc import Mapping
from urllib.parse import SplitResult

PYPI_UPLOAD = "https://upload.pypi.org/legacy/"
PYPI_FILES = "https://files.pythonhosted.org"


def index_url(address: SplitResult, index_path: str | None) -> str:
    path = "simple" if index_path is None else index_path
    return address.geturl().rstrip("/") + (f"/{path}/" if path else "/")


def upload_url(address: SplitResult, extension: SplitResult | None) -> str:
    if extension:
        return extension.geturl()
    if _is_pypi(address):
        return PYPI_UPLOAD
    # unchanged, because some registries need the trailing slash and some refuse it; no path means "/"
    return address.geturl() if address.path else address.geturl() + "/"


def file_origins(address: SplitResult, extensions: Mapping[str, SplitResult]) -> tuple[str, ...]:
    """Of another origin than the registry's. There the credential is not sent, so no path is told apart."""
    pypi = [PYPI_FILES] if _is_pypi(address) else []
    origins = [_origin(url) for url in _files(extensions) if _origin(url) != _origin(address)]
    return tuple(dict.fromkeys([*pypi, *origins]))


def file_prefixes(address: SplitResult, extensions: Mapping[str, SplitResult]) -> tuple[str, ...]:
    urls = [url.geturl().rstrip("/") for url in _files(extensions) if _origin(url) == _origin(address)]
    return tuple(dict.fromkeys(urls))


def _files(extensions: Mapping[str, SplitResult]) -> list[SplitResult]:
    return [url for name, url in extensions.items() if name != "upload"]


def _origin(url: SplitResult) -> str:
    """Scheme, host and port as one spelling: the default port may be written or left out."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    default = 443 if url.scheme == "https" else 80
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port not in (None, default) else "")


def _is_pypi(address: SplitResult) -> bool:
    return address.hostname == "pypi.org" and address.path in ("", "/")
