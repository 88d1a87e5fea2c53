"""Looks whether a server can run here, and whether the one that runs is well."""
