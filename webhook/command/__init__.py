"""The command line, a module per command: `run`, `inject`, `check`."""
