"""The main job on a single machine: a registry, admission, broker and a Pod."""
