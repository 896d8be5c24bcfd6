"""The only talk with the API server: requests, watches, caches, Events, certificates."""
