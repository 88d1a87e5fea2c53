"""The gRPC listener's process as the server sees it: started, asked, and started again."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from neurorail.collector.otlp import listener_messages as messages
from neurorail.collector.otlp.listener_link import BrokenLinkError, Frame, Kind, Link, connect
from neurorail.collector.own_process import how_it_ended, launch

MODULE: Final = "neurorail.collector.otlp.listener"
START_S: Final = 60.0
STOP_S: Final = 5.0
"""How long it may take to end beyond the grace that its calls have."""
PAUSE_MIN_S: Final = 0.1
PAUSE_MAX_S: Final = 10.0
"""Pauses before it is started again double from the one to the other."""
SETTLED_S: Final = 60.0
"""After so long the next pause is the shortest again."""
SMALL_BYTES: Final = 1 << 20
"""Whatever the limit of requests: so long may other messages be."""

Take = Callable[[Link, Frame], None]
_log = logging.getLogger(__name__)


class _Run:
    """One process, from its start to its end."""

    def __init__(self, take: Take, request_bytes_max: int) -> None:
        self._take_request = take
        self._request_bytes_max = request_bytes_max
        self._end, theirs = socket.socketpair()
        with theirs:
            self._process = launch(MODULE, theirs)
        self._link: Link | None = None
        self._port: asyncio.Future[int] | None = None
        self._lost = asyncio.Event()
        self.stats = messages.Stats()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def listen(self, listen: messages.Listen) -> int:
        """Let it listen; its port.

        Raises:
            RuntimeError: it cannot, or it ended.
        """
        port = self._port = asyncio.get_running_loop().create_future()
        size = max(self._request_bytes_max, SMALL_BYTES)
        self._link = await connect(self._end, lambda: Link(self._take, self._lose, size))
        self._link.send(Frame(Kind.LISTEN, payload=messages.pack(listen)))
        try:
            return await asyncio.wait_for(port, START_S)
        except TimeoutError:
            raise RuntimeError(f"the gRPC listener did not start within {START_S:.0f} s") from None

    def _take(self, frame: Frame) -> None:
        link, port = self._link, self._port
        assert link is not None, "nothing comes before it is connected"
        assert port is not None, "the same"
        match frame.kind:
            case Kind.REQUEST | Kind.CALLER | Kind.REFUSED:
                self._take_request(link, frame)
            case Kind.STATS:
                self.stats = messages.unpack_stats(frame.payload)
            case Kind.LISTENING:
                port.set_result(frame.number)
            case Kind.FAILED:
                port.set_exception(RuntimeError(frame.payload.decode()))
            case _:
                raise BrokenLinkError(f"a listener does not say {frame.kind.name}")

    def _lose(self) -> None:
        self._lost.set()
        if self._port is not None and not self._port.done():
            self._port.set_exception(RuntimeError("the gRPC listener ended before it listened"))

    def reload(self, certificates: messages.Certificates) -> None:
        """Show other certificates."""
        if self._link is not None:
            self._link.send(Frame(Kind.RELOAD, payload=messages.pack(certificates)))

    async def ended(self) -> str:
        """Wait until it is gone; how it ended."""
        await self._lost.wait()
        return how_it_ended(await self._wait())

    async def stop(self, grace_s: float) -> None:
        """Let calls in flight end, for a while, and then the process."""
        try:
            if self._link is not None:
                self._link.send(Frame(Kind.STOP, round(grace_s * 1000)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._lost.wait(), grace_s + STOP_S)
                    await self._wait()
        finally:
            self.kill()

    async def _wait(self) -> int:
        """Wait for the process, whose link is closed already; its status."""
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, STOP_S)
        self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End it at once. Idempotent."""
        self._process.kill()
        self._process.wait()
        if self._link is None:
            self._end.close()
        else:
            self._link.abort()


class ListenerProcess:
    """Runs the listener; one that ended by itself is followed by another on the same port.

    `take` gets requests, with the link that takes their answers.
    """

    def __init__(self, take: Take, request_bytes_max: int) -> None:
        self._take = take
        self._request_bytes_max = request_bytes_max
        self._run: _Run | None = None
        self._listen: messages.Listen | None = None
        self._watching: asyncio.Task[None] | None = None
        self.restarts = 0
        """How often it ended by itself and was started again."""
        self.failure: str | None = None
        """Why there is none now, while another one is being started."""

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return None if self._run is None else self._run.pid

    @property
    def stats(self) -> messages.Stats:
        """What the process last said that it uses."""
        return messages.Stats() if self._run is None else self._run.stats

    def launch(self) -> None:
        """Start the process, which does nothing yet, without waiting for it."""
        if self._run is None:
            self._run = _Run(self._take, self._request_bytes_max)

    async def start(self, listen: messages.Listen, host: str) -> int:
        """Listen; the port. One that follows listens there too.

        Raises:
            RuntimeError: the address cannot be bound, or the process ended.
        """
        self.launch()
        run = self._run
        assert run is not None, "just launched"
        try:
            port = await run.listen(listen)
        except BaseException:
            self._run = None
            run.kill()
            raise
        self._listen = msgspec.structs.replace(listen, address=f"{host}:{port}")
        self._watching = asyncio.create_task(self._watch(run))
        return port

    def reload(self, certificates: messages.Certificates) -> None:
        """Show other certificates from now on."""
        if self._listen is not None:
            self._listen = msgspec.structs.replace(self._listen, certificates=certificates)
        if self._run is not None:
            self._run.reload(certificates)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, let those in flight end, end the process. Idempotent."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        run, self._run = self._run, None
        if run is not None:
            await run.stop(grace_s)

    async def _watch(self, run: _Run) -> None:
        pause_s = PAUSE_MIN_S
        while True:
            began_s = time.monotonic()
            self.failure = f"the gRPC listener {await run.ended()}"
            _log.error("%s; it is started again", self.failure)
            if time.monotonic() - began_s >= SETTLED_S:
                pause_s = PAUSE_MIN_S
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
                try:
                    run = await self._again()
                except Exception as error:
                    _log.error("the gRPC listener cannot be started again yet: %s", error)
                else:
                    break
            self.failure = None

    def _what_was_told(self) -> messages.Listen:
        assert self._listen is not None, "it was started before"
        return self._listen

    async def _again(self) -> _Run:
        listen = self._what_was_told()
        self.restarts += 1
        self._run = None
        run = _Run(self._take, self._request_bytes_max)
        try:
            await run.listen(listen)
        except BaseException:
            run.kill()
            raise
        self._run = run
        latest = self._what_was_told()
        if latest is not listen and latest.certificates is not None:
            run.reload(latest.certificates)  # They were replaced meanwhile.
        return run
