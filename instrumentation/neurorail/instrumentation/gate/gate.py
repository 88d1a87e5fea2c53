"""The gate of a process: every governed call and every attempt passes here before it is made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

from neurorail.instrumentation.errors import NeuroRailRefused
from neurorail.instrumentation.gate import budgets
from neurorail.instrumentation.gate.call import NO_USAGE, Call, Usage, frame_around
from neurorail.instrumentation.gate.changed_budgets import ChangedBudgets
from neurorail.instrumentation.gate.directive import CANCEL, Directive
from neurorail.instrumentation.gate.status import OFF, GateStatus
from neurorail.instrumentation.gate.stopping import Stopping
from neurorail.instrumentation.gate.table import Table
from neurorail.instrumentation.loops import running_loop
from neurorail.instrumentation.safety import Safely

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity
    from neurorail.instrumentation.gate.config import GateConfig
    from neurorail.instrumentation.gate.control import Control
    from neurorail.instrumentation.process import Process

ATTEMPT: Final = 3
RESOURCE: Final = 4
BLOCK_NS: Final = 3_600_000_000_000
"""How long work that was left behind is kept from calling."""
LOCAL: Final = "local:"
"""Ids of directives that this process made itself begin so; a new snapshot leaves them."""

_READING: Final = Safely("reading the usage of a resource")

ErrorType = type[BaseException] | None


class _UndoIfRefused:
    """Takes back what was counted when what follows raises."""

    __slots__ = ("_undo",)

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo = undo

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Take back, if it raised."""
        if error is not None:
            self._undo()


