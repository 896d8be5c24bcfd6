"""HTTP/1.1 without input or output: heads, headers, validators, origins. Pure."""
