"""Rules that share out places by namespace, so that a crowd in one namespace does not delay others. Pure.

There are two rules, both from packet switches. A namespace may take a place while it holds fewer than are
free (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998).
Among namespaces that may, the namespace with the fewest places comes first; equals take turns.

Example with 16 places: a first namespace alone takes 8, a second namespace takes 4 of the rest, further
namespaces take 2, 1 and 1. So a new namespace gets a free place, or one of the next places to become free,
however many tasks of other namespaces wait.
"""

from collections.abc import Iterable, Mapping


def may_take(held: int, free: int) -> bool:
    """Whether a namespace that holds `held` places may take one of the `free` places."""
    return held < free


def next_namespace(waiting: Iterable[str], held: Mapping[str, int], free: int) -> str | None:
    """The namespace that gets the next place, or None. `waiting` is in the order of their turns."""
    allowed = (namespace for namespace in waiting if may_take(held.get(namespace, 0), free))
    return min(allowed, key=lambda namespace: held.get(namespace, 0), default=None)
