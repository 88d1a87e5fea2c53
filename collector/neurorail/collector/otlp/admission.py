"""From a request's bytes to submissions: parse, validate, redact, split. No I/O, no transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError

from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.otlp import validation
from neurorail.collector.otlp.attribute_rules import AttributeRules
from neurorail.collector.otlp.auth import OPEN_CALLER, Caller
from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.identifiers import may_hold_bad_ids
from neurorail.collector.otlp.misdirected import looks_like_logs
from neurorail.collector.otlp.otlp_json import JsonError, json_to_protobuf
from neurorail.collector.otlp.redact import Redactor
from neurorail.collector.otlp.refusal import Refusal, bad_data, too_large
from neurorail.collector.otlp.signals import BY_SIGNAL
from neurorail.collector.otlp.split import split
from neurorail.collector.otlp.status import Encoding
from neurorail.collector.otlp.utf8 import MalformedError, repair_utf8

_COUNT: Final[Mapping[Signal, Callable[[Any], int]]] = {
    Signal.TRACES: validation.span_count,
    Signal.LOGS: validation.log_count,
    Signal.METRICS: validation.point_count,
}
_LOGS_AS_TRACES: Final = (
    "this looks like a logs export sent to the traces endpoint: no span has a trace id and a span"
    " id; send log records to /v1/logs or LogsService/Export"
)
_TOO_DEEP: Final = "MaxDepth"
"""What protobuf says of a message that holds messages in messages beyond its limit."""
_NESTED_TOO_DEEP: Final = (
    "an attribute value is nested deeper than protobuf parses, which is 100 messages: about 45"
    " lists or 30 maps in each other; send what is deeper as one string of JSON"
)


@dataclass(slots=True)
class AdmittedRequest:
    """A request that may be stored."""

    submissions: list[Submission]
    """In order; empty if there is nothing to store."""
    items: int = 0
    """Items accepted."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Items left out, by reason."""
    message: str = ""
    """What the client is told in `partial_success`."""
    strings_repaired: int = 0
    values_redacted: int = 0

    @property
    def items_rejected(self) -> int:
        """Items left out."""
        return sum(self.rejected.values())


@dataclass(slots=True)
class _Work:
    """A request on its way. `body` is what `message` was parsed from while not `changed`."""

    signal: Signal
    body: bytes
    message: Any
    changed: bool = False
    repaired: int = 0


class Admission:
    """Decides what of a request is stored."""

    def __init__(
        self,
        config: ReceiverConfig,
        redactor: Redactor | None,
        rules: AttributeRules | None = None,
    ) -> None:
        """`redactor` None keeps content as sent; `rules` are the operator's own, and may change."""
        self._config = config
        self._redactor = redactor
        self.rules = rules

    def admit(
        self, signal: Signal, encoding: Encoding, body: bytes, caller: Caller = OPEN_CALLER
    ) -> AdmittedRequest | Refusal:
        """Read one request, already decompressed, and decide what of it is stored.

        The bytes are passed on unchanged when nothing has to be altered.
        """
        if len(body) > self._config.max_request_bytes:
            return too_large("the request", self._config.max_request_bytes)
        work = self._parse(signal, encoding, body)
        if isinstance(work, Refusal):
            return work
        rejected = self._validate(work)
        if isinstance(rejected, Refusal):
            return rejected
        redacted = self._redact(work) + self._apply_rules(work)
        parts = self._parts(work)
        submissions = [
            Submission(Kind.TELEMETRY, signal, part, caller.tenant, caller.principal, items=items)
            for part, items in parts
        ]
        if rejected:
            submissions.append(_rejected_record(signal, rejected, caller))
        return AdmittedRequest(
            submissions,
            items=sum(items for _, items in parts),
            rejected=rejected,
            message=_message(signal, rejected),
            strings_repaired=work.repaired,
            values_redacted=redacted,
        )

    def _parse(self, signal: Signal, encoding: Encoding, body: bytes) -> _Work | Refusal:
        repaired = 0
        if encoding is Encoding.JSON:
            try:
                body, repaired = json_to_protobuf(signal, body)
            except JsonError as error:
                return bad_data(str(error), error.field)
        request = BY_SIGNAL[signal].request
        try:
            return _Work(signal, body, request.FromString(body), repaired=repaired)
        except DecodeError as error:
            if signal is Signal.TRACES and looks_like_logs(body):
                return bad_data(_LOGS_AS_TRACES)
            return _repaired(signal, body, error)

    def _validate(self, work: _Work) -> dict[str, int] | Refusal:
        if work.signal is Signal.METRICS:
            return {}
        suspect = may_hold_bad_ids(work.body)
        if work.signal is Signal.LOGS:
            rejected = validation.remove_invalid_logs(work.message) if suspect else {}
        else:
            if not suspect and validation.span_ids_valid(work.message):
                return {}
            if validation.all_spans_without_ids(work.message):
                return bad_data(_LOGS_AS_TRACES, "resource_spans")
            rejected = validation.remove_invalid_spans(work.message)
        work.changed = work.changed or bool(rejected)
        return rejected

    def _redact(self, work: _Work) -> int:
        redactor = self._redactor
        if redactor is None or not redactor.may_hold_content(work.signal, work.body):
            return 0
        if work.signal is Signal.TRACES:
            redacted = redactor.redact_spans(work.message)
        else:
            redacted = redactor.redact_logs(work.message)
        work.changed = work.changed or redacted > 0
        return redacted

    def _apply_rules(self, work: _Work) -> int:
        rules = self.rules
        if rules is None or not rules.may_concern(work.body):
            return 0
        redacted = rules.apply(work.message)
        work.changed = work.changed or redacted > 0
        return redacted

    def _parts(self, work: _Work) -> list[tuple[bytes, int]]:
        items = _COUNT[work.signal](work.message)
        if items == 0:
            return []
        if items > self._config.max_submission_items:
            return split(work.signal, work.message, self._config.max_submission_items)
        return [(work.message.SerializeToString() if work.changed else work.body, items)]


def _repaired(signal: Signal, body: bytes, error: DecodeError) -> _Work | Refusal:
    """Parse once more with strings made valid; protobuf gives up at the first bad byte."""
    if _TOO_DEEP in str(error):
        return bad_data(_NESTED_TOO_DEEP)
    request = BY_SIGNAL[signal].request
    malformed = f"the body is not a protobuf {request.DESCRIPTOR.name}"
    try:
        mended, count = repair_utf8(request.DESCRIPTOR, body)
    except MalformedError as reason:
        return bad_data(f"{malformed}: {reason}")
    if not count:
        return bad_data(f"{malformed}: {error}")
    try:
        return _Work(signal, mended, request.FromString(mended), repaired=count)
    except DecodeError as again:
        return bad_data(f"{malformed}: {again}")


def _message(signal: Signal, rejected: Mapping[str, int]) -> str:
    if not rejected:
        return ""
    total = sum(rejected.values())
    reasons = "; ".join(f"{validation.REASONS[why]}: {n}" for why, n in sorted(rejected.items()))
    return f"{total} {BY_SIGNAL[signal].item}(s) rejected: {reasons}"


def _rejected_record(signal: Signal, rejected: Mapping[str, int], caller: Caller) -> Submission:
    """Clients seldom look at partial success, so that rejections are a record of their own."""
    body = msgspec.json.encode(
        {
            "type": "rejected",
            "signal": BY_SIGNAL[signal].name,
            "reasons": dict(sorted(rejected.items())),
        }
    )
    return Submission(
        Kind.SYSTEM, Signal.NONE, body, caller.tenant, caller.principal, encoding="json"
    )
