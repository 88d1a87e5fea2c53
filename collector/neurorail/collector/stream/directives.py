"""Which directives concern whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from neurorail.collector.stream.event import StreamEvent
from neurorail.collector.stream.filters import StreamFilter

DIRECTIVE_EVENTS = frozenset({"directive_issued", "directive_lifted", "budget_changed"})
"""What agents are told: besides directives, limits that a person set in place of their own."""


class _Told(msgspec.Struct, gc=False):
    """What is looked at of a directive's event."""

    scope: dict[str, str | None] = {}


_decoder = msgspec.json.Decoder(_Told)


@dataclass(frozen=True, slots=True)
class Concern:
    """What somebody says of itself, and what they may hear of."""

    facts: frozenset[tuple[str, str]] = frozenset()
    """Names of facts and values; several values of one name are alternatives."""
    missions: frozenset[str] | None = None
    """Missions of which directives about single entities may be told; None for all."""

    def includes(self, scope: Mapping[str, str | None], entity_ids: tuple[str, ...]) -> bool:
        """Whether a directive with this scope may concern them.

        Args:
            scope: the directive's.
            entity_ids: the chain of the entity it is about, as far as it is known.
        """
        named = {one for one in entity_ids if one.startswith("m_")}
        about_entity = "entity_id" in scope or any(name in _ID_FACTS for name in scope)
        if self.missions is not None and about_entity and not named & self.missions:
            return False
        for name, value in scope.items():
            if self._contradicts(name, value):
                return False
        wanted = {value for name, value in self.facts if name == "mission_id"}
        return not (wanted and named and about_entity) or bool(wanted & named)

    def _contradicts(self, name: str, value: str | None) -> bool:
        said = [known for fact, known in self.facts if fact == name]
        return bool(said) and value not in said


_ID_FACTS = frozenset({"mission_id", "plan_id", "job_id", "attempt_id", "resource_id"})


@dataclass(frozen=True, slots=True)
class DirectiveFilter(StreamFilter):
    """The directives of a tenant that concern somebody."""

    concern: Concern = Concern()

    def matches(self, event: StreamEvent) -> bool:
        """Whether a subscriber with this filter sees the event."""
        if event.tenant != self.tenant or event.event_type not in DIRECTIVE_EVENTS:
            return False
        return self.concern.includes(_decoder.decode(event.data).scope, event.entity_ids)
