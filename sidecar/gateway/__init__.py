"""The gateway: the sidecar's engine for all Connectors at once, for clients that present a token."""
