"""Mutual TLS by configuration: the official exporters with a certificate get in, others do not."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpSpanExporter,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from tests.end_to_end.rail import MS, Chain, Rail, config_file, until
from tests.support.certificates import Authority, Pair
from tests.support.otlp_requests import traces
from tests.support.process import running_server
from tests.support.waiting import PATIENCE_S

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True)
class Secured:
    """A rail whose receivers want certificates."""

    rail: Rail
    authority: Authority

    def grpc_credentials(self, client: Pair | None) -> grpc.ChannelCredentials:
        """Trust in the server, and the client's own certificate."""
        return grpc.ssl_channel_credentials(
            self.authority.cert.read_bytes(),
            client.key.read_bytes() if client else None,
            client.cert.read_bytes() if client else None,
        )


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A server of its own: the shared one speaks plain text."""
    folder: Path = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    own = authority.issue("server")
    files = {"cert_file": own.cert, "key_file": own.key, "client_ca_file": authority.cert}
    tls = {"tls": {name: str(path) for name, path in files.items()}}
    config = config_file(folder, otlp={"grpc": tls, "http": tls})
    with running_server(folder / "data", "--config", str(config)) as server:
        yield Secured(Rail(server), authority)


def exporter(secured: Secured, protocol: str, client: Pair) -> SpanExporter:
    server = secured.rail.server
    if protocol == "grpc":
        credentials = secured.grpc_credentials(client)
        return GrpcSpanExporter(
            endpoint=f"https://{server.otlp_grpc}", credentials=credentials, timeout=PATIENCE_S
        )
    return HttpSpanExporter(
        endpoint=f"{server.otlp_http}/v1/traces",
        certificate_file=str(secured.authority.cert),
        client_certificate_file=str(client.cert),
        client_key_file=str(client.key),
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_client_of_the_authority(
    secured: Secured, chain: Chain, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The exporter's HTTP library would prefer it to the authority it is given.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    client = secured.authority.issue(f"client-{protocol}")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter(secured, protocol, client)))
    own: dict[str, Any] = {**chain.attributes(1), "neurorail.entity.type": "mission"}
    with provider.get_tracer("tests").start_as_current_span("run", attributes=own):
        pass
    provider.shutdown()
    assert secured.rail.ended(chain)["mission"]["state"] == "succeeded"


def test_strangers_are_turned_away(secured: Secured, chain: Chain, tmp_path: Path) -> None:
    stranger = Authority(tmp_path).issue("stranger")
    now = time.time_ns()
    body = traces(chain.entity("mission", 1, times=(now - MS, now)))
    target = secured.rail.server.otlp_grpc
    for credentials in (secured.grpc_credentials(None), secured.grpc_credentials(stranger)):
        with grpc.secure_channel(target, credentials) as channel:
            export = channel.unary_unary(EXPORT, None, None)
            with pytest.raises(grpc.RpcError) as caught:
                export(body, timeout=60)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    secured.rail.must_be_ready()


def test_plain_text_is_no_way_in(secured: Secured) -> None:
    address = secured.rail.server.otlp_http
    assert address.startswith("https://")
    connection = http.client.HTTPConnection(address.removeprefix("https://"), timeout=60)
    try:
        connection.request("POST", "/v1/traces", body=b"")
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.getresponse()
    finally:
        connection.close()
    with grpc.insecure_channel(secured.rail.server.otlp_grpc) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(EXPORT, None, None)(b"", timeout=60)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    secured.rail.must_be_ready()


def serial_of(address: str, authority: Authority, client: Pair) -> int:
    """The serial number of the certificate that a receiver shows now."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.load_cert_chain(client.cert, client.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((host, int(port)), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_certificate_that_is_replaced_is_shown_after_sighup(secured: Secured) -> None:
    client = secured.authority.issue("client-of-sighup")
    server = secured.rail.server
    listeners = (server.otlp_grpc, server.otlp_http.removeprefix("https://"))

    def shown() -> set[int]:
        return {serial_of(address, secured.authority, client) for address in listeners}

    (before,) = shown()
    replaced = secured.authority.issue("server")
    expected = x509.load_pem_x509_certificate(replaced.cert.read_bytes()).serial_number
    assert expected != before
    assert shown() == {before}, "not before it is told"
    os.kill(server.process.pid, signal.SIGHUP)
    until("the new certificate", lambda: shown() == {expected})
