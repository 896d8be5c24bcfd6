"""Rewrites the links of index pages, HTML and JSON, while they stream. Pure."""
