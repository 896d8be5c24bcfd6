"""The answer to an upload that comes while the upload is being sent."""

import pytest

from sidecar.exchange import uploads
from sidecar.http.registry_heads import RegistryReader


class Arriving:
    """A connection on which each piece comes alone."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.returned = b""

    def has_arrived(self) -> bool:
        return bool(self._pieces)

    def take_ahead(self) -> bytes:
        return self._pieces.pop(0)

    def give_back(self, data: bytes) -> None:
        self.returned = data + self.returned


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_no_byte_is_read_again_with_each_that_follows(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []

    class Counting(RegistryReader):
        def feed(self, data: bytes) -> bytes | None:
            fed.append(len(data))
            return super().feed(data)

    monkeypatch.setattr(uploads, "RegistryReader", Counting)
    interim, final = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 413 X\r\n" + b"a:\r\n" * 5000 + b"\r\n"
    raw = interim + final
    wire = Arriving([raw[at : at + size] for at in range(0, len(raw), size)])
    assert uploads._EarlyResponse(wire).has_come()  # type: ignore[arg-type]
    assert wire.returned == final
    assert sum(fed) < len(raw) + size
