"""Connectors as administrators declare them, and the facts that a grant is judged by."""
