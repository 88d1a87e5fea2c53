"""Tests of a manifest's rules, written in YAML: what happens when, and what has to be said."""
