"""Telling those who appended what became of it, with one wake-up per event loop and group."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeAlias

from neurorail.collector.envelope import Stamp
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.inbox.queue import Waiter

Answer: TypeAlias = "list[Stamp] | InboxError"
LoopAnswer: TypeAlias = "tuple[asyncio.Future[list[Stamp]], Answer]"


def deliver(answers: Iterable[tuple[Waiter, Answer]]) -> None:
    """Resolve the waiters of a group, from the committer's thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[LoopAnswer]] = {}
    for waiter, answer in answers:
        if isinstance(waiter, concurrent.futures.Future):
            # Threads first: resolving theirs needs no event loop.
            _resolve(waiter, answer)
        elif waiter is not None:
            by_loop.setdefault(waiter.get_loop(), []).append((waiter, answer))
    for loop, entries in by_loop.items():
        # A loop that was closed meanwhile has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve_all, entries)


def _resolve_all(entries: list[LoopAnswer]) -> None:
    for future, answer in entries:
        _resolve(future, answer)


def _resolve(
    future: asyncio.Future[list[Stamp]] | concurrent.futures.Future[list[Stamp]], answer: Answer
) -> None:
    if future.done():
        return  # the caller went away; what it handed in is stored all the same
    if isinstance(answer, InboxError):
        future.set_exception(answer)
    else:
        future.set_result(answer)
