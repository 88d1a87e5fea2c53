"""The load must be what the measurements say of it, or their numbers mean nothing."""

from __future__ import annotations

import itertools
import re

import pytest
from bench.spans import MARK, mission_spans
from bench.workload import Request, Workload, trace_id
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from neurorail.semconv import attributes as names

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


def spans_of(request: Request) -> list[Span]:
    found = ExportTraceServiceRequest.FromString(request.body)
    return list(found.resource_spans[0].scope_spans[0].spans)


def texts_of(span: Span) -> dict[str, str]:
    return {a.key: a.value.string_value for a in span.attributes}


@pytest.mark.parametrize(("per_request", "per_mission"), [(512, 25), (10, 25), (10, 10), (50, 50)])
def test_every_span_of_every_turn_is_new(per_request: int, per_mission: int) -> None:
    workload = Workload(per_request, per_mission)
    total = 6_000
    requests = list(workload.requests(total, NOW))
    spans = [span for request in requests for span in spans_of(request)]
    assert [len(spans_of(request)) for request in requests] == [per_request] * len(requests)
    assert [request.spans for request in requests] == [per_request] * len(requests)
    assert len({(span.trace_id, span.span_id) for span in spans}) == len(spans) >= total
    missions = {texts_of(span)[names.MISSION_ID] for span in spans}
    assert len(missions) == len({span.trace_id for span in spans}) == -(-len(spans) // per_mission)
    assert all(re.fullmatch(r"m_[0-9a-f]{32}", mission) for mission in missions)


def test_no_mark_is_left_and_all_times_are_recent() -> None:
    for request in Workload().requests(20_000, NOW):
        assert MARK not in request.body
        assert MARK.hex().encode() not in request.body
        for span in spans_of(request):
            moments = [span.start_time_unix_nano, span.end_time_unix_nano]
            moments += [event.time_unix_nano for event in span.events]
            assert all(abs(moment - NOW) < 2 * SECOND for moment in moments)
            assert moments[0] <= moments[1]


def test_the_same_arguments_give_the_same_bytes() -> None:
    first, second = Workload(64, 25, seed=3), Workload(64, 25, seed=3)
    assert [first.request(n, NOW).body for n in range(40)] == [
        second.request(n, NOW).body for n in range(40)
    ]
    assert first.request(0, NOW).body != Workload(64, 25, seed=4).request(0, NOW).body


def test_generators_beside_each_other_share_no_mission() -> None:
    near = {trace_id(r.body) for r in Workload(10, 10).requests(500, NOW)}
    far = {trace_id(r.body) for r in Workload(10, 10, first_mission=10_000).requests(500, NOW)}
    assert len(near) == len(far) == 50
    assert not near & far


def test_a_mission_is_a_chain_with_children_first_and_mostly_ordinary_spans() -> None:
    for seed, size in itertools.product(range(20), (8, 25, 100)):
        spans = mission_spans(size, seed, NOW)
        assert len(spans) == size
        place = {span.span_id: number for number, span in enumerate(spans)}
        for span in spans:
            if span.parent_span_id:
                assert place[span.parent_span_id] > place[span.span_id]
        kinds = [texts_of(span).get(names.ENTITY_TYPE) for span in spans]
        assert {"mission", "plan", "job", "attempt", "resource"} <= set(kinds)
        assert kinds.count("mission") == kinds.count("plan") == 1
        assert size < 25 or 0.15 < 1 - kinds.count(None) / size < 0.4


def test_a_mission_too_small_for_a_chain_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        mission_spans(7, 1, NOW)


def test_ordinary_spans_are_traces_that_say_nothing_of_agents() -> None:
    requests = list(Workload(ordinary=True).requests(6_000, NOW))
    spans = [span for request in requests for span in spans_of(request)]
    assert len({(span.trace_id, span.span_id) for span in spans}) == len(spans) >= 6_000
    assert sum(not span.parent_span_id for span in spans) == len(spans) // 25
    keys = {attribute.key for span in spans for attribute in span.attributes}
    assert len(keys) > 15
    assert not [key for key in keys if key.startswith(("neurorail.", "gen_ai."))]
