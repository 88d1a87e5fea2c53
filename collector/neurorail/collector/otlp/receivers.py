"""Both listeners, built from one configuration and started and stopped together."""

from __future__ import annotations

from neurorail.collector.inbox.protocol import Appends
from neurorail.collector.otlp.admission import Admission
from neurorail.collector.otlp.attribute_rules import AttributeRules
from neurorail.collector.otlp.auth import Authenticator
from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.export_path import ExportPath
from neurorail.collector.otlp.grpc_server import GrpcReceiver
from neurorail.collector.otlp.http_server import HttpReceiver
from neurorail.collector.otlp.intake import Intake
from neurorail.collector.otlp.metrics import ReceiverMetrics
from neurorail.collector.otlp.pressure import (
    AnyPressure,
    MemoryPressure,
    Pressure,
    default_memory_limit_bytes,
    resident_memory_bytes,
)
from neurorail.collector.otlp.redact import Redactor


class Receivers:
    """OTLP over gRPC and HTTP into one inbox."""

    def __init__(
        self,
        config: ReceiverConfig,
        inbox: Appends,
        redaction_key: bytes,
        *,
        pressure: Pressure | None = None,
        authenticator: Authenticator | None = None,
        metrics: ReceiverMetrics | None = None,
        rules: AttributeRules | None = None,
        path: ExportPath | None = None,
    ) -> None:
        """`pressure` is asked besides the memory limit; `redaction_key` is the data directory's.

        `rules` say what besides content is not stored; `path` refuses what the
        server exported itself.

        Raises:
            ValueError: the redaction key is too short.
        """
        redactor = (
            None if config.store_content else Redactor(redaction_key, config.allow_content_keys)
        )
        self.admission = Admission(config, redactor, rules)
        """Decides what of a request is stored."""
        self._intake = Intake(
            config,
            self.admission,
            inbox,
            pressure=self._pressure(config, pressure),
            authenticator=authenticator,
            metrics=metrics,
            path=path,
        )
        self.grpc = GrpcReceiver(config, self._intake)
        self.http = HttpReceiver(config, self._intake)

    def launch(self) -> None:
        """Start what takes a while to start, without waiting for it. Call it on the main thread."""
        self.grpc.process.launch()

    async def start(self) -> None:
        """Listen on both addresses, or on neither.

        Raises:
            OSError: an address cannot be bound, or a TLS file cannot be read.
            RuntimeError: the gRPC address cannot be bound.
        """
        await self.grpc.start()
        try:
            await self.http.start()
        except BaseException:
            await self.grpc.stop()
            raise

    def reload_certificates(self) -> None:
        """Let both listeners read their certificates anew.

        Raises:
            OSError: a file cannot be read, or certificate and key do not belong together.
        """
        self.http.reload_certificates()
        self.grpc.reload_certificates()

    async def stop(self) -> None:
        """Stop listening and let requests in flight end. Idempotent."""
        await self.http.stop()
        await self.grpc.stop()
        self._intake.close()

    def _pressure(self, config: ReceiverConfig, more: Pressure | None) -> Pressure:
        limit_bytes = config.memory_limit_bytes
        if limit_bytes is None:
            limit_bytes = default_memory_limit_bytes()
        memory = MemoryPressure(limit_bytes, config.retry_delay_s, self._resident_bytes)
        return memory if more is None else AnyPressure([more, memory])

    def _resident_bytes(self) -> int | None:
        """What the server and its gRPC listener hold in memory."""
        own = resident_memory_bytes()
        return None if own is None else own + self.grpc.process.stats.memory_rss
