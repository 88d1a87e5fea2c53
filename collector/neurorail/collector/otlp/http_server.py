"""Serving the OTLP/HTTP application with uvicorn, inside a running event loop."""

from __future__ import annotations

import asyncio
import ssl

import uvicorn

from neurorail.collector.embedded_server import EmbeddedServer, bound
from neurorail.collector.otlp.config import HttpConfig, ReceiverConfig
from neurorail.collector.otlp.http_app import HttpApp
from neurorail.collector.otlp.intake import Intake


class HttpReceiver:
    """Listens for OTLP over HTTP."""

    def __init__(self, config: ReceiverConfig, intake: Intake) -> None:
        self._config = config.http
        self._app = HttpApp(config, intake)
        self._server: EmbeddedServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._port: int | None = None
        self._ssl: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: not started.
        """
        if self._port is None:
            raise RuntimeError("the HTTP receiver is not started: call start() first")
        return self._port

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            OSError: the address cannot be bound, or a TLS file cannot be read.
        """
        uvicorn_config = server_config(self._config, self._app)
        uvicorn_config.load()
        listener = bound(self._config.host, self._config.port)
        server = EmbeddedServer(uvicorn_config)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="otlp-http")
        while not server.started:
            # uvicorn tells of its start by a flag only; it is set within a few turns of the loop.
            if task.done():
                listener.close()
                task.result()
                raise OSError("the HTTP receiver ended while it started")
            await asyncio.sleep(0)
        self._port = listener.getsockname()[1]
        self._server, self._task = server, task
        self._ssl = uvicorn_config.ssl

    def reload_certificates(self) -> None:
        """Read certificate and key anew; connections made from now on see them.

        Raises:
            OSError: a file cannot be read, or the two do not belong together (`ssl.SSLError`).
        """
        if self._ssl is not None and self._config.tls is not None:
            self._ssl.load_cert_chain(self._config.tls.cert_file, self._config.tls.key_file)

    async def stop(self) -> None:
        """Take no new requests, let those in flight end, close. Idempotent."""
        server, task = self._server, self._task
        self._server = self._task = self._port = None
        if server is not None and task is not None:
            server.end()
            await task


def server_config(config: HttpConfig, app: HttpApp) -> uvicorn.Config:
    """The uvicorn settings; every limit stated, none left to defaults."""
    tls = config.tls
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=config.backlog,
        timeout_keep_alive=config.keepalive_timeout_s,
        timeout_graceful_shutdown=config.stop_grace_s,
        ssl_certfile=tls.cert_file if tls else None,
        ssl_keyfile=tls.key_file if tls else None,
        ssl_ca_certs=tls.client_ca_file if tls else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_ca_file else ssl.CERT_NONE,
    )
