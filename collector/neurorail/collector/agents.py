"""Agents that are connected, as they announce themselves; in memory, so that they do it again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HEARTBEAT_MS: Final = 10_000
"""How often agents announce themselves."""
GONE_AFTER_MS: Final = 35_000
"""Silence after which an agent is not connected any more."""
AGENTS_MAX: Final = 10_000
"""Agents remembered; the one that was silent for longest is forgotten first, and counted."""
_MS: Final = 1_000_000


@dataclass(slots=True)
class Agent:
    """A process that announced itself."""

    tenant: str
    instance_id: str
    principal: str
    said: Mapping[str, Any]
    """What it says of itself: names, versions, the state of its gate."""
    first_unix_nano: int
    last_unix_nano: int


@dataclass(slots=True)
class Agents:
    """The agents of a server. Used on its event loop alone."""

    clock: Callable[[], int]
    forgotten: int = 0
    """Agents that were forgotten while they were connected, because there were too many."""
    _known: OrderedDict[tuple[str, str], Agent] = field(default_factory=OrderedDict)

    def announced(
        self, tenant: str, instance_id: str, principal: str, said: Mapping[str, Any]
    ) -> bool:
        """Take a heartbeat; whether the agent was not connected before."""
        now = self.clock()
        self._forget_silent(now)
        key = (tenant, instance_id)
        agent = self._known.pop(key, None)
        self._known[key] = Agent(
            tenant,
            instance_id,
            principal,
            said,
            now if agent is None else agent.first_unix_nano,
            now,
        )
        if len(self._known) > AGENTS_MAX:
            self._known.popitem(last=False)
            self.forgotten += 1
        return agent is None

    def connected(self, tenant: str) -> list[Agent]:
        """The agents of a tenant, the one that was heard of last first."""
        self._forget_silent(self.clock())
        return [agent for agent in reversed(self._known.values()) if agent.tenant == tenant]

    def total(self) -> int:
        """How many agents are connected, of all tenants."""
        self._forget_silent(self.clock())
        return len(self._known)

    def _forget_silent(self, now: int) -> None:
        known = self._known
        while known:
            oldest = next(iter(known.values()))
            if now - oldest.last_unix_nano < GONE_AFTER_MS * _MS:
                return
            known.popitem(last=False)
