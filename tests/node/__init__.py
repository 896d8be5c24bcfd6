"""A real Kubernetes for the tests, on this machine: `PYTHONPATH=tests python -m node COMMAND`."""
