"""The main job on an embedded default: registry, webhook, broker and one Pod."""
