"""A Pod's request, the decision on it, and the Pod that results. Pure: a plain dict in, a plain dict out."""
