"""All communication with the API server: requests, watches, caches, Events, certificates. Decides nothing."""
