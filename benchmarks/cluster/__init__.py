"""The product on a node: what a Pod, the API server, and the cluster's memory pay for it.

Registries and Connectors are those of the scenarios (`tests/support`), which is no package but a folder on
the path: for pytest by its configuration, here by the lines below.
"""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

sys.path.append(str(CHECKOUT / "tests" / "support"))
