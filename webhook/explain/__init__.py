"""`pypi-connector explain`: facts of a cluster in, sentences out."""
