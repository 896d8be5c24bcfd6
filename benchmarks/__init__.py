"""Measures the proxy against other proxies and a direct client, over an https registry on loopback."""
