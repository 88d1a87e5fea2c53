"""A run of a program is a mission: what governs agents that say nothing of missions themselves."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import Final

from neurorail.instrumentation.budget import Budget
from neurorail.instrumentation.chain import attempt, job, mission, plan
from neurorail.instrumentation.current import chain_ids, set_ambient
from neurorail.instrumentation.entity import Entity

VARIABLE: Final = "NEURORAIL_PROCESS_MISSION"
OFF: Final = frozenset({"false", "0", "no", "off"})


class ProcessMission:
    """Opened once, closed when Python ends. Work in any thread without a chain belongs to it.

    `NEURORAIL_PROCESS_MISSION` names it, or is `false`: then every trace is a mission of its own,
    which suits servers. Its limits are `NEURORAIL_BUDGET_MAX_TOKENS` and so on. A process that a
    parent started inside its own chain goes on in that one instead.
    """

    def __init__(self) -> None:
        self._open: list[Entity] = []

    def open(self) -> None:
        """Begin, unless there is a chain already or none is wanted.

        Raises:
            ValueError: a limit in the environment is none.
        """
        name = os.environ.get(VARIABLE, "").strip()
        if name.lower() in OFF or chain_ids():
            return
        limits = Budget.from_environment()
        for entity in (
            mission(name or _program(), budget=limits, tags={"program": _program()}),
            plan(),
            job("agent_run"),
            attempt(1),
        ):
            # A refusal here would be the end of a program that may not call a model at all.
            entity.enter_unasked()
            self._open.append(entity)
        set_ambient(self._open[-1].ids, self._open[-1])
        atexit.register(self.close)

    def close(self) -> None:
        """End it, as the program ended."""
        atexit.unregister(self.close)
        error = getattr(sys, "last_value", None)
        set_ambient({})
        while self._open:
            self._open.pop().__exit__(type(error) if error else None, error, None)


def _program() -> str:
    """What runs: the name of the script or module."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    started = sys.argv[0] if getattr(sys, "argv", None) else ""
    return Path(started).name or "python"
