"""Waiting: the event loop, its threads, connections and bodies. Knows no registry."""
