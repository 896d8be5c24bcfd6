"""Files that hold a secret: readable by their owner only, and never written over by accident."""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from sidecar.contract.secret import Secret
from webhook.errors import InputError

_MODE = 0o600


def check_absent(folder: str, names: Iterable[str]) -> None:
    """`InputError` if one of these files exists."""
    taken = [path for path in (Path(folder) / name for name in names) if os.path.lexists(path)]
    if taken:
        raise _taken(", ".join(map(str, taken)))


def write_private(folder: str, texts: Mapping[str, Secret], *, is_forced: bool) -> list[Path]:
    """Write the files, and return their paths.

    By force, a file is replaced as a whole, and a link in its place is not followed. `InputError` if the
    folder cannot be written, or if a file exists and `is_forced` is not set.
    """
    place = Path(folder)
    try:
        if not place.is_dir():
            place.mkdir(mode=0o700, parents=True)
        for name, text in texts.items():
            if is_forced:
                _replace(place / name, text)
            else:
                _create(place / name, text)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename != folder:
            raise _taken(str(error.filename)) from None
        cause = (error.strerror or type(error).__name__).lower()
        raise InputError.of("FileUnwritable", f"{folder} cannot be written: {cause}") from error
    return [place / name for name in texts]


def _create(path: Path, text: Secret) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text.reveal())


def _replace(path: Path, text: Secret) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        _create(draft, text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _taken(files: str) -> InputError:
    return InputError.of("FileExists", f"{files} exists: give --force to replace it, or another folder")
