"""What the gate asks of the side that governs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity
    from neurorail.instrumentation.gate.call import Call, Usage
    from neurorail.instrumentation.gate.reservation import Reservation
    from neurorail.instrumentation.gate.status import GateStatus


class Control(Protocol):
    """Decides attempts and calls in `rail` mode, and settles what was set aside for them."""

    def may_ask(self, entity: Entity) -> bool:
        """Whether `reserve_attempt` could ask somebody; if not, it answers at once."""
        ...

    def reserve_attempt(self, entity: Entity) -> Reservation | None:
        """Ask for an attempt; None where nothing is set aside.

        Raises:
            NeuroRailRefused: it may not start.
        """
        ...

    def may_ask_call(self, call: Call) -> bool:
        """Whether `reserve_call` could ask somebody; if not, it answers at once."""
        ...

    def reserve_call(self, call: Call) -> Reservation | None:
        """Ask for a call; None where nothing is set aside.

        Raises:
            NeuroRailRefused: it may not be made.
        """
        ...

    def is_on_rail(self, call: Call) -> bool:
        """Whether calls like this one ask, and the answer holds, as far as is known."""
        ...

    def settle(self, call: Call, usage: Usage | None, *, failed: bool) -> None:
        """A call is over. Returns at once."""
        ...

    def release(self, reservation: Reservation) -> None:
        """What was set aside for an attempt is not needed any more. Returns at once."""
        ...

    def stop(self) -> None:
        """Report what waits, and end."""
        ...

    def status(self, directives: int, refusals: int) -> GateStatus:
        """What is going on, completed by what the gate counts itself."""
        ...

    def begin_anew(self) -> None:
        """In a forked child: nothing of the parent's goes on here."""
        ...
