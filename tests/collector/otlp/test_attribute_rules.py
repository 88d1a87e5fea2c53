"""What rules replace, and what they leave as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.collector.otlp.fakes import KEY
from tests.collector.otlp.telemetry import attribute, spans

from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.otlp.attribute_rules import AttributeRules

MARK = "redacted:hmac-sha256:"
RULES = AttributeRules(["password", "customer.*"], [r"sk-\d+"], KEY)


def command(body: Any, kind: Kind = Kind.COMMAND) -> Submission:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Submission(kind, Signal.NONE, text, encoding="json")


def test_the_value_under_a_name_goes_whole_and_of_other_text_what_matches() -> None:
    request = spans(
        {
            "attributes": [
                attribute("password", "hunter2"),
                attribute("customer.name", "Ada"),
                attribute("passwords", "kept"),
                attribute("url", "https://x/?key=sk-1&y=1"),
            ]
        }
    )
    assert RULES.may_concern(request.SerializeToString())
    assert RULES.apply(request) == 3
    first, second, third, fourth = request.resource_spans[0].scope_spans[0].spans[0].attributes
    assert first.value.string_value.startswith(MARK)
    assert first.value.string_value.endswith(":7"), "its length is told"
    assert second.value.string_value.startswith(MARK)
    assert third.value.string_value == "kept"
    assert fourth.value.string_value.startswith(f"https://x/?key={MARK}")
    assert fourth.value.string_value.endswith("&y=1")
    again = request.SerializeToString()
    assert RULES.apply(request) == 0, "what is a hash already stays"
    assert again == request.SerializeToString()


def test_a_command_keeps_its_numbers_and_loses_what_is_denied() -> None:
    body = b'{"cost":0.100000000000000000001,"n":12,"t":"a sk-7 b","in":{"password":["x"]},"e":""}'
    cleaned = RULES.command(command(body)).body
    assert b'"cost":0.100000000000000000001' in cleaned
    said = json.loads(cleaned)
    assert said["t"].startswith(f"a {MARK}")
    assert said["in"]["password"].startswith(MARK)
    assert (said["n"], said["e"]) == (12, "")
    assert json.loads(RULES.command(command(cleaned)).body) == said, "a second time changes nothing"


def test_text_that_json_spells_by_number_is_found() -> None:
    cleaned = RULES.command(command(b'{"t":"\\u0073k-7"}')).body
    assert json.loads(cleaned)["t"].startswith(MARK)


def test_what_nothing_is_said_of_is_the_same_object() -> None:
    record = command({"t": "plain"})
    assert RULES.command(record) is record
    own = command({"t": "sk-1"}, Kind.SYSTEM)
    assert RULES.command(own) is own
    assert not AttributeRules([], [], KEY).may_concern(b"sk-1")


@pytest.mark.parametrize(
    ("pattern", "says"), [("(", "is no regular expression"), ("a*", "matches the empty text")]
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AttributeRules([], [pattern], KEY)
