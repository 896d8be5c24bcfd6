"""The agreement between webhook, broker and sidecar. The webhook imports nothing else of the sidecar.

The images of webhook and sidecar hold different packages, and a rolling upgrade changes them one after the
other. This room therefore needs the standard library only, and imports no other room of the sidecar.
"""
