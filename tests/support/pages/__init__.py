"""Index pages: as registries write them, as clients read them, and generated ones."""
