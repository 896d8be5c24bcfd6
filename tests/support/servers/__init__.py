"""Servers beside the product: scripted registries, real ones, relays and proxies."""
