"""Asks about asyncio without importing it: whoever runs an event loop has it imported already."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


def running_loop() -> AbstractEventLoop | None:
    """The event loop that runs on this thread, if any."""
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()


def is_cancellation(error: BaseException) -> bool:
    """Whether a task of asyncio was cancelled."""
    exceptions = sys.modules.get("asyncio.exceptions")
    return exceptions is not None and isinstance(error, exceptions.CancelledError)
