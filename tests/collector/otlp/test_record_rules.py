"""What rules do to records that are JSON, each kind by what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.collector.otlp.fakes import KEY

from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.otlp.attribute_rules import AttributeRules
from neurorail.collector.otlp.record_rules import cleaned

MARK = "redacted:hmac-sha256:"
RULES = AttributeRules(["password", "customer.*", "token*", "metadata"], [r"sk-\d+"], KEY)


def record(body: Any, kind: Kind = Kind.COMMAND) -> Submission:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Submission(kind, Signal.NONE, text, encoding="json")


def said(body: Any, kind: Kind = Kind.COMMAND) -> Any:
    return json.loads(cleaned(RULES, record(body, kind)).body)


def test_a_command_keeps_its_numbers_and_loses_what_is_denied() -> None:
    body = (
        b'{"type":"x","cost":0.100000000000000000001,"n":12,"t":"a sk-7 b",'
        b'"details":{"in":{"password":["x"]}},"e":""}'
    )
    once = cleaned(RULES, record(body))
    assert b'"cost":0.100000000000000000001' in once.body
    told = json.loads(once.body)
    assert told["t"].startswith(f"a {MARK}")
    assert told["details"]["in"]["password"].startswith(MARK)
    assert (told["n"], told["e"]) == (12, "")
    assert cleaned(RULES, once) is once, "a second time changes nothing"


def test_a_name_that_is_denied_does_not_take_the_form_of_a_request() -> None:
    body = {"type": "decide", "estimates": {"tokens": 5}, "token_owner": "Ada", "tokens": [1]}
    told = said(body)
    assert told["token_owner"].startswith(MARK)
    assert (told["estimates"], told["tokens"], told["type"]) == ({"tokens": 5}, [1], "decide")


def test_a_free_object_whose_name_is_denied_loses_every_value() -> None:
    told = said({"type": "create", "metadata": {"a": 1, "b": {"c": "d"}, "e": None}})
    assert told["metadata"]["a"].startswith(MARK)
    assert told["metadata"]["b"].startswith(MARK)
    assert told["metadata"]["e"] is None


def test_text_that_json_spells_by_number_is_found() -> None:
    assert said(b'{"type":"x","t":"\\u0073k-7"}')["t"].startswith(MARK)


def test_what_the_server_notices_loses_text_and_keeps_its_members() -> None:
    noted = {"type": "noted", "event": "alert_failed", "message": "to sk-1",
             "data": {"error": "it said sk-2", "token": "t", "status": 500}}  # fmt: skip
    told = said(noted, Kind.SYSTEM)
    assert told["message"].startswith(f"to {MARK}")
    assert told["data"]["error"].startswith(f"it said {MARK}")
    assert (told["data"]["token"], told["data"]["status"]) == ("t", 500)
    letter = {"type": "dead_letter", "table": "t", "first_seq": 1, "last_seq": 2, "error": "sk-3"}
    assert said(letter, Kind.SYSTEM)["error"].startswith(MARK)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "noted", "event": "audit_checkpoint", "data": {"root": "sk-1"}}, Kind.SYSTEM),
        ({"type": "prices", "table": {"note": "sk-1"}}, Kind.SYSTEM),
        ({"type": "manifest_create", "canonical": "sk-1", "source": "sk-1"}, Kind.COMMAND),
        ({"type": "x", "t": "plain"}, Kind.COMMAND),
    ],
)
def test_what_was_signed_or_hashed_and_what_nothing_is_said_of_is_the_same_object(
    body: Any, kind: Kind
) -> None:
    told = record(body, kind)
    assert cleaned(RULES, told) is told


def test_telemetry_and_ticks_have_no_json() -> None:
    for kind in (Kind.TELEMETRY, Kind.TICK):
        told = record(b"sk-1", kind)
        assert cleaned(RULES, told) is told
