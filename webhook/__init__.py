"""Admission webhook, credential broker and command line."""
