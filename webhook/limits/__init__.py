"""Limits on the connections, bytes and requests of strangers, and fair shares of a component's work."""
