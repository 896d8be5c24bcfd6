"""Connectors as administrators declare them, and the facts from which a grant is judged."""
