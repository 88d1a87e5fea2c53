"""TLS and mutual TLS on both listeners, with certificates made here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from pathlib import Path

import grpc
import grpc.aio
import httpx2
import pytest
from tests.collector.otlp.conftest import Running, Start
from tests.collector.otlp.telemetry import spans
from tests.support.certificates import Authority, Pair

from neurorail.collector.otlp.config import GrpcConfig, HttpConfig, ReceiverConfig, TlsConfig

BODY = spans(count=1).SerializeToString()
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def started(start: Start, authority: Authority, mutual: bool) -> Running:
    server = authority.issue("server")
    client_ca = str(authority.cert) if mutual else None
    tls = TlsConfig(str(server.cert), str(server.key), client_ca)
    return await start(ReceiverConfig(grpc=GrpcConfig(tls=tls), http=HttpConfig(tls=tls)))


async def export_grpc(running: Running, authority: Authority, client: Pair | None) -> None:
    credentials = grpc.ssl_channel_credentials(
        root_certificates=authority.cert.read_bytes(),
        private_key=client.key.read_bytes() if client else None,
        certificate_chain=client.cert.read_bytes() if client else None,
    )
    async with grpc.aio.secure_channel(running.grpc_target, credentials) as channel:
        await channel.unary_unary(EXPORT, None, None)(BODY, timeout=60)


async def export_http(running: Running, authority: Authority, client: Pair | None) -> int:
    context = ssl.create_default_context(cafile=str(authority.cert))
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    url = f"https://127.0.0.1:{running.receivers.http.port}/v1/traces"
    async with httpx2.AsyncClient(verify=context, timeout=60) as connection:
        headers = {"content-type": "application/x-protobuf"}
        return (await connection.post(url, content=BODY, headers=headers)).status_code


async def test_tls_without_client_certificates(start: Start, authority: Authority) -> None:
    running = await started(start, authority, mutual=False)

    await export_grpc(running, authority, None)
    assert await export_http(running, authority, None) == 200

    assert len(running.inbox.appends) == 2


async def test_mutual_tls_takes_clients_of_its_authority(
    start: Start, authority: Authority
) -> None:
    running = await started(start, authority, mutual=True)
    client = authority.issue("client")

    await export_grpc(running, authority, client)
    assert await export_http(running, authority, client) == 200

    assert len(running.inbox.appends) == 2


async def test_mutual_tls_turns_others_away(start: Start, authority: Authority) -> None:
    running = await started(start, authority, mutual=True)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await export_grpc(running, authority, None)
    with pytest.raises(httpx2.TransportError):
        await export_http(running, authority, None)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert running.inbox.appends == []


async def test_certificates_that_were_reloaded_outlive_the_listener(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    running = await started(start, authority, mutual=True)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    other.issue("server")
    for name in ("pem", "key"):
        (tmp_path / f"server.{name}").write_bytes(
            (tmp_path / "other" / f"server.{name}").read_bytes()
        )
    client = authority.issue("client")

    running.receivers.grpc.reload_certificates()
    await trusted(running, other, client)
    process = running.receivers.grpc.process
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await trusted(running, other, client)
    assert process.restarts == 1
    with pytest.raises(grpc.aio.AioRpcError):
        await export_grpc(running, authority, client)


async def trusted(running: Running, authority: Authority, client: Pair) -> None:
    """Export once the listener shows a certificate of this authority."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await export_grpc(running, authority, client)
                return


async def test_a_missing_certificate_is_an_error_at_start(start: Start, tmp_path: Path) -> None:
    tls = TlsConfig(str(tmp_path / "none.pem"), str(tmp_path / "none.key"))

    with pytest.raises(OSError, match=r"none\.key"):
        await start(ReceiverConfig(grpc=GrpcConfig(tls=tls)))
    with pytest.raises(OSError):  # noqa: PT011 - the message is OpenSSL's
        await start(ReceiverConfig(http=HttpConfig(tls=tls)))
