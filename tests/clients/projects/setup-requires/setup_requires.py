"""A module to build."""
