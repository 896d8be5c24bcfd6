"""The sidecar: as a process, as a server in this process, and its parts for tests of each."""
