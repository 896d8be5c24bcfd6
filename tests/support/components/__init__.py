"""Admission, broker and controller, in this process or in their own, on a cluster of the test."""
