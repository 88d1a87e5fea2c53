"""REST writes, ticks and the server's own records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.collector.decode.build import RECEIVED, envelope

from neurorail.collector.decode import Decoder
from neurorail.collector.decode.budgets import BudgetInput
from neurorail.collector.decode.commands import (
    NO_JSON,
    AuditCommand,
    Command,
    CreateCommand,
    TransitionCommand,
    UsageCommand,
    encode_command,
)
from neurorail.collector.decode.decide import DecideCommand, ReservationCommand
from neurorail.collector.decode.system import (
    EpochRecord,
    PricesRecord,
    RejectedRecord,
    ResumedRecord,
    SystemRecord,
    encode_system,
)
from neurorail.collector.envelope import Kind
from neurorail.rules.observations import (
    AuditLogged,
    Budget,
    DecideRequested,
    EpochStarted,
    Fields,
    Ids,
    Observation,
    PricesLoaded,
    Rejected,
    ReservationReported,
    Resumed,
    Tick,
    TransitionReported,
    Usage,
    UsageReported,
)

IDS: Ids = ("m_1", "p_1", "j_1", None, None)


def written(command: Command, decoder: Decoder | None = None) -> Observation:
    record = envelope(Kind.COMMAND, encode_command(command))
    (found,) = (decoder or Decoder()).decode(record)
    return found


def test_a_creation() -> None:
    found = written(
        CreateCommand(
            level=2,
            ids=IDS,
            job_type="llm_call",
            dependencies=("j_0",),
            tags={"b": "2", "a": "1"},
            budget=BudgetInput(max_tokens=5, max_cost_usd=Decimal("0.05"), max_retries=0),
            metadata=msgspec.Raw(b'{"z": 1,  "a": 0.10}'),
        )
    )
    assert found == TransitionReported(
        2,
        IDS,
        "create",
        RECEIVED,
        "rest",
        fields=Fields(
            job_type="llm_call",
            dependencies=("j_0",),
            tags=(("a", "1"), ("b", "2")),
            budget=Budget(max_tokens=5, max_cost_usd_pico=50_000_000_000, max_retries=0),
            metadata_json='{"z": 1,  "a": 0.10}',
        ),
    )


def test_a_creation_with_nothing_but_its_id() -> None:
    found = written(CreateCommand(level=0, ids=("m_1", None, None, None, None)))
    assert isinstance(found, TransitionReported)
    assert found.fields == Fields()


def test_limits_that_cannot_be_limit_nothing_and_are_counted() -> None:
    decoder = Decoder()
    budget = BudgetInput(timeout_ms=-1, max_cost_usd=Decimal("-1"), max_tokens=1 << 63)
    found = written(CreateCommand(level=2, ids=IDS, budget=budget), decoder)
    assert isinstance(found, TransitionReported)
    assert found.fields == Fields()
    assert decoder.stats == {"bad_budget": 3}


def test_a_transition() -> None:
    assert written(
        TransitionCommand(2, IDS, "Start", "its turn", None, msgspec.Raw(b"{}"), "operator")
    ) == TransitionReported(
        2,
        IDS,
        "start",
        RECEIVED,
        "rest",
        reason="its turn",
        metadata_json="{}",
        caused_by="operator",
    )


def test_usage() -> None:
    command = UsageCommand(
        2,
        IDS,
        duration_ms=12,
        input_tokens=10,
        output_tokens=0,
        cost_usd=Decimal("0.000000000001"),
        success=False,
        error_code="NR-E004",
    )
    assert written(command) == UsageReported(
        2,
        IDS,
        RECEIVED,
        Usage("inference", input_tokens=10, cost_usd_pico=1, has_tokens=True),
        duration_ms=12,
        success=False,
        error_code="NR-E004",
    )


def test_usage_without_numbers_and_with_impossible_ones() -> None:
    decoder = Decoder()
    none = UsageReported(2, IDS, RECEIVED, Usage("inference"))
    assert written(UsageCommand(2, IDS), decoder) == none
    assert not decoder.stats
    wrong = UsageCommand(2, IDS, -1, -1, -1, Decimal("1e30"))
    assert written(wrong, decoder) == none
    assert decoder.stats == {"bad_duration": 1, "bad_token_count": 2, "bad_cost": 1}


def test_an_audit_entry() -> None:
    command = AuditCommand(IDS, "deployed", "governance", "info", "out", NO_JSON, "planner", "e.1")
    assert written(command) == AuditLogged(
        IDS, "deployed", "governance", "info", "out", "{}", RECEIVED, "planner", "e.1"
    )


@pytest.mark.parametrize(
    "money", ['"0.1"', "0.1", "1e-1", '"1E-1"', "0.100000000000"], ids=lambda text: text
)
def test_money_is_decimal_text_whether_number_or_text(money: str) -> None:
    body = f'{{"type":"usage","level":2,"ids":["m_1",null,null,null,null],"cost_usd":{money}}}'
    (found,) = Decoder().decode(envelope(Kind.COMMAND, body.encode()))
    assert isinstance(found, UsageReported)
    assert found.usage.cost_usd_pico == 100_000_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"type":"dance"}',
        b'{"type":"create"}',
        b'{"type":"create","level":7,"ids":[null,null,null,null,null]}',
        b'{"type":"create","level":-1,"ids":[null,null,null,null,null]}',
        b'{"type":"transition","level":0,"ids":["m_1"],"transition":"start"}',
        b'{"type":"create","level":0,"ids":["\xff",null,null,null,null]}',
    ],
)
def test_other_commands_give_nothing_and_are_counted(body: bytes) -> None:
    decoder = Decoder()
    assert decoder.decode(envelope(Kind.COMMAND, body)) == []
    assert decoder.stats == {"unknown_command": 1}


def test_a_tick() -> None:
    assert Decoder().decode(envelope(Kind.TICK, b"")) == [Tick()]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (ResumedRecord(5), Resumed(5)),
        (ResumedRecord(-5), Resumed(0)),
        (EpochRecord(2, "n1", "0.1.0"), EpochStarted(2, "n1", "0.1.0")),
        (
            EpochRecord(2, "n1", "0.1.0", msgspec.Raw(b'{"a": 1}')),
            EpochStarted(2, "n1", "0.1.0", '{"a": 1}'),
        ),
        (
            PricesRecord("v", "ab", msgspec.Raw(b'{"format":1}')),
            PricesLoaded("v", "ab", b'{"format":1}'),
        ),
        (
            RejectedRecord("traces", {"no ids": 2, "empty": 1}),
            Rejected("traces", (("empty", 1), ("no ids", 2))),
        ),
    ],
)
def test_the_servers_own_records(record: SystemRecord, found: Any) -> None:
    decoder = Decoder()
    assert decoder.decode(envelope(Kind.SYSTEM, encode_system(record))) == [found]
    assert not decoder.stats


@pytest.mark.parametrize("body", [b"", b'{"type":"dead_letter"}', b'{"type":"resumed"}', b"7"])
def test_records_of_others_give_nothing(body: bytes) -> None:
    decoder = Decoder()
    assert decoder.decode(envelope(Kind.SYSTEM, body)) == []
    assert decoder.stats == {"other_system_record": 1}


def test_a_request_to_decide_and_a_report() -> None:
    ids = ("m_1", None, None, None, None)
    asked = DecideCommand("d_1", "v_1", ids, "llm_call", {"b": 2**70, "a": True}, {"tokens": 1},
                          idempotency_key="k", principal="key:1")  # fmt: skip
    (seen,) = Decoder().decode(envelope(Kind.COMMAND, encode_command(asked)))
    assert seen == DecideRequested(
        "d_1", "v_1", ids, "llm_call", (("a", True), ("b", str(2**70))), (("tokens", 1),),
        idempotency_key="k", principal="key:1",
    )  # fmt: skip
    report = ReservationCommand("release", "v_1", owner="key:1")
    (seen,) = Decoder().decode(envelope(Kind.COMMAND, encode_command(report)))
    assert seen == ReservationReported("release", "v_1", owner="key:1")
