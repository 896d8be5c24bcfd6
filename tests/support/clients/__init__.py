"""Real package clients: the jobs that they do, and the places where they do them."""
