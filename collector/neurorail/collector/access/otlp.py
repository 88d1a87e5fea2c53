"""The gate in front of the OTLP receivers."""

from __future__ import annotations

from typing import Final

from neurorail.collector.access.denials import DenialLog
from neurorail.collector.access.gate import Gate, Headers, permit
from neurorail.collector.access.permissions import SIGNAL_PERMISSIONS
from neurorail.collector.access.verdicts import Denial
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.refusal import Code, Refusal

_UNKNOWN_ADDRESS: Final = "otlp"


class OtlpGate:
    """Lets agents' keys send telemetry, and others who may write what the signal changes.

    Telemetry is not rated by the number of requests: receivers push back by what they hold.
    """

    def __init__(self, gate: Gate, denials: DenialLog) -> None:
        self._gate = gate
        self._denials = denials

    def authenticate(self, headers: Headers, signal: str) -> Caller | Refusal:
        """The caller of an export of `traces`, `logs` or `metrics`, or why there is none."""
        found = self._gate.authenticate(headers)
        if not isinstance(found, Denial):
            needed = (SIGNAL_PERMISSIONS[signal],)
            denial = permit(found, needed, agents=True, scoped=False)
            if denial is None:
                return Caller(found.tenant, found.name)
            found = denial
        self._denials.note(found, f"otlp {signal}", _UNKNOWN_ADDRESS)
        code = Code.PERMISSION_DENIED if found.authenticated else Code.UNAUTHENTICATED
        return Refusal(code, found.detail)
