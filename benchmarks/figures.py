"""The figures by name, in the order of their measurement."""

from collections.abc import Callable, Mapping

from benchmarks.bench import Bench
from benchmarks.installs import pip_install, uv_install
from benchmarks.rounds import Samples
from benchmarks.small_files import small
from benchmarks.starts import memory, start
from benchmarks.transfers import download, page, upload

FIGURES: Mapping[str, Callable[[Bench], Samples]] = {
    "start": start,
    "memory": memory,
    "small": small,
    "download": download,
    "upload": upload,
    "page": page,
    "uv": uv_install,
    "pip": pip_install,
}
