"""Backtests and replays that a running server does, one at a time, each in a process of its own."""
