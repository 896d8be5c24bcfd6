"""The places of the test cluster's files: all are outside the checkout, in one folder of the cache."""

import hashlib
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pypi-connector" / "cluster"


def keyed(name: str, version: str, *sources: Path) -> Path:
    """A folder named by version and content, so that builds of other sources are never mistaken for this."""
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    return CACHE / f"{name}-{version}-{digest}"
