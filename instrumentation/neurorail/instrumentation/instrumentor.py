"""Everything at once, without a line of code: `opentelemetry-instrument python agent.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from neurorail.instrumentation.configure import configure
from neurorail.instrumentation.guards.google import guard_google
from neurorail.instrumentation.guards.langchain import guard_langchain
from neurorail.instrumentation.guards.mcp import guard_mcp
from neurorail.instrumentation.guards.openai_agents import guard_openai_agents
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.guards.stainless import guard_anthropic, guard_openai
from neurorail.instrumentation.process_mission import ProcessMission
from neurorail.instrumentation.safety import Safely

GUARDS: Final[dict[str, Callable[[Patches], None]]] = {
    "openai": guard_openai,
    "anthropic": guard_anthropic,
    "google.genai": guard_google,
    "langchain_core": guard_langchain,
    "agents": guard_openai_agents,
    "mcp": guard_mcp,
}
"""By the module whose import is waited for."""
LOADER: Final = "opentelemetry.instrumentation.auto_instrumentation._load"
OFFICIAL: Final = (
    "opentelemetry-instrumentation-genai-",
    "opentelemetry-instrumentation-google-genai",
)
"""How the names of the official GenAI instrumentations begin."""


class NeuroRailInstrumentor(BaseInstrumentor):  # type: ignore[misc,unused-ignore]
    """Sets up telemetry and gate, guards the libraries it knows, and opens the process's mission.

    `opentelemetry-instrument` finds it by its entry point; by hand it is
    `NeuroRailInstrumentor().instrument()`. It can be undone with `uninstrument()`.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: it guards what there is."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        configure()
        self._patches = Patches()
        self._patches.active = True
        self._brought: list[Any] = []
        for module, guard in GUARDS.items():
            with Safely(f"guarding {module}"):
                self._patches.on_import(module, guard)
        if kwargs.get("official", LOADER not in sys.modules):
            self._brought = bring_official()
        self._mission = ProcessMission()
        self._mission.open()

    def _uninstrument(self, **kwargs: Any) -> None:
        self._mission.close()
        for instrumentor in self._brought:
            with Safely("taking away an instrumentation"):
                instrumentor.uninstrument()
        self._patches.take_away()


def bring_official() -> list[Any]:
    """Start the official GenAI instrumentations that are installed and not started yet."""
    brought = []
    for entry in entry_points(group="opentelemetry_instrumentor"):
        if _is_official(entry):
            with Safely(f"starting {entry.name}"):
                instrumentor = entry.load()()
                if not instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.instrument()
                    brought.append(instrumentor)
    return brought


def _is_official(entry: EntryPoint) -> bool:
    distribution = entry.dist
    name = "" if distribution is None else distribution.name.lower().replace("_", "-")
    return name.startswith(OFFICIAL)
