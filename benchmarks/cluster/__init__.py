"""The product on a node: what a Pod, the API server, and the cluster's memory pay for it.

Registries and Connectors are those of the scenarios. They are in `support`, a package of the tests, so these
programs need PYTHONPATH=tests, as `make bench-cluster` and `make bench-crowd` set it.
"""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
