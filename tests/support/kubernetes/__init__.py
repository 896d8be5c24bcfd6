"""API servers, real and in memory, and namespaces, users and objects on them."""
