"""Private authorities, TLS servers, and certificates that are renewed."""
