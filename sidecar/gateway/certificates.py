"""The gateway's TLS certificate, from files that change while the process runs."""

import ssl
from pathlib import Path

from sidecar.contract.words import Line
from sidecar.log import Log


class Certificate:
    """The newest pair of the files that can serve. New connections get it; open ones keep theirs."""

    def __init__(self, folder: Path, log: Log) -> None:
        self._certificate = folder / "tls.crt"
        self._key = folder / "tls.key"
        self._log = log
        self._content: tuple[bytes, bytes] | None = None
        self._complaint = ""
        self.context: ssl.SSLContext | None = None
        """None: there has been no pair that can serve"""

    def reload(self) -> None:
        """Take the files if they changed and can serve. Else the last pair goes on."""
        try:
            content = self._certificate.read_bytes(), self._key.read_bytes()
            if content == self._content:
                return
            self.context = self._load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._complain(error.reason if isinstance(error, ssl.SSLError) else type(error).__name__)
            return
        self._content, self._complaint = content, ""
        self._log.write("info", Line.CERTIFICATE_LOADED)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key, password="")  # it must not ask on a terminal
        return context

    def _complain(self, cause: str | None) -> None:
        """Once for each cause: the files are looked at every few seconds."""
        if cause != self._complaint:
            self._log.write("warning", Line.CERTIFICATE_UNUSABLE, detail=cause)
        self._complaint = cause or ""
