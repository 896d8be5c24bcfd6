"""The rules of the proxy: routes, file names, package policy, and the answers to refused requests. Pure."""
