"""Configuration of pip, uv, twine and other clients: URLs, ports, files, variables. Pure."""
