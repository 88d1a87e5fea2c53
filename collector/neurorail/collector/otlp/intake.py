"""One request from its arrival to its answer, the same for gRPC and HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from neurorail.collector.inbox.errors import InboxClosed, InboxFailed, InboxFull
from neurorail.collector.inbox.protocol import Appends
from neurorail.collector.otlp.admission import Admission, AdmittedRequest
from neurorail.collector.otlp.auth import Authenticator, Caller, OpenAuthenticator
from neurorail.collector.otlp.compression import decompress
from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.export_path import ExportPath
from neurorail.collector.otlp.metrics import (
    FAILURE,
    REFUSED,
    SUCCESS,
    NoReceiverMetrics,
    ReceiverMetrics,
)
from neurorail.collector.otlp.pressure import NoPressure, Pressure
from neurorail.collector.otlp.refusal import Refusal, unavailable
from neurorail.collector.otlp.signals import SignalSpec
from neurorail.collector.otlp.status import Encoding, success_body

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Request:
    """What a transport knows of a request once all of it arrived."""

    spec: SignalSpec
    transport: str
    """`grpc` or `http`."""
    encoding: Encoding
    body: bytes
    caller: Caller
    content_encoding: str = ""


class Intake:
    """Takes requests: decides, appends to the inbox, answers after they are durable."""

    def __init__(
        self,
        config: ReceiverConfig,
        admission: Admission,
        inbox: Appends,
        *,
        pressure: Pressure | None = None,
        authenticator: Authenticator | None = None,
        metrics: ReceiverMetrics | None = None,
        path: ExportPath | None = None,
    ) -> None:
        """`path` refuses what this server exported and what comes round to it."""
        self.config = config
        self._path = path or ExportPath("")
        self._admission = admission
        self._inbox = inbox
        self._pressure = pressure or NoPressure()
        self._authenticator = authenticator or OpenAuthenticator()
        self._metrics = metrics or NoReceiverMetrics()
        self._inflight_requests = 0
        self._inflight_bytes = 0
        # One worker: large requests wait for each other, small ones for none of them.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="otlp-admission")

    def close(self) -> None:
        """Stop the worker thread. Idempotent."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def enter(
        self, spec: SignalSpec, transport: str, headers: Mapping[str, str]
    ) -> Caller | Refusal:
        """Decide from the headers alone whether a request may go on. Nothing was parsed yet."""
        caller = self._authenticator.authenticate(headers, spec.name)
        if isinstance(caller, Refusal):
            self._count_refusal(spec, transport)
            return caller
        refusal = self._path.enter(headers) or self._pressure.check() or self._too_busy()
        if refusal is not None:
            self._count_refusal(spec, transport)
            return refusal
        return caller

    def refuse(self, spec: SignalSpec, transport: str, refusal: Refusal) -> Refusal:
        """Count a refusal that the transport itself decided."""
        self._count_refusal(spec, transport)
        return refusal

    def fault(self, spec: SignalSpec, transport: str, error: Exception) -> Refusal:
        """Turn an unexpected error into a retryable refusal: the client must keep its data."""
        _log.exception("cannot take a %s request over %s", spec.name, transport, exc_info=error)
        self._metrics.request(spec.signal, transport, FAILURE)
        return unavailable("internal error; the request may be sent again", self._delay_s)

    def hold(self, size_bytes: int) -> Refusal | None:
        """Count bytes in memory for a request; give them back with `release`."""
        if self._inflight_bytes + size_bytes > self.config.max_inflight_bytes:
            return unavailable(
                f"{self._inflight_bytes} bytes of requests are in work, the limit is"
                f" {self.config.max_inflight_bytes}",
                self._delay_s,
            )
        self._inflight_bytes += size_bytes
        return None

    def release(self, size_bytes: int) -> None:
        """Give back what `hold` counted."""
        self._inflight_bytes -= size_bytes

    async def take(self, request: Request) -> bytes | Refusal:
        """Take one request; the answer's body once everything of it is durable."""
        self._inflight_requests += 1
        try:
            return await self._take(request)
        except Exception as error:
            return self.fault(request.spec, request.transport, error)
        finally:
            self._inflight_requests -= 1

    async def _take(self, request: Request) -> bytes | Refusal:
        spec, transport = request.spec, request.transport
        admitted = await self._admit(request)
        if isinstance(admitted, Refusal):
            self._count_refusal(spec, transport)
            return admitted
        if admitted.submissions:
            refusal = await self._store(request, admitted)
            if refusal is not None:
                self._count_refusal(spec, transport, admitted.items)
                return refusal
        self._count(spec, transport, admitted)
        return success_body(spec, request.encoding, admitted.items_rejected, admitted.message)

    async def _store(self, request: Request, admitted: AdmittedRequest) -> Refusal | None:
        """Append everything of a request at once; a refusal if nothing was stored."""
        grown_bytes = 0
        if request.content_encoding:
            # What waits for the disk is the decompressed request, and counts as such.
            size_bytes = sum(len(submission.body) for submission in admitted.submissions)
            grown_bytes = max(0, size_bytes - len(request.body))
        refusal = self.hold(grown_bytes)
        if refusal is not None:
            return refusal
        try:
            await self._inbox.append(admitted.submissions)
        except InboxFull as error:
            return unavailable(f"the inbox is full: {error}", self._delay_s)
        except (InboxClosed, InboxFailed) as error:
            return unavailable(f"the inbox takes no records now: {error}", self._delay_s)
        except Exception:
            self._metrics.failed(request.spec.signal, request.transport, admitted.items)
            raise
        finally:
            self.release(grown_bytes)
        return None

    async def _admit(self, request: Request) -> AdmittedRequest | Refusal:
        size = len(request.body)
        # A compressed body is often ten times smaller than what it holds.
        weight = size * 10 if request.content_encoding else size
        if weight <= self.config.offload_bytes:
            return self._read(request)
        return await self._offload(lambda: self._read(request))

    async def _offload(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _read(self, request: Request) -> AdmittedRequest | Refusal:
        body = decompress(request.body, request.content_encoding, self.config.max_request_bytes)
        if isinstance(body, Refusal):
            return body
        return self._admission.admit(request.spec.signal, request.encoding, body, request.caller)

    @property
    def _delay_s(self) -> float:
        return self.config.retry_delay_s

    def _too_busy(self) -> Refusal | None:
        if self._inflight_requests < self.config.max_inflight_requests:
            return None
        return unavailable(
            f"{self._inflight_requests} requests are in work, the limit is"
            f" {self.config.max_inflight_requests}",
            self._delay_s,
        )

    def _count(self, spec: SignalSpec, transport: str, admitted: AdmittedRequest) -> None:
        metrics, signal = self._metrics, spec.signal
        metrics.request(signal, transport, SUCCESS)
        if admitted.items:
            metrics.accepted(signal, transport, admitted.items)
        if admitted.rejected:
            metrics.refused(signal, transport, admitted.items_rejected)
        if admitted.strings_repaired:
            metrics.utf8_repaired(signal, transport, admitted.strings_repaired)
        if admitted.values_redacted:
            metrics.redacted(signal, transport, admitted.values_redacted)

    def _count_refusal(self, spec: SignalSpec, transport: str, items: int = 0) -> None:
        self._metrics.request(spec.signal, transport, REFUSED)
        if items:
            self._metrics.refused(spec.signal, transport, items)
