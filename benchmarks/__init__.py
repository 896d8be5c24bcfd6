"""The proxy measured against nginx and a direct client, over one https registry on loopback."""
