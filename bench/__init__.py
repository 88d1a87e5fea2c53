"""Measurements: how fast, how much memory, and what survives. `python -m bench --help`."""
