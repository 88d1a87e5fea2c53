"""What people decide, as records."""

from __future__ import annotations

from tests.collector.decode.build import envelope

from neurorail.collector.decode import Decoder
from neurorail.collector.decode.commands import Command, encode_command
from neurorail.collector.decode.people import AnswerCommand, ReflexCommand
from neurorail.collector.envelope import Kind
from neurorail.rules.observations import ConfirmationAnswered, Observation, OperatorActed


def decoded(command: Command) -> list[Observation]:
    return Decoder().decode(envelope(Kind.COMMAND, encode_command(command)))


def test_reflex_by_hand_is_observed() -> None:
    ids = ("m_1", None, None, None, None)
    scope: dict[str, str | None] = {"provider": "openai", "tool": None}
    command = ReflexCommand("kill", scope, "", "why", 60_000, ids)
    assert decoded(command) == [OperatorActed("kill", scope, "", "why", 60_000, ids)]
    assert decoded(ReflexCommand("close", target="c")) == [OperatorActed("close", {}, "c")]


def test_answer_is_observed() -> None:
    assert decoded(AnswerCommand("c_1", approved=True, reason="fine")) == [
        ConfirmationAnswered("c_1", True, "fine")
    ]
