"""Scenarios on a node: the product, registries and Jobs on it, and attacks."""
