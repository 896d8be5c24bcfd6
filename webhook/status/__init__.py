"""Keeps each Connector's status true: reads its Secrets, probes its registry, writes conditions."""
