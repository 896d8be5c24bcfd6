"""How places are shared out by namespace, so that nobody's neighbours wait for their crowd. Pure.

Two rules, both of packet switches. A namespace may take a place while it holds fewer than are free
(Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998).
Of those that may, the namespace with the fewest places comes first; among equals they take turns.

Of 16 places, one namespace alone takes 8, a second one 4 more, then 2, 1 and 1. So whoever comes next finds a
place at once, or gets one of the next that are given back, however many wait in other namespaces.
"""

from collections.abc import Iterable, Mapping


def may_take(held: int, free: int) -> bool:
    """Whether a namespace that holds so many places may take a further one of the free ones."""
    return held < free


def next_namespace(waiting: Iterable[str], held: Mapping[str, int], free: int) -> str | None:
    """The namespace that gets the next place; None: none may. `waiting` is in the order of their turns."""
    allowed = (one for one in waiting if may_take(held.get(one, 0), free))
    return min(allowed, key=lambda one: held.get(one, 0), default=None)
