"""The terminal, for text that comes from elsewhere."""

from __future__ import annotations

from rich.console import Console


def plain_console(*, quiet: bool = False) -> Console:
    """A console that writes text as it is: no `[markup]` in it, and `:a:` is no picture."""
    return Console(markup=False, emoji=False, highlight=False, quiet=quiet)
