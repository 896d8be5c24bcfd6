"""Connectors' status: one look at class, Secrets and registry, told as conditions, by one replica."""
