"""Places of a registry's index, as the sidecar's routes read them from a grant."""

from sidecar.contract.grant import Grant
from sidecar.rules.layout import Layout

GRANT = Grant(
    version="1",
    index_url="https://registry.example/repository/pypi/simple/",
    upload_url="https://registry.example/repository/pypi/",
    file_origins=("https://files.example", "https://mirror.example:8443"),
    ca=None,
    credential=None,
    soft_seconds=300.0,
    hard_seconds=3600.0,
    broker_ca=(),
    address="https://registry.example/",
)
LAYOUT = Layout.of(GRANT)
SIMPLE = Layout.of(GRANT._replace(index_url="https://registry.example/simple/"))
AT_ROOT = Layout.of(GRANT._replace(index_url="https://registry.example/"))
BELOW_ALIAS = Layout.of(GRANT._replace(index_url="https://registry.example/simple/main/"))
READ_ONLY = Layout.of(GRANT._replace(upload_url=None))
OWN, INDEX = "https://registry.example", "/repository/pypi/simple/"
WHEEL = "requests-2.32.0-py3-none-any.whl"
