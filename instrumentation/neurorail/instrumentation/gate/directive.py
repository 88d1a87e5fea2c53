"""One thing that may not be done at the moment, and why."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.instrumentation.errors import NeuroRailRefused

KILL: Final = "kill"
CANCEL: Final = "cancel"
SUSPEND: Final = "suspend"
CONFIRM: Final = "confirm"
THROTTLE: Final = "throttle"
ACTIONS: Final = (KILL, CANCEL, SUSPEND, CONFIRM, THROTTLE)
"""What a directive does, strictest first. The first two also end work that runs."""
BUDGET_CODE: Final = "NR-E002"

NS_PER_MS: Final = 1_000_000


@dataclass(slots=True)
class Directive:
    """Holds for everything whose facts equal `scope`; an empty scope is everything."""

    id: str
    action: str
    scope: Mapping[str, str | None]
    """None where a fact has to be absent."""
    code: str
    reason: str
    rule: str = ""
    expires_monotonic_ns: int = 0
    """By the monotonic clock, from when it was received; 0 for never."""
    bucket: Bucket | None = None
    """What still passes of a throttle, or of a circuit that is being probed."""

    @property
    def ends_work(self) -> bool:
        """Whether running work is to end, not only the next call not to be made."""
        return self.action in (KILL, CANCEL)

    def expired(self, now_monotonic_ns: int) -> bool:
        """Whether its time is over."""
        return 0 < self.expires_monotonic_ns <= now_monotonic_ns

    def match(self) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
        """The facts its scope names, sorted, and the values they must have."""
        entity_id = self.scope.get("entity_id")
        if entity_id is not None:
            return (f"{self.scope.get('entity_type', 'mission')}_id",), (entity_id,)
        # Whose directives these are, credentials say.
        names = tuple(sorted(name for name in self.scope if name != "tenant"))
        return names, tuple(self.scope[name] for name in names)

    def refusal_now(self) -> NeuroRailRefused:
        """What to raise in place of the call."""
        now_monotonic_ns = time.monotonic_ns()
        return NeuroRailRefused(
            self.code,
            self.reason,
            rule=self.rule or self.id,
            scope=scope_text(self.scope),
            retry_after_ms=self._retry_after_ms(now_monotonic_ns),
            cancelled=self.ends_work,
        )

    def _retry_after_ms(self, now_monotonic_ns: int) -> int | None:
        if self.bucket is not None:
            return self.bucket.retry_after_ms(now_monotonic_ns)
        if self.ends_work or self.action == CONFIRM or not self.expires_monotonic_ns:
            return None
        return max(-(-(self.expires_monotonic_ns - now_monotonic_ns) // NS_PER_MS), 1)


@dataclass(slots=True)
class Bucket:
    """Lets `burst` calls through at once and `calls` in every `every_ms`; shared by threads."""

    calls: int
    every_ms: int
    burst: int
    _tokens: float = -1.0
    _filled_at_ns: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, now_monotonic_ns: int) -> bool:
        """Take one; False if there is none."""
        with self._lock:
            self._fill(now_monotonic_ns)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def retry_after_ms(self, now_monotonic_ns: int) -> int | None:
        """When there will be one; None if there never will."""
        with self._lock:
            self._fill(now_monotonic_ns)
            missing = 1 - self._tokens
            if missing <= 0:
                return 1
            return int(missing * self.every_ms / self.calls) + 1 if self.calls else None

    def _fill(self, now_monotonic_ns: int) -> None:
        if self._tokens < 0:
            self._tokens = float(self.burst)
        else:
            passed_ms = (now_monotonic_ns - self._filled_at_ns) / NS_PER_MS
            self._tokens = min(self._tokens + passed_ms * self.calls / self.every_ms, self.burst)
        self._filled_at_ns = now_monotonic_ns


def scope_text(scope: Mapping[str, str | None]) -> str:
    """A scope in one line: an entity's id, or `model=gpt-4o,provider=openai`; `*` is everything."""
    entity_id = scope.get("entity_id")
    if entity_id is not None:
        return entity_id
    return ",".join(f"{name}={scope[name]}" for name in sorted(scope)) or "*"


def read_directive(given: Mapping[str, Any]) -> Directive:
    """A directive as the server writes it; its lifetime begins now.

    Raises:
        ValueError: it is none.
    """
    scope, limits = given.get("scope"), given.get("limits") or {}
    identifier = given.get("directive_id") or given.get("id")
    if not isinstance(identifier, str) or not isinstance(scope, Mapping):
        raise ValueError(f"no directive: {str(given)[:80]!r}")
    ttl_ms = given.get("ttl_ms")
    now = time.monotonic_ns()
    return Directive(
        id=identifier,
        action=str(given.get("action") or SUSPEND),
        scope={str(name): None if value is None else str(value) for name, value in scope.items()},
        code=str(given.get("code") or "NR-E006"),
        reason=str(given.get("reason") or "the server says so"),
        rule=str(given.get("rule") or ""),
        # A lifetime of 0 is over at once; 0 in our field means for ever.
        expires_monotonic_ns=0 if ttl_ms is None else max(now + int(ttl_ms) * NS_PER_MS, 1),
        bucket=_read_bucket(limits),
    )


def _read_bucket(limits: Mapping[str, Any]) -> Bucket | None:
    if "calls" in limits:
        calls, every_ms = int(limits["calls"]), max(int(limits.get("every_ms", 1_000)), 1)
        return Bucket(calls, every_ms, max(int(limits.get("burst", calls)), 1))
    if "probes" in limits:
        # So many probes, and then none until the server says how they went.
        return Bucket(0, 1_000, int(limits["probes"]))
    return None
