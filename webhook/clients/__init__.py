"""What pip, uv, twine and the others are given: URLs, ports, files, variables. Pure."""
