"""The gRPC listener of a whole server dies: nothing acknowledged is lost, and it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import psutil
from tests.end_to_end.rail import MS, SERVICES, Chain, Rail, until
from tests.support.otlp_requests import traces
from tests.support.process import STOP_S, ServerProcess, child_of, running_server

SENDERS = 4
MISSIONS = 40
"""Of each sender."""
KILLED_AFTER = 50


def listener_of(server: ServerProcess) -> psutil.Process:
    """The process that speaks gRPC."""
    return child_of(server.process.pid, "neurorail.collector.otlp.listener")


def settled(metrics: dict[str, float]) -> bool:
    """Whether a listener that was started again has told its numbers."""
    restarted = metrics["neurorail_listener_restarts"] > 0
    return restarted and metrics["neurorail_listener_memory_rss"] > 1_000_000


def mission(chain: Chain) -> bytes:
    now = time.time_ns()
    return traces(chain.entity("mission", 1, times=(now - MS, now)))


def test_a_listener_that_is_killed_under_load_loses_nothing(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    sent = threading.Semaphore(0)

    def send(target: str) -> list[Chain]:
        acknowledged = []
        with grpc.insecure_channel(target) as channel:
            export = channel.unary_unary(f"{SERVICES}.trace.v1.TraceService/Export", None, None)

            def taken(body: bytes) -> bool:
                try:
                    export(body, timeout=STOP_S)
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    return False
                return True

            for _ in range(MISSIONS):
                chain = Chain()
                body = mission(chain)
                until("a request is taken", partial(taken, body))
                acknowledged.append(chain)
                sent.release()
        return acknowledged

    # Nobody else takes the port while nothing listens on it.
    there = ("--otlp-grpc", f"127.0.0.1:{free_port()}")
    with running_server(tmp_path / "data", *there) as server:
        rail, killed = Rail(server), listener_of(server)
        with ThreadPoolExecutor(SENDERS) as threads:
            runs = [threads.submit(send, server.otlp_grpc) for _ in range(SENDERS)]
            for _ in range(KILLED_AFTER):
                assert sent.acquire(timeout=STOP_S)
            killed.kill()
            chains = [chain for run in runs for chain in run.result()]
        assert len(chains) == SENDERS * MISSIONS
        for chain in chains:
            assert rail.ended(chain)["mission"]["state"] == "succeeded"
        # The last answers may be from before its end.
        until("another listener says how it is", lambda: settled(rail.metrics()))
        assert rail.metrics()["neurorail_listener_restarts"] == 1
        rail.must_be_ready()
        again = listener_of(server)
    assert again.pid != killed.pid
    again.wait(STOP_S)


def test_a_listener_ends_with_its_server(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        listener = listener_of(server)
        server.kill()
        listener.wait(STOP_S)
