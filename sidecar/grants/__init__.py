"""From token to grant, how long it lives, and how far a registry's 401 is believed."""
