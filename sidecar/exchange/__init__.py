"""A request's way: from the client's socket to the registry and back."""
