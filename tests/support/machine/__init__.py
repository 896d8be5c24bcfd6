"""The machine that the tests run on: addresses, networks, processes, environments of Python, and time."""
