"""The grant: how it is fetched, how long it serves, and how far a registry's 401 is believed."""
