"""The certificates that admission and broker serve."""
