"""Kinds of registries as data, and a player for each of them."""
