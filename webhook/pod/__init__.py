"""What a Pod asks for, and the Pod that results. Pure: a plain dict in, a plain dict out."""
