"""The engine: a pure, synchronous function of its state and the record it is given.

No clock, no randomness, no I/O. The same records in the same order give the same events.
"""
