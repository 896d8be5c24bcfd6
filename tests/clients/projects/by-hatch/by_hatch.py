"""A module to publish."""
