"""Manifests at the edge: what reading one needs from outside, and what becomes of it in records."""
