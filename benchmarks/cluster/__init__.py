"""Measures the product on a node: its cost for a Pod, for the API server, and in memory.

Registries and Connectors come from `support.scenarios`. `support` is a package of the tests, so these
programs need PYTHONPATH=tests, as `make bench-cluster` and `make bench-crowd` set it.
"""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
