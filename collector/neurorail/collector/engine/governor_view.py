"""Pictures of the governor's books, taken on the applier's thread."""

from __future__ import annotations

from functools import partial

from neurorail.collector.engine.view import Asked
from neurorail.rules.engine import Engine
from neurorail.rules.governor.decided import Decided, decided


class AppliedGovernor:
    """Asks a running engine what it decided and what is left."""

    def __init__(self, engine: Asked) -> None:
        self._engine = engine

    async def decided(self, tenant: str) -> Decided:
        """How much was decided, and the newest decisions."""
        return await self._engine.ask(partial(_decided, tenant=tenant))


def _decided(engine: Engine, tenant: str) -> Decided:
    return decided(engine.state, tenant)
