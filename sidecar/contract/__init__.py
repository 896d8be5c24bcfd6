"""What webhook, broker and sidecar agree on. All that the webhook may import of the sidecar.

The images of webhook and sidecar hold different packages, and a rolling upgrade changes them one after the
other. So this room needs the standard library only, and imports no other room of the sidecar.
"""
