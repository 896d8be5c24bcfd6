"""HTTP edges and processes of admission and broker. Holds no policy."""
