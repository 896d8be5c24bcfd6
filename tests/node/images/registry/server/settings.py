"""What the registry is told by its environment, and the credential as it is at this moment."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Settings:
    kind: str
    """KIND: `pypiserver` (default) or `devpi`"""
    port: int
    """PORT, default 8080"""
    data: Path
    """DATA: where files are kept, default /data; an empty one is filled with the image's packages"""
    packages: Path
    """PACKAGES: wheels to begin with, default those of the image"""
    tls: Path | None
    """TLS: folder with tls.crt and tls.key, as a mounted Secret has it; http without"""
    credentials: Path | None
    """CREDENTIALS: folder with `username` and `password`, as a mounted Secret has it; read at each request"""
    fixed: Credential | None
    """USERNAME and PASSWORD, instead of CREDENTIALS. Neither: anonymous, uploads too"""

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> "Settings":
        kind = variables.get("KIND", "pypiserver")
        if kind not in ("pypiserver", "devpi"):
            raise SystemExit(f"registry: KIND must be pypiserver or devpi, not {kind!r}")
        username = variables.get("USERNAME")
        return cls(
            kind=kind,
            port=int(variables.get("PORT", "8080")),
            data=Path(variables.get("DATA", "/data")),
            packages=Path(variables.get("PACKAGES", "/opt/registry/packages")),
            tls=_folder(variables.get("TLS")),
            credentials=_folder(variables.get("CREDENTIALS")),
            fixed=Credential(username, variables.get("PASSWORD", "")) if username else None,
        )

    def credential(self) -> Credential | None:
        """None: everybody may do everything. Files are read each time, so a rotated Secret counts at once."""
        if self.credentials:
            return Credential(*((self.credentials / name).read_text() for name in ("username", "password")))
        return self.fixed

    def accepts(self, username: str, password: str) -> bool:
        wanted = self.credential()
        given = f"{username}:{password}".encode()
        return not wanted or hmac.compare_digest(given, f"{wanted.username}:{wanted.password}".encode())


def _folder(text: str | None) -> Path | None:
    return Path(text) if text else None
