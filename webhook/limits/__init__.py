"""Limits of what strangers can make a component hold, and fair shares of its work."""
