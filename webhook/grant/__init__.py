"""What an injected Pod may have. Pure but for `granting`, which asks the port `cluster`."""