class Gate:
    """Holds directives and local limits; asks the server where the manifest wants that.

    Everything here is safe to call from any thread.
    """

    def __init__(self, process: Process) -> None:
        self.table = Table()
        self.control: Control | None = None
        """The connection to a server, once `configure` made one."""
        self._process = process
        self._stopping = Stopping(process)
        self.changed_budgets = ChangedBudgets(
            lambda: [entity for entity, _ in list(process.running.values())],
            self._stopping.retime,
        )
        os.register_at_fork(after_in_child=self._begin_anew)

    def connect(self, config: GateConfig, service: str, instance_id: str) -> None:
        """Follow a server's directives and ask it for decisions, from now on.

        Args:
            config: Where it is, and how.
            service: This process's `service.name`.
            instance_id: This process's `service.instance.id`; empty for one of our own.
        """
        # Processes without a server do not pay for the client.
        from neurorail.instrumentation.gate.announcing import Announcing
        from neurorail.instrumentation.gate.following import Following
        from neurorail.instrumentation.gate.rail import Rail

        self.disconnect()
        rail = Rail(config, self._process.events, service)
        rail.following = Following(
            self, rail.connection, service, rail.modes.forget, quiet=config.guessed
        )
        rail.announcing = Announcing(rail.connection, service, instance_id, self.status)
        if service:
            self._process.facts["service"] = service
        self.control = rail
        rail.following.start()
        rail.announcing.start()

    def disconnect(self) -> None:
        """Ask nobody any more; what was settled is reported first."""
        control, self.control = self.control, None
        if control is not None:
            control.stop()

    def status(self) -> GateStatus:
        """What the gate is doing at the moment."""
        if self.control is not None:
            return self.control.status(len(self.table), NeuroRailRefused.raised)
        return GateStatus(OFF, "", "auto", False, len(self.table), 0, NeuroRailRefused.raised, 0, 0)

    # ── entities ─────────────────────────────────────────────────────────────────────────────

    def entering(self, entity: Entity) -> None:
        """Let an entity start.

        Raises:
            NeuroRailRefused: it may not.
        """
        if self._is_idle(entity):
            return
        self._check_entity(entity)
        if self._is_call(entity):
            with self._counted(entity):
                self.enter_call(entity.as_call())
        elif entity.level == ATTEMPT and self.control is not None:
            with self._counted(entity):
                entity.reservation = self.control.reserve_attempt(entity)
        self._stopping.watch(entity)

    async def entering_async(self, entity: Entity) -> None:
        """Let an entity start; the server is asked on another thread."""
        import asyncio

        self._check_entity(entity)
        if self._is_call(entity):
            with self._counted(entity):
                await self.enter_call_async(entity.as_call())
        elif entity.level == ATTEMPT and self.control is not None and self.control.may_ask(entity):
            with self._counted(entity):
                entity.reservation = await asyncio.to_thread(self.control.reserve_attempt, entity)
        self._stopping.watch(entity)

    def leaving(self, entity: Entity, error: BaseException | None) -> NeuroRailRefused | None:
        """An entity ends. Gives what to raise where its task was cancelled by a directive."""
        if entity.counted:
            budgets.entity_ends(entity)
        if entity.call is not None:
            self.leave_call(entity.call, self._usage_of(entity), failed=False)
        elif entity.reservation is not None and self.control is not None:
            self.control.release(entity.reservation)
        return None if entity.task is None else self._stopping.unwatch(entity, error)

    def block(self, entity: Entity, code: str, reason: str) -> None:
        """Refuse every call below an entity of this process from now on; nothing is cancelled.

        Args:
            entity: The entity.
            code: The error code of the refusals.
            reason: Why, for people.
        """
        self.table.purge()
        scope = {"entity_type": entity.type, "entity_id": entity.id}
        self.table.add(
            Directive(
                f"{LOCAL}{entity.id}",
                CANCEL,
                scope,
                code,
                reason,
                expires_monotonic_ns=time.monotonic_ns() + BLOCK_NS,
            )
        )

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    def enter_call(self, call: Call) -> None:
        """Let a call be made.

        Raises:
            NeuroRailRefused: it may not; nothing went over the network.
        """
        self._check_call(call)
        if self.control is not None:
            with self._counted_call(call):
                call.reservation = self.control.reserve_call(call)

    async def enter_call_async(self, call: Call) -> None:
        """Let a call be made; the server is asked on another thread."""
        import asyncio

        self._check_call(call)
        if self.control is not None and self.control.may_ask_call(call):
            with self._counted_call(call):
                call.reservation = await asyncio.to_thread(self.control.reserve_call, call)

    def leave_call(self, call: Call, usage: Usage | None, *, failed: bool) -> None:
        """A call is over.

        Args:
            call: The call.
            usage: What it used; None where nobody said.
            failed: Whether it certainly used nothing.
        """
        if not call.claim_settlement():
            return
        bound = call.bounds.tokens or 0
        if call.begun:
            # What nobody knows counts as the most that it can be.
            used = 0 if failed else bound if usage is None else usage.tokens
            budgets.call_ends(call.entity, bound, used)
        if usage is not None and usage.tokens:
            self._told_below(call)
        if self.control is not None:
            self.control.settle(call, usage, failed=failed)

    def check(self, facts: dict[str, str]) -> None:
        """Let something begin that reserves nothing, for example a hand-off between agents.

        Raises:
            NeuroRailRefused: a directive stands against it.
        """
        if self.table.groups:
            self._raise_if_found(facts, reserved=False)

    # ── directives ───────────────────────────────────────────────────────────────────────────

    def apply(self, directive: Directive) -> None:
        """Hold a directive, and end the work that it ends."""
        if self.table.add(directive) and directive.ends_work:
            self._stopping.stop_matching(directive)

    def lift(self, directive_id: str) -> None:
        """Hold a directive no more."""
        self.table.remove(directive_id)

    def replace(self, directives: list[Directive]) -> None:
        """Hold exactly these, besides those that this process made itself."""
        self.table.replace(directives, LOCAL)
        for one in directives:
            if one.ends_work:
                self._stopping.stop_matching(one)

    def _is_idle(self, entity: Entity) -> bool:
        """Whether nothing at all is to be asked, counted or watched: then it costs nothing."""
        return (
            self.control is None
            and not self.table.groups
            and not entity.limited
            and running_loop() is None
        )

    def _is_call(self, entity: Entity) -> bool:
        """Whether the gate has anything to say about a resource: else it costs nothing."""
        if entity.level != RESOURCE:
            return False
        if not (entity.limited or self.table.groups or self.control is not None):
            return False
        return frame_around(is_tool=entity.facts.get("resource_type") == "tool_call") is None

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _check_entity(self, entity: Entity) -> None:
        if self.changed_budgets.by_id:
            self.changed_budgets.apply(entity)
        if self.table.groups and entity.level != RESOURCE:
            self._raise_if_found(entity.facts, reserved=False)
        refused = budgets.entity_starts(entity)
        if refused is not None:
            raise refused

    def _check_call(self, call: Call) -> None:
        on_rail = self.control is not None and self.control.is_on_rail(call)
        if self.table.groups:
            # On the rail the server sets the call's budgets against what was reserved for it.
            # Directly nobody does, and an attempt that was let through is no pass for its calls.
            reserved = on_rail and call.parent_reservation() is not None
            self._raise_if_found(call.facts(), reserved=reserved)
        tokens = call.bounds.tokens or 0
        # Upper bounds have to fit where the server would make them fit.
        refused = budgets.call_begins(call.entity, tokens, call.is_tool, must_fit=on_rail)
        if refused is not None:
            raise refused
        call.begun = True

    def _raise_if_found(self, facts: dict[str, str], *, reserved: bool) -> None:
        found = self.table.find(facts, reserved=reserved)
        if found is not None:
            raise found.refusal_now()

    def _usage_of(self, entity: Entity) -> Usage:
        """What the call of a resource itself used, however its program said so."""
        if entity.told_below:
            return NO_USAGE
        call = entity.call
        if entity.usage is not NO_USAGE or call is None or call.is_tool:
            return entity.usage
        if not entity.limited and call.reservation is None:
            return NO_USAGE  # Nobody here would count it.
        from neurorail.instrumentation.gate.told_usage import told_usage

        with _READING:
            return told_usage(entity.span)
        return NO_USAGE

    def _told_below(self, call: Call) -> None:
        """The resources around a call repeat what it used: of nested ones the innermost counts."""
        around = call.entity
        if around is not None and around.call is call:
            around = around.parent
        while around is not None and around.level == RESOURCE:
            around.told_below = True
            around = around.parent

    def _counted(self, entity: Entity) -> _UndoIfRefused:
        return _UndoIfRefused(lambda: budgets.entity_ends(entity) if entity.counted else None)

    def _counted_call(self, call: Call) -> _UndoIfRefused:
        def undo() -> None:
            if call.claim_settlement():
                budgets.call_ends(call.entity, call.bounds.tokens or 0, 0)

        return _UndoIfRefused(undo)

    def _begin_anew(self) -> None:
        if self.control is not None:
            self.control.begin_anew()
