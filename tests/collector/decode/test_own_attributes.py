"""Attributes that a manifest maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support.otlp_requests import logs, set_attributes, traces

from neurorail.collector.decode.own_attributes import ManifestDecoder
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.rules.observations import Observation, SpanObserved, TransitionReported
from neurorail.semconv.genai import CURRENT, with_own

OWN: dict[str, tuple[str, ...]] = {
    "agent": ("my.agent", "gen_ai.provider.name"),
    "tag.team": ("team.name", "team"),
    "tag.region": ("cloud.region",),
}


def decoder(own: Mapping[str, tuple[str, ...]] | None = None) -> ManifestDecoder:
    by_tenant = {"default": OWN if own is None else own}
    return ManifestDecoder(lambda tenant: by_tenant.get(tenant, {}))


def record(body: bytes, signal: Signal = Signal.TRACES, tenant: str = "default") -> Envelope:
    return Envelope(1, Kind.TELEMETRY, signal, "otlp_proto", 5, tenant, "me", 1, body)


def span(**attributes: Any) -> Span:
    made = Span(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=1, end_time_unix_nano=2)
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    set_attributes(made.attributes, {"gen_ai.operation.name": "chat", **named})
    return made


def one(found: list[Observation]) -> SpanObserved:
    (observed,) = found
    assert isinstance(observed, SpanObserved)
    assert observed.fields is not None
    return observed


def test_own_attribute_is_asked_first_and_belongs_to_its_meaning_alone() -> None:
    body = traces(span(my__agent="mine", gen_ai__agent__name="theirs"))
    observed = one(decoder().decode(record(body)))
    assert observed.fields is not None
    assert observed.fields.agent == "mine"
    body = traces(span(gen_ai__provider__name="openai", gen_ai__agent__name="theirs"))
    observed = one(decoder().decode(record(body)))
    assert observed.fields is not None
    assert (observed.fields.agent, observed.fields.provider) == ("openai", None)


def test_tags_come_from_the_resource_the_span_and_neurorails_own_names() -> None:
    body = traces(
        span(team="weak", team__name="strong", neurorail__tag__region="own"),
        resource={"service.name": "desk", "cloud.region": "eu", "team": "of the resource"},
    )
    observed = one(decoder().decode(record(body)))
    assert observed.fields is not None
    assert observed.fields.tags == (("region", "own"), ("team", "strong"))
    body = traces(span(), resource={"cloud.region": "eu", "team": "of the resource"})
    observed = one(decoder().decode(record(body)))
    assert observed.fields is not None
    assert observed.fields.tags == (("region", "eu"), ("team", "of the resource"))


def test_span_that_says_nothing_else_does_not_concern_the_engine() -> None:
    plain = Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8,
                 start_time_unix_nano=1, end_time_unix_nano=2)  # fmt: skip
    set_attributes(plain.attributes, {"neurorail.note": "x", "team": "search"})
    (link,) = decoder().decode(record(traces(plain)))
    assert type(link).__name__ == "SpanLinks"


def test_tags_of_a_log_record() -> None:
    made = LogRecord(event_name="neurorail.lifecycle.transition", time_unix_nano=7)
    set_attributes(
        made.attributes,
        {
            "neurorail.mission.id": "m_1",
            "neurorail.entity.type": "mission",
            "neurorail.transition": "create",
            "team.name": "search",
        },
    )
    (found,) = decoder().decode(record(logs(made), Signal.LOGS))
    assert isinstance(found, TransitionReported)
    assert found.fields is not None
    assert found.fields.tags == (("team", "search"),)


def test_value_that_is_no_text_is_no_tag() -> None:
    body = traces(span(team=["a", "b"]))
    observed = one(decoder().decode(record(body)))
    assert observed.fields is not None
    assert observed.fields.tags == ()


def test_each_tenant_is_read_by_its_own_manifest_as_it_is_now() -> None:
    now: dict[str, Mapping[str, tuple[str, ...]]] = {}
    found = ManifestDecoder(lambda tenant: now.get(tenant, {}))
    body = traces(span(my__agent="mine"))

    def agent(tenant: str) -> str | None:
        fields = one(found.decode(record(body, tenant=tenant))).fields
        assert fields is not None
        return fields.agent

    assert agent("a") is None
    now["a"] = OWN
    assert agent("a") == "mine"
    assert agent("b") is None
    assert agent("a") == "mine"
    now["a"] = {"agent": ("other",)}
    assert agent("a") is None


def test_commands_are_read_without_asking() -> None:
    def nobody(tenant: str) -> Mapping[str, tuple[str, ...]]:
        raise AssertionError(tenant)

    tick = Envelope(1, Kind.TICK, Signal.NONE, "json", 5, "default", "me", 1, b"")
    assert len(ManifestDecoder(nobody).decode(tick)) == 1


def test_mapping_without_own_attributes_is_the_same() -> None:
    assert with_own(CURRENT, {}).aliases == CURRENT.aliases
    assert with_own(CURRENT, OWN).tags == {
        "team": "team", "team.name": "team", "cloud.region": "region",
    }  # fmt: skip
