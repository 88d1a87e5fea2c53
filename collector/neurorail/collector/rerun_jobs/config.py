"""Limits of the backtests and replays that a running server does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RerunConfig:
    """One runs at a time, in a process of its own that steps back behind everything else."""

    waiting: int = 8
    """Backtests and replays that wait for the one that runs; more are refused."""
    time_max_s: int = 3_600
    """One that takes longer is ended."""
    memory_max_bytes: int = 2 << 30
    """Of the process that does it."""
    scratch_max_bytes: int = 8 << 30
    """Of each file that it keeps state in meanwhile, in the data directory."""
    reports: int = 100
    """Reports that are kept; the oldest goes first."""
    report_days: int = 90
    """Days that a report is kept."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            least = 0 if name == "waiting" else 1
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.memory_max_bytes < 256 << 20:
            raise ValueError("memory_max_bytes must be at least 256 MiB")
