"""What the demonstration sees of the server: its live stream, counted as it comes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from neurorail.client import Client, StreamMessage

VIOLATIONS: Final = frozenset({"budget_violation", "transition_rejected"})
"""What the server and ControlDeck count as violations; other severe events accompany one."""
EVENTS_MAX: Final = 50_000
"""Events kept for the checks; a run makes a few hundred. The oldest leave first."""
NEWEST: Final = 12


@dataclass(slots=True)
class Tally:
    """Sums over the events so far."""

    events: int = 0
    missions: int = 0
    attempts: int = 0
    tokens: int = 0
    cost_usd_pico: int = 0
    violations: int = 0
    orphans: int = 0
    """Those that are still without a parent."""
    by_type: Counter[str] = field(default_factory=Counter)


class Observed:
    """Follows the stream on a thread of its own. Reading is safe from any thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._events: deque[StreamMessage] = deque(maxlen=EVENTS_MAX)
        self._newest: deque[StreamMessage] = deque(maxlen=NEWEST)
        self._tally = Tally()
        self._stopping = threading.Event()
        self._connected = threading.Event()
        self.failure: str | None = None
        """Why the stream was given up."""
        self._thread = threading.Thread(target=self._follow, name="demo-stream", daemon=True)

    def start(self, timeout_s: float = 10.0) -> bool:
        """Connect; whether the stream is open within the time."""
        self._thread.start()
        return self._connected.wait(timeout_s)

    def stop(self) -> None:
        """Take no notice of what comes from now on. The connection ends with the server."""
        self._stopping.set()

    def tally(self) -> Tally:
        """The sums now."""
        with self._lock:
            tally = self._tally
            return Tally(
                tally.events,
                tally.missions,
                tally.attempts,
                tally.tokens,
                tally.cost_usd_pico,
                tally.violations,
                tally.orphans,
                Counter(tally.by_type),
            )

    def newest(self) -> list[StreamMessage]:
        """The events that came last, oldest first."""
        with self._lock:
            return list(self._newest)

    def about(self, entity_id: str, event_type: str) -> list[StreamMessage]:
        """Events of a type that name an entity as their own."""
        with self._lock:
            return [
                event
                for event in self._events
                if event.event_type == event_type and _names(event, entity_id)
            ]

    def _follow(self) -> None:
        try:
            for message in self._client.follow_events(
                on_state=self._on_state, wait=self._stopping.wait
            ):
                if self._stopping.is_set():
                    return
                self._take(message)
        except Exception as error:
            # The thread must not die in silence: the summary names the reason.
            self.failure = f"{type(error).__name__}: {error}"

    def _on_state(self, state: str) -> None:
        if state == "connected":
            self._connected.set()

    def _take(self, message: StreamMessage) -> None:
        with self._lock:
            self._events.append(message)
            self._newest.append(message)
            tally, data = self._tally, message.data
            tally.events += 1
            tally.by_type[message.event_type] += 1
            tally.violations += message.event_type in VIOLATIONS
            tally.orphans += message.event_type == "orphan_detected"
            tally.orphans -= message.event_type == "orphan_lifted"
            if message.event_type == "state_changed" and data.get("transition") == "create":
                tally.missions += data.get("entity_type") == "mission"
                tally.attempts += data.get("entity_type") == "attempt"
            elif message.event_type == "cost_tracked":
                tally.tokens += _whole(data.get("llm_tokens"))
                tally.cost_usd_pico += _whole(data.get("cost_usd_pico"))


def _names(event: StreamMessage, entity_id: str) -> bool:
    own = event.data.get("entity_id")
    if own:
        return bool(own == entity_id)
    return entity_id in {
        event.data.get(f"{level}_id") for level in ("mission", "plan", "job", "attempt", "resource")
    }


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
