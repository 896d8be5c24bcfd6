"""What may pass: routes, file names, package policy, and the answers to what may not. Pure."""
