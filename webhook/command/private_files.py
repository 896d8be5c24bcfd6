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
    """Write each file as a whole, so that no reader sees a part of it, and return the paths.

    A link in a file's place is replaced, and not followed. `InputError` if the folder cannot be written, or
    if a file exists and `is_forced` is not set.
    """
    written = []
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in texts.items():
            path = Path(folder) / name
            _write(path, text, is_forced=is_forced)
            written.append(path)
    except FileExistsError as error:
        raise _taken(str(error.filename2 or error.filename)) from None
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise InputError.of("FileUnwritable", f"{folder} cannot be written: {cause}") from error
    return written


def _write(path: Path, text: Secret, *, is_forced: bool) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text.reveal())
        if is_forced:
            draft.replace(path)
        else:
            path.hardlink_to(draft)  # fails where a file exists: a rename would replace it
            draft.unlink()
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _taken(files: str) -> InputError:
    return InputError.of("FileExists", f"{files} exists: give --force to replace it, or another folder")
