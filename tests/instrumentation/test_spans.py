from __future__ import annotations

import pytest
from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN
from tests.instrumentation.conftest import Told

from neurorail.instrumentation import attempt, job, mission, plan, resource
from neurorail.instrumentation.gate.call import CALL, Call, complete_ids
from neurorail.instrumentation.gate.reservation import Reservation
from neurorail.instrumentation.spans import is_call_span
from neurorail.semconv import attributes as names


@pytest.mark.parametrize(
    ("scope", "attributes", "expected"),
    [
        ("opentelemetry.instrumentation.genai.openai", {"gen_ai.operation.name": "chat"}, True),
        ("opentelemetry.instrumentation.openai.v1", {}, True),
        ("openinference.instrumentation.openai", {"openinference.span.kind": "LLM"}, True),
        ("opentelemetry.instrumentation.httpx", {"http.request.method": "POST"}, False),
        ("my.agent", {}, False),
        ("my.agent", {"gen_ai.operation.name": "execute_tool"}, True),
        ("my.agent", {"gen_ai.operation.name": "invoke_agent"}, False),
    ],
)
def test_spans_of_calls_are_known_whoever_makes_them(
    told: Told, scope: str, attributes: dict[str, str], expected: bool
) -> None:
    span = told.provider.get_tracer(scope).start_span("x", attributes=attributes)
    assert is_call_span(span) is expected
    span.end()


def test_a_span_that_is_not_recorded_is_none() -> None:
    assert not is_call_span(INVALID_SPAN)


def test_their_spans_carry_the_reservation_and_no_other_does(told: Told) -> None:
    with mission("m") as m:
        call = complete_ids(Call("inference", model="gpt-4o"))
        call.reservation = Reservation("v_1", 1_000)
        token = context.attach(context.set_value(CALL, call))
        theirs = told.provider.get_tracer("openinference.instrumentation.openai")
        with theirs.start_as_current_span("ChatCompletion"):
            http = told.provider.get_tracer("opentelemetry.instrumentation.httpx")
            with http.start_as_current_span("POST"):
                pass
        context.detach(token)
    assert call.span is not None
    stamped = told.span("ChatCompletion").attributes or {}
    assert stamped[names.RESERVATION_ID] == "v_1"
    assert stamped[names.MISSION_ID] == m.id
    assert stamped[names.RESOURCE_ID] == call.ids[names.RESOURCE_ID]
    assert stamped[names.ENTITY_TYPE] == "resource"
    assert names.RESERVATION_ID not in (told.span("POST").attributes or {})


def test_the_first_span_of_a_call_is_the_resource_and_one_below_it_is_not(told: Told) -> None:
    call = complete_ids(Call("inference", model="gpt-4o"))
    with mission("m"):
        token = context.attach(context.set_value(CALL, call))
        framework = told.provider.get_tracer("opentelemetry.instrumentation.langchain")
        client = told.provider.get_tracer("opentelemetry.instrumentation.openai.v1")
        with framework.start_as_current_span("ChatOpenAI"), client.start_as_current_span("chat"):
            pass
        context.detach(token)
    outer = told.span("ChatOpenAI").attributes or {}
    inner = told.span("chat").attributes or {}
    assert outer[names.RESOURCE_ID] == inner[names.RESOURCE_ID]
    assert outer[names.ENTITY_TYPE] == "resource"
    assert names.ENTITY_TYPE not in inner


def test_a_call_within_a_named_resource_is_no_resource(told: Told) -> None:
    with mission("m"), plan(), job("llm_call"), attempt(), resource("llm_call") as r:
        call = complete_ids(Call("inference", model="gpt-4o"))
        token = context.attach(context.set_value(CALL, call))
        client = told.provider.get_tracer("opentelemetry.instrumentation.openai.v1")
        with client.start_as_current_span("chat"):
            pass
        context.detach(token)
    stamped = told.span("chat").attributes or {}
    assert stamped[names.RESOURCE_ID] == r.id
    assert names.ENTITY_TYPE not in stamped
