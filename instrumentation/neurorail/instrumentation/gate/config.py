"""How a process is governed: where the server is, and what holds while it cannot be reached."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast
from urllib.parse import urlsplit

Mode: TypeAlias = Literal["auto", "direct", "rail"]
MODES: Final = ("auto", "direct", "rail")
API_PORT: Final = 8000
LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Settings of the gate; `from_environment` reads them."""

    endpoint: str
    """The server's API, for example `http://127.0.0.1:8000`; empty for no server."""
    api_key: str | None = None
    mode: Mode = "auto"
    """`auto` does what the manifest says; `direct` never asks, `rail` always does."""
    fail_closed: bool = False
    """Whether nothing is done while the server cannot be asked."""
    timeout_ms: int = 2_000
    """Longest wait for a decision."""
    guessed: bool = False
    """Whether nobody named the endpoint: then it is no fault if nobody answers there."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> GateConfig:
        """The settings of `NEURORAIL_…` variables.

        Without `NEURORAIL_ENDPOINT` a server is looked for beside a local OTLP endpoint, at port
        8000, and nowhere else.

        Raises:
            ValueError: a variable says something impossible.
        """
        variables = os.environ if environment is None else environment
        endpoint = variables.get("NEURORAIL_ENDPOINT", "").strip()
        guessed = not endpoint
        if guessed:
            endpoint = _beside_otlp(variables)
        mode = variables.get("NEURORAIL_MODE", "auto").strip().lower()
        if mode not in MODES:
            raise ValueError(f"NEURORAIL_MODE = {mode!r}: write one of {', '.join(MODES)}")
        fail = variables.get("NEURORAIL_FAIL", "open").strip().lower()
        if fail not in ("open", "closed"):
            raise ValueError(f"NEURORAIL_FAIL = {fail!r}: write open or closed")
        timeout = variables.get("NEURORAIL_TIMEOUT_MS", "2000").strip()
        if not timeout.isdecimal() or timeout == "0":
            raise ValueError(f"NEURORAIL_TIMEOUT_MS = {timeout!r}: write milliseconds, 1 or more")
        return cls(
            "" if endpoint.lower() == "none" else endpoint,
            variables.get("NEURORAIL_API_KEY") or None,
            cast("Mode", mode),
            fail == "closed",
            int(timeout),
            guessed,
        )


def _beside_otlp(variables: Mapping[str, str]) -> str:
    otlp = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    host = urlsplit(otlp).hostname or ""
    return f"http://127.0.0.1:{API_PORT}" if host in LOOPBACK else ""
