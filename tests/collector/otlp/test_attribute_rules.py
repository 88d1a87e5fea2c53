"""What rules replace, and what they leave as it is."""

from __future__ import annotations

import pytest
from tests.collector.otlp.fakes import KEY
from tests.collector.otlp.telemetry import attribute, spans

from neurorail.collector.otlp.attribute_rules import AttributeRules

MARK = "redacted:hmac-sha256:"
RULES = AttributeRules(["password", "customer.*"], [r"sk-\d+"], KEY)


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


def test_nothing_concerns_rules_that_are_none() -> None:
    assert not AttributeRules([], [], KEY).may_concern(b"sk-1")


@pytest.mark.parametrize("pattern", [r"\bsk-\d+\b", r"^sk-\d+$", r"(?<![a-z])sk-\d+", r"sk-\d++"])
def test_a_pattern_that_looks_around_is_tried_on_each_text_alone(pattern: str) -> None:
    rules = AttributeRules([], [pattern], KEY)
    # The length of the text, 97, is an "a" in the request.
    text = "sk-" + "1" * 94
    request = spans({"attributes": [attribute("k", text)]})
    assert rules.may_concern(request.SerializeToString())
    assert rules.apply(request) == 1


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "is no regular expression"),
        ("a*", "matches the empty text"),
        ("(?i)secret", "is no regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AttributeRules([], [pattern], KEY)
