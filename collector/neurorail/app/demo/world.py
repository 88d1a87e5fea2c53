"""What the server says about entities, asked over its API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurorail.app.commands.trace import entity_type_of
from neurorail.app.demo.observed import Observed
from neurorail.client import Client, Problem, StreamMessage


class ServerWorld:
    """Answers from the API and the stream. An entity is asked for once a look."""

    def __init__(self, client: Client, observed: Observed) -> None:
        self._client = client
        self._observed = observed
        self._known: dict[str, dict[str, Any] | None] = {}

    def entity(self, entity_id: str) -> dict[str, Any] | None:
        """The entity with its `descendants`; None when the server does not know it."""
        if entity_id not in self._known:
            self._known[entity_id] = self._ask(entity_id)
        return self._known[entity_id]

    def about(self, entity_id: str, event_type: str) -> Sequence[StreamMessage]:
        """Events of a type about an entity."""
        return self._observed.about(entity_id, event_type)

    def _ask(self, entity_id: str) -> dict[str, Any] | None:
        kind = entity_type_of(entity_id)
        try:
            body = self._client.get_json(f"/api/neurorail/v1/identity/trace/{kind}/{entity_id}")
        except Problem as error:
            if error.status == 404:
                return None
            raise
        return {**body[kind], "descendants": body["descendants"]}
