"""The URLs of a registry that follow from a Connector's address and its extensions. Pure."""

from collections.abc import Mapping
from urllib.parse import SplitResult

from sidecar.contract.origins import Origin, declared_as, origin_of

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
    own = origin_of(address)
    pypi = [PYPI_FILES] if _is_pypi(address) else []
    origins = (_meant(url, own) for url in _files(extensions))
    return tuple(dict.fromkeys([*pypi, *(str(origin) for origin in origins if origin != own)]))


def file_prefixes(address: SplitResult, extensions: Mapping[str, SplitResult]) -> tuple[str, ...]:
    """Below the registry's own origin, which they get in the spelling of `address`."""
    own = origin_of(address)
    paths = (url.path.rstrip("/") for url in _files(extensions) if _meant(url, own) == own)
    return tuple(dict.fromkeys(f"{own}{path}" for path in paths))


def _files(extensions: Mapping[str, SplitResult]) -> list[SplitResult]:
    return [url for name, url in extensions.items() if name != "upload"]


def _meant(url: SplitResult, own: Origin) -> Origin:
    return declared_as(origin_of(url), [own])


def _is_pypi(address: SplitResult) -> bool:
    return address.hostname == "pypi.org" and address.path in ("", "/")
