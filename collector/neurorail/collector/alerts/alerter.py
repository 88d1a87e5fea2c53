"""Reads alerts from the events, and sends them until they are taken."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from neurorail.collector.alerts.message import Event, message_of, wanted
from neurorail.collector.alerts.post import Answer, post
from neurorail.collector.alerts.queue import AlertQueue, Waiting
from neurorail.collector.alerts.webhook import Webhook
from neurorail.collector.decode.system import NotedRecord, encode_system
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.stream import HubClosed, HubFull, StreamHub, Subscription
from neurorail.collector.stream.subscription import Missed

GIVE_UP_AFTER_S: Final = 86_400.0
"""Age at which a message that nobody took is given up."""
BACKOFF_S: Final = 1.0
BACKOFF_MAX_S: Final = 300.0
RETRY_AFTER_MAX_S: Final = 3_600.0
LOOK_EVERY_S: Final = 1.0
"""How often what is due is looked for."""
CURSOR_EVERY_S: Final = 10.0
"""How often the place in the events is kept while there is no alert."""
THREADS: Final = 4
_READ_AGAIN: Final = frozenset({"behind", "replay_failed", "server_busy"})
"""Why events are missing that can still be read."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Alerter:
    """The alerts of one server. `start` and `stop` on its event loop; files and sockets elsewhere.

    Args:
        path: The file that holds what waits.
        webhooks: Where to; with none, nothing is read and nothing is sent.
        hub: Where events come from.
        append: Puts a record of a result into the inbox.
        node: The server's name.
    """

    def __init__(
        self,
        path: Path,
        webhooks: Sequence[Webhook],
        hub: StreamHub,
        append: Callable[[list[Submission]], Awaitable[object]],
        node: str,
    ) -> None:
        self._path = path
        self._webhooks = {webhook.name: webhook for webhook in webhooks}
        self._filter = wanted(webhooks)
        self._hub = hub
        self._append = append
        self._node = node
        self._queue: AlertQueue | None = None
        self._threads = ThreadPoolExecutor(THREADS, "alerts")
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Event()
        self._taking = False
        """Whether events that the subscription has handed out are not all kept yet."""
        self.results: Counter[str] = Counter(delivered=0, failed=0, retried=0, unrecorded=0)
        """Since the start: messages taken, given up, tried again; results that are on no record."""
        self.waiting = 0
        """Messages that wait, as they were last counted."""

    async def start(self) -> None:
        """Begin where the last run stopped."""
        if not self._webhooks:
            return
        self._queue = await self._elsewhere(AlertQueue, self._path)
        for one in await self._elsewhere(self._queue.unknown, list(self._webhooks)):
            await self._given_up(one, Answer(0, f"no webhook {one.webhook} is configured any more"))
        await self._set_place()
        work: list[Callable[[], Awaitable[None]]] = [self._read]
        work += [partial(self._send, webhook) for webhook in self._webhooks.values()]
        self._tasks = [asyncio.create_task(self._kept_up(one)) for one in work]

    async def stop(self) -> None:
        """Send nothing more; what waits stays. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        # A request that is under way ends by its own timeout; its message waits and comes again.
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._queue is not None:
            self._queue.close()
            self._queue = None

    async def _elsewhere(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _kept_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something for ever: a file that cannot be written now is tried again."""
        while True:
            try:
                await work()
                return
            except (sqlite3.Error, OSError) as error:
                _log.error("alerts wait, this is tried again: %s", error)
                await asyncio.sleep(LOOK_EVERY_S)

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def _read(self) -> None:
        after: str | None = await self._elsewhere(self._opened().cursor)
        while True:
            try:
                # Without a place there was no event yet: then everything is new.
                subscription = self._hub.subscribe(self._filter, last_event_id=after or None)
            except HubClosed:
                return
            except HubFull:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            keep = partial(self._keep_place, subscription)
            keeper = asyncio.create_task(self._kept_up(keep))
            try:
                after = await self._follow(subscription, after)
            finally:
                subscription.close()
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            if after is None:
                return

    async def _set_place(self) -> None:
        """At the very first start nothing before it is sent."""
        queue = self._opened()
        if await self._elsewhere(queue.cursor) is None:
            await self._elsewhere(queue.looked_at, self._hub.head_id)

    async def _follow(self, subscription: Subscription, after: str | None) -> str | None:
        """Take events until the stream is over (None), or has to be taken up again after one."""
        async for batch in subscription.events():
            if isinstance(batch, Missed):
                if batch.reason in _READ_AGAIN:
                    await asyncio.sleep(LOOK_EVERY_S)
                    return batch.resume_after or after or ""
                _log.warning("alerts may be missing, the stream lost events: %s", batch.reason)
                continue
            self._taking = True
            for event in batch:
                await self._take(Event(event))
                after = event.event_id
            self._taking = False
        return None

    async def _keep_place(self, subscription: Subscription) -> None:
        """Keep how far the events were looked at, so that a restart looks at little twice."""
        kept = ""
        while True:
            await asyncio.sleep(CURSOR_EVERY_S)
            place = subscription.last_id
            if place != kept and not self._taking:
                await self._elsewhere(self._opened().looked_at, place)
                kept = place

    async def _take(self, event: Event) -> None:
        tenant = event.tenant
        message = message_of(event, self._node)
        bodies = [
            (webhook.name, tenant, webhook.body(message))
            for webhook in self._webhooks.values()
            if event.for_webhook(webhook)
        ]
        given_up = await self._elsewhere(self._opened().add, event.id, bodies, time.time())
        for one in given_up:
            await self._failed(one, Answer(0, "too many messages wait"))
        named = event.named_webhook()
        if named is not None and named not in self._webhooks:
            await self._note(
                "alert_failed", event.id, named, 0, Answer(0, f"no webhook {named} is configured"),
                tenant,
            )  # fmt: skip
            self.results["failed"] += 1
        self._arrived.set()
        self._arrived = asyncio.Event()

    # ── sending ──────────────────────────────────────────────────────────────────────────────

    async def _send(self, webhook: Webhook) -> None:
        queue = self._opened()
        while True:
            arrived = self._arrived
            one = await self._elsewhere(queue.due, webhook.name, time.time())
            self.waiting = await self._elsewhere(queue.size)
            if one is None:
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await arrived.wait()
                except TimeoutError:
                    pass
                continue
            headers = webhook.headers(one.event_id, one.body, int(time.time()))
            answer = await self._elsewhere(post, webhook.url, one.body, headers, webhook.timeout_s)
            await self._answered(one, answer)

    async def _answered(self, one: Waiting, answer: Answer) -> None:
        queue = self._opened()
        if answer.taken:
            await self._note(
                "alert_delivered", one.event_id, one.webhook, one.attempts + 1, answer, one.tenant
            )
            await self._elsewhere(queue.remove, one.number)
            self.results["delivered"] += 1
        elif answer.final or time.time() - one.first_unix_s >= GIVE_UP_AFTER_S:
            await self._given_up(one, answer)
        else:
            wait_s = backoff_s(one.attempts, answer.retry_after_s, random.random())
            await self._elsewhere(queue.later, one.number, time.time() + wait_s)
            self.results["retried"] += 1

    async def _given_up(self, one: Waiting, answer: Answer) -> None:
        await self._failed(one, answer)
        await self._elsewhere(self._opened().remove, one.number)

    async def _failed(self, one: Waiting, answer: Answer) -> None:
        _log.error("alert %s was not taken by %s: %s", one.event_id, one.webhook, answer.error)
        attempts = one.attempts + (1 if answer.status else 0)
        await self._note("alert_failed", one.event_id, one.webhook, attempts, answer, one.tenant)
        self.results["failed"] += 1

    async def _note(
        self, kind: str, event_id: str, webhook: str, attempts: int, answer: Answer, tenant: str
    ) -> None:
        """Put a result on record. What cannot be recorded was sent all the same."""
        data = {
            "alert_event_id": event_id,
            "webhook": webhook,
            "attempts": attempts,
            "status": answer.status or None,
            "error": answer.error or None,
        }
        failed = kind == "alert_failed"
        noted = NotedRecord(
            kind, data, f"alert to {webhook} {'failed' if failed else 'delivered'}",
            "error" if failed else "info",
        )  # fmt: skip
        record = Submission(
            Kind.SYSTEM, Signal.NONE, encode_system(noted), tenant, "server", encoding="json"
        )
        try:
            await self._append([record])
        except InboxError as error:
            self.results["unrecorded"] += 1
            _log.error("the result of an alert could not be put on record: %s", error)

    def _opened(self) -> AlertQueue:
        assert self._queue is not None, "start comes first"
        return self._queue


def backoff_s(attempts: int, retry_after_s: float | None, chance: float) -> float:
    """How long to wait after so many attempts before this one; `chance` is 0 to 1."""
    wait_s: float = min(BACKOFF_S * 2 ** min(attempts, 20), BACKOFF_MAX_S) * (0.5 + chance / 2)
    return max(wait_s, min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))
