"""Variables and mounts that others may add to our container. Pure.

Admission keeps such additions, and the broker grants in spite of them; guard 8 says the same in CEL
(`manifests/policies/isolation.yaml`). Everything else in the container is ours.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

FORBIDDEN_VARIABLES = re.compile(
    r"""
    LD_.* | PYTHON.* | SSL.* | OPENSSL_.* | .*_PROXY
    # python3 reads some in spite of -I: __PYVENV_LAUNCHER__ leads it to a folder with code, also on Linux
    | _.*
    # glibc reads these as well (elf/unsecvars.h); PATH finds python3, and the start gate's shell and grep
    | GLIBC_TUNABLES | GCONV_PATH | GETCONF_DIR | HOSTALIASES | RES_OPTIONS | RESOLV_HOST_CONF
    | LOCALDOMAIN | LOCPATH | NIS_PATH | NLSPATH | MALLOC_TRACE | TMPDIR | TZDIR | PATH | ENV | BASH_.*
    # files of message catalogs (gettext) and of OpenSSL
    | LANGUAGE | CTLOG_FILE | QLOGDIR | RANDFILE
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Variables that would change which code or which peer gets the credential, or name a file to the interpreter
or the C library. The broker refuses a Pod whose sidecar has any of them."""

LOCALE_VARIABLES = re.compile(r"TZ|LANG|LC_.*", re.IGNORECASE)
"""Others set these for good reasons. Their values name files in folders of the C library."""
LOCALE_VALUES = re.compile(r"(?:[A-Za-z0-9+,<>@_-]+(?:[./:][A-Za-z0-9+,<>@_-]+)*)?")
"""Names that lead to no other folder: `Europe/Berlin`, `CET-1CEST,M3.5.0,M10.5.0/3:00`, `de_DE.UTF-8@euro`;
neither `:/var/run/secrets/x` nor `../x`."""
LOCALE_VALUE_SIZE = 128
"""Arbitrary; the longest time zones in use have some dozens."""

SECRETS_DIR = "/var/run/secrets"
"""Where other products mount their own tokens (workload identity of the clouds)."""

MOUNTS_LIMIT = 12
"""Arbitrary; we know of Pods with two. Guard 8 compares each with each, and CEL has a budget."""
PATH_SIZE = 256
"""Arbitrary; the longest paths that we know have some dozens. CEL pays by the letter."""

KUBELET_VOLUMES = ("projected", "secret", "configMap", "downwardAPI")
"""Volumes that the kubelet alone writes. The workload may put a symbolic link into any other, and the runtime
follows the link to a place in our root file system when it mounts something in it."""

_MOUNT_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "subPath": (None, ""),
    "subPathExpr": (None, ""),
    "mountPropagation": (None, "None"),
}


def is_forbidden_variable(variable: Mapping[str, Any]) -> bool:
    name = str(variable.get("name"))
    if LOCALE_VARIABLES.fullmatch(name):
        return not _is_plain_locale(variable)
    return FORBIDDEN_VARIABLES.fullmatch(name) is not None


def _is_plain_locale(variable: Mapping[str, Any]) -> bool:
    value = variable.get("value") or ""
    return (
        not variable.get("valueFrom")
        and isinstance(value, str)
        and len(value) <= LOCALE_VALUE_SIZE
        and LOCALE_VALUES.fullmatch(value) is not None
    )


def judged_mounts(
    foreign: Sequence[Mapping[str, Any]], our_paths: Collection[str], volumes: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each mount of others in our container, with the objection to it: empty for a mount that may stay.

    The runtime resolves a mount's path at each start of the container, also at a restart. Suppose that
    volume `a` is mounted at /var/run/secrets/a, and `b` at /var/run/secrets/a/x. With a link x → /usr/lib
    in `a`, `b` lies over our program. So no mount may lie in another, and no volume may hold a link of the
    author's.
    """
    paths = [*our_paths, *(str(mount.get("mountPath")) for mount in foreign)]
    overlapping = _overlapping([_folder(path) for path in paths])
    written_by_kubelet = _written_by_kubelet(volumes)
    for number, mount in enumerate(foreign, start=1):
        path = str(mount.get("mountPath"))
        if number > MOUNTS_LIMIT:
            yield mount, f"others may mount {MOUNTS_LIMIT} volumes at most"
        elif not _is_below_secrets(path):
            yield mount, f"others may mount below {SECRETS_DIR} only"
        elif _folder(path) in overlapping:
            yield mount, "it is at, in or above another mount"
        elif str(mount.get("name")) not in written_by_kubelet:
            yield mount, f"others may mount {', '.join(KUBELET_VOLUMES)} volumes only"
        elif wrong := [field for field, plain in _MOUNT_DEFAULTS.items() if mount.get(field) not in plain]:
            yield mount, f"others may mount a whole volume only, without {' and '.join(wrong)}"
        else:
            yield mount, ""


def _is_below_secrets(path: str) -> bool:
    is_normal = posixpath.normpath(path) == path.rstrip("/") and len(path) <= PATH_SIZE
    return is_normal and path.startswith(SECRETS_DIR + "/")


def _folder(path: str) -> str:
    """The place that the path means, with a slash at its end. /run is /var/run under its other name."""
    place = posixpath.normpath("/" + path.lstrip("/")).rstrip("/") + "/"
    return "/var" + place if place.startswith("/run/") else place


def _overlapping(folders: Sequence[str]) -> set[str]:
    """The folders that are at, in or above another.

    A folder's text is the beginning of all that lies in it, so in sorted order they follow it at once.
    """
    result: set[str] = set()
    top = None
    for folder in sorted(folders):
        if top is not None and folder.startswith(top):
            result |= {top, folder}
        else:
            top = folder
    return result


def _written_by_kubelet(volumes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of volumes. A name that two volumes have is of neither."""
    names = [str(volume.get("name")) for volume in volumes]
    counts = Counter(names)
    return {
        name
        for name, volume in zip(names, volumes, strict=True)
        if counts[name] == 1 and _is_of_kubelet(volume)
    }


def _is_of_kubelet(volume: Mapping[str, Any]) -> bool:
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    return len(sources) == 1 and sources[0] in KUBELET_VOLUMES
