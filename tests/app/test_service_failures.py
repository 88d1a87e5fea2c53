"""A server whose engine or listener is killed: not ready, still acknowledging, whole afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from tests.end_to_end.rail import Chain, Rail, until
from tests.support.otlp_requests import traces
from tests.support.process import STOP_S, child_of, running_server

from neurorail.app.config_load import load
from neurorail.app.service import Service
from neurorail.collector.otlp.listener_process import ListenerProcess

PROTOBUF = {"content-type": "application/x-protobuf"}
ANYWHERE = {"address": "127.0.0.1:0"}


def mission(chain: Chain) -> bytes:
    """A request with one whole mission."""
    now = time.time_ns()
    return traces(chain.entity("mission", 1, times=(now - 1_000_000, now)))


def test_a_server_without_its_engine_says_so_and_still_takes_in(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "data_dir": tmp_path,
        "otlp": {"grpc": ANYWHERE, "http": ANYWHERE},
        "api": ANYWHERE,
    }

    async def run() -> str | None:
        service = Service(load(None, options))
        addresses = await service.start()
        try:
            async with httpx2.AsyncClient(timeout=STOP_S) as client:
                ready = f"http://{addresses.api}/ready"
                assert (await client.get(ready)).status_code == 200
                assert service._engine.pid is not None
                os.kill(service._engine.pid, signal.SIGKILL)
                await asyncio.wait_for(service._over.wait(), STOP_S)
                refused = await client.get(ready)
                assert refused.status_code == 503
                assert "the engine's process was killed by SIGKILL" in refused.text
                taken = await client.post(
                    f"http://{addresses.otlp_http}/v1/traces",
                    content=mission(Chain()),
                    headers=PROTOBUF,
                )
                assert taken.status_code == 200, taken.text
                query = f"http://{addresses.api}/api/neurorail/v1/identity/trace/mission/m_1"
                unavailable = await client.get(query)
                assert unavailable.status_code == 503
                assert unavailable.json()["type"] == "urn:neurorail:problem:engine-unavailable"
        finally:
            ended = await asyncio.wait_for(service.run_until_over(), STOP_S)
        return ended

    said = asyncio.run(run())
    assert said == "the engine stopped: the engine's process was killed by SIGKILL"


def test_a_server_without_its_grpc_listener_says_so_until_there_is_another(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "data_dir": tmp_path,
        "otlp": {"grpc": ANYWHERE, "http": ANYWHERE},
        "api": ANYWHERE,
    }

    async def run() -> None:
        service = Service(load(None, options))
        addresses = await service.start()
        listener = service._receivers.grpc.process
        host, port = addresses.otlp_grpc.split(":")
        try:
            async with httpx2.AsyncClient(timeout=STOP_S) as client, asyncio.timeout(STOP_S):
                ready = f"http://{addresses.api}/ready"
                with await taken_from(listener, host, int(port)) as taker:
                    taker.listen()  # Nobody else can, so that the listener does not come back yet.
                    while (refused := await client.get(ready)).status_code == 200:
                        await asyncio.sleep(0.01)
                    assert refused.status_code == 503
                    assert "the gRPC listener was killed by SIGKILL" in refused.text
                    taken = await client.post(
                        f"http://{addresses.otlp_http}/v1/traces",
                        content=mission(Chain()),
                        headers=PROTOBUF,
                    )
                    assert taken.status_code == 200, taken.text
                while (await client.get(ready)).status_code != 200:
                    await asyncio.sleep(0.01)
                metrics = (await client.get(f"http://{addresses.api}/metrics")).text
                assert re.search(r"^neurorail_listener_restarts [1-9]", metrics, re.MULTILINE)
        finally:
            await service.stop()

    asyncio.run(run())


async def taken_from(listener: ListenerProcess, host: str, port: int) -> socket.socket:
    """A socket that has the port of a listener that is killed, and of those that follow it."""
    while True:
        if listener.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(listener.pid, signal.SIGKILL)
        taker = socket.socket()
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taker.bind((host, port))
        except OSError:
            taker.close()
            await asyncio.sleep(0.01)
        else:
            return taker


def history(rail: Rail, chain: Chain, count: int) -> list[dict[str, Any]] | None:
    """The steps of a mission, once there are so many."""
    told = rail.get(f"/lifecycle/history/mission/{chain.mission}")["transitions"]
    return told if len(told) >= count else None


def test_serve_ends_with_status_1_when_its_engine_dies_and_the_next_goes_on(tmp_path: Path) -> None:
    data_dir, chain = tmp_path / "data", Chain()
    command = [sys.executable, "-m", "neurorail.app.cli", "serve", "--data-dir", str(data_dir)]
    for name in ("--otlp-grpc", "--otlp-http", "--api"):
        command += [name, "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            found = re.search(r"OTLP/HTTP (\S+),", ready)
            assert found, ready
            engine = child_of(server.pid, "neurorail.collector.engine.worker")
            engine.suspend()
            # Acknowledged, though nobody applies it now.
            response = httpx2.post(
                f"{found[1]}/v1/traces", content=mission(chain), headers=PROTOBUF, timeout=STOP_S
            )
            assert response.status_code == 200, response.text
            engine.kill()
            _, complaints = server.communicate(timeout=STOP_S)
        finally:
            server.kill()
    assert server.returncode == 1, complaints
    assert "neurorail: the engine stopped: the engine's process was killed by SIGKILL" in complaints
    assert "Traceback" not in complaints
    with running_server(data_dir) as again:
        rail = Rail(again)
        assert rail.ended(chain)["mission"]["state"] == "succeeded"
        told = until("its history", partial(history, rail, chain, 4))
        assert [step["to_state"] for step in told] == ["pending", "queued", "running", "succeeded"]
