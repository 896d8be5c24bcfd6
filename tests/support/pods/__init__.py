"""Pods: their fields, edits of them, their runs, and what `explain` reads about them."""
