"""One server sends on to another, and to a back end, over the death of either."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.end_to_end.rail import MS, SECOND, Chain, Rail, config_file, until
from tests.support.otlp_endpoint import Got, http_endpoint
from tests.support.otlp_requests import set_attributes, traces
from tests.support.process import ServerProcess, running_server

CALLS = 10


def work(chain: Chain) -> bytes:
    """A mission that breaks its budget of tokens with its calls."""
    now = time.time_ns()
    calls = [
        chain.span(number, 4, parent=1, times=(now - 50 * MS, now))
        for number in range(2, CALLS + 2)
    ]
    for call in calls:
        set_attributes(
            call.attributes,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 10,
            },
        )
    mission = chain.entity("mission", 1, times=(now - SECOND, now), **BUDGET)
    return traces(*calls, mission)


BUDGET = {"neurorail.budget.max_tokens": 50}


def waiting(server: ServerProcess, destination: str) -> float:
    """Records that wait for a destination."""
    with urlopen(f"{server.api}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = re.search(
        rf'^otelcol_exporter_queue_size\{{exporter="otlp/{destination}"\}} (\S+)',
        text,
        re.MULTILINE,
    )
    assert found, text
    return float(found[1])


def nothing_waits(server: ServerProcess, destination: str) -> bool:
    """Whether a destination has got everything."""
    return waiting(server, destination) == 0


def told(got: list[Got]) -> dict[str, list[str]]:
    """Event ids by event name, of all log records that arrived."""
    found: dict[str, list[str]] = {}
    for each in got:
        if each.signal == "logs":
            for group in ExportLogsServiceRequest.FromString(each.body).resource_logs:
                for record in group.scope_logs[0].log_records:
                    values = {a.key: a.value.string_value for a in record.attributes}
                    event_id = values["neurorail.event.id"]
                    found.setdefault(record.event_name, []).append(event_id)
    return found


def picture(rail: Rail, chain: Chain) -> Any:
    """What a server knows of a mission, without what depends on when it came."""
    tree = rail.ended(chain)
    kinds = sorted((each["entity_id"], each["state"]) for each in tree["descendants"])
    usage = rail.get(f"/telemetry/metrics/{chain.mission}")
    return tree["mission"]["state"], kinds, usage["input_tokens"], usage["cost_usd"]


@pytest.mark.slow
def test_nothing_is_lost_when_either_side_is_killed(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = str(free_port())
    chains = [Chain() for _ in range(9)]
    there = ("--otlp-grpc", f"127.0.0.1:{port}")
    quick = {"retry_delay_ms_min": 20, "retry_delay_ms_max": 200}
    with http_endpoint() as backend:
        destinations = {
            "next": {"endpoint": f"http://127.0.0.1:{port}", **quick,
                     "signals": ["traces", "metrics"]},
            "backend": {"endpoint": backend.address, "protocol": "http/protobuf", **quick,
                        "signals": ["events"]},
        }  # fmt: skip
        config = config_file(tmp_path, export={"destinations": destinations})
        here = ("--config", str(config))
        with (
            running_server(tmp_path / "there", *there) as downstream,
            running_server(tmp_path / "here", *here) as upstream,
        ):
            rail = Rail(upstream)
            for chain in chains[:3]:
                rail.send("traces", work(chain))
            Rail(downstream).ended(chains[0])
            downstream.kill()
            for chain in chains[3:6]:
                rail.send("traces", work(chain))
            until("records wait", lambda: waiting(upstream, "next") > 0)
            upstream.kill()
        with (
            running_server(tmp_path / "here", *here) as upstream,
            running_server(tmp_path / "there", *there) as downstream,
        ):
            rail = Rail(upstream)
            for chain in chains[6:]:
                rail.send("traces", work(chain))
            for chain in chains:
                assert picture(Rail(downstream), chain) == picture(rail, chain)
            for name in destinations:
                until("nothing waits", partial(nothing_waits, upstream, name))
            violations = [
                event
                for chain in chains
                for event in rail.events(chain.mission, "budget_violation")
            ]
        # At least once, under one id.
        sent = told(backend.got)["neurorail.budget_violation"]
        assert len(violations) == len(chains)
        assert set(sent) == {event["audit_id"] for event in violations}


def test_a_server_refuses_what_it_exported_itself(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    grpc_port, http_port = free_port(), free_port()
    destinations = {
        "grpc": {"endpoint": f"http://127.0.0.1:{grpc_port}"},
        "http": {"endpoint": f"http://127.0.0.1:{http_port}", "protocol": "http/protobuf"},
    }
    config = config_file(tmp_path, export={"destinations": destinations})
    here = ("--config", str(config), "--otlp-grpc", f"127.0.0.1:{grpc_port}",
            "--otlp-http", f"127.0.0.1:{http_port}")  # fmt: skip
    chain = Chain()
    with running_server(tmp_path / "data", *here) as server:
        rail = Rail(server)
        rail.send("traces", work(chain))

        def told_of_both() -> dict[str, str]:
            dropped = rail.get("/audit/events", event_type="export_dropped")["events"]
            errors = {each["details"]["destination"]: each["details"]["error"] for each in dropped}
            return errors if errors.keys() == destinations.keys() else {}

        errors = until("both destinations are on record", told_of_both)
        assert all("export.destinations" in error for error in errors.values()), errors
        assert rail.metrics()["otelcol_receiver_accepted_spans"] == CALLS + 1


def test_servers_that_export_to_each_other_hold_back_what_would_go_round(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    ports = {"one": free_port(), "other": free_port()}
    options = {}
    for name, to in (("one", "other"), ("other", "one")):
        folder = tmp_path / name
        folder.mkdir()
        destination = {"endpoint": f"http://127.0.0.1:{ports[to]}", "signals": ["traces"]}
        config = config_file(folder, export={"destinations": {to: destination}})
        options[name] = ("--config", str(config), "--otlp-grpc", f"127.0.0.1:{ports[name]}")
    chain = Chain()
    with (
        running_server(tmp_path / "one" / "data", *options["one"]) as one,
        running_server(tmp_path / "other" / "data", *options["other"]) as other,
    ):
        Rail(one).send("traces", work(chain))
        Rail(other).ended(chain)
        until("what would go round is refused", lambda: refused(one) > 0)
        assert waiting(other, "one") > 0
        until("the other one has all", partial(nothing_waits, one, "other"))
        for server in (one, other):
            assert Rail(server).metrics()["otelcol_receiver_accepted_spans"] == CALLS + 1


def refused(server: ServerProcess) -> float:
    """Requests that a server did not take."""
    with urlopen(f"{server.api}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    numbers = re.findall(
        r'^otelcol_receiver_requests(?:_total)?\{.*outcome="refused".*\} (\S+)$', text, re.MULTILINE
    )
    assert numbers, text
    return sum(map(float, numbers))
