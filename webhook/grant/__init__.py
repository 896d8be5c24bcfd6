"""The decision on the grant of an injected Pod. Pure but for `granting`, which asks the port `cluster`."""
